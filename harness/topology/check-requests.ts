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
  for (const { unit, plan } of planned) {
    const path = ['nodes', unit.node, 'units', unit.name]
    for (const [name, { request }] of Object.entries(plan.actions ?? {})) {
      checkSpoken(compilation, [...path, name], request, forms, (form) => form.request)
    }
    if (plan.observe === undefined) continue
    checkSpoken(compilation, [...path, 'observe'], plan.observe.request, forms, (form) => form.observation?.request)
  }
}

function checkSpoken(
  { mistakes }: Compilation,
  path: readonly PropertyKey[],
  spoken: Spoken,
  forms: RequestForms,
  schemaOf: (form: NonNullable<ReturnType<RequestForms['get']>>) => z.ZodType | undefined,
): void {
  const [[name, said] = ['nothing', undefined], ...more] = Object.entries(spoken)
  const form = forms.get(name)
  const schema = form && schemaOf(form)
  if (schema === undefined || more.length > 0) {
    const able = [...forms].flatMap(([known, one]) => (schemaOf(one) === undefined ? [] : known))
    const what = more.length > 0 ? 'more than one protocol' : `"${name}", which no protocol does here`
    mistakes.add([...path, 'request'], `speaks ${what}`, `let its kind name one of ${able.join(', ')}`)
    return
  }
  const { error } = schema.safeParse(said)
  if (error) addIssues(mistakes, [...path, 'request', name], error.issues, said, schema)
}
