import type { z } from 'zod'
import { addIssues } from './check-shape.ts'
import type { Compilation, PlannedUnit } from './compilation.ts'
import type { Spoken } from './kind.ts'

/** What of protocols a topology is checked with, by their names. */
export type RequestForms = ReadonlyMap<
  string,
  { readonly request: z.ZodType; readonly observation?: { readonly request: z.ZodType } }
>

/** What the kinds say that is spoken at their units is held to the protocols that speak it. */
export function checkRequests(compilation: Compilation, planned: readonly PlannedUnit[], forms: RequestForms): void {
  const requests = new Map([...forms].map(([name, { request }]) => [name, request]))
  const observations = new Map(
    [...forms].flatMap(([name, { observation }]) => (observation === undefined ? [] : [[name, observation.request]])),
  )
  for (const { unit, plan } of planned) {
    const path = ['nodes', unit.node, 'units', unit.name]
    for (const [name, { request }] of Object.entries(plan.actions ?? {})) {
      checkSpoken(compilation, [...path, name, 'request'], request, requests)
    }
    if (plan.observe) checkSpoken(compilation, [...path, 'observe', 'request'], plan.observe.request, observations)
  }
}

function checkSpoken(
  { mistakes }: Compilation,
  path: readonly PropertyKey[],
  spoken: Spoken,
  forms: ReadonlyMap<string, z.ZodType>,
): void {
  const [[name, said] = ['nothing', undefined], ...more] = Object.entries(spoken)
  const schema = forms.get(name)
  if (schema === undefined || more.length > 0) {
    const what = more.length > 0 ? 'more than one protocol' : `"${name}", which no protocol does here`
    mistakes.add(path, `speaks ${what}`, `let its kind name one of ${[...forms.keys()].join(', ')}`)
    return
  }
  const { error } = schema.safeParse(said)
  if (error) addIssues(mistakes, [...path, name], error.issues, said, schema)
}
