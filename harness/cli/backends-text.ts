import type { Backend } from '../backends/backend.ts'
import { abilityOf, type Capability, capabilities } from '../backends/capabilities.ts'
import { table } from './output.ts'

const names = Object.keys(capabilities) as Capability[]

/** What each backend can do, whatever the machine: for the guide. */
export function backendsMarkdown(backends: readonly Backend[]): string {
  const words = { yes: 'yes', there: 'where the machine can', no: 'no' }
  const rows = names.map((name) => {
    const cells = backends.map((one) => words[abilityOf(one, name)])
    return `| \`${name}\` | ${capabilities[name]} | ${cells.join(' | ')} |`
  })
  return [
    `| capability | | ${backends.map(({ name }) => `\`${name}\``).join(' | ')} |`,
    `| --- | --- |${' --- |'.repeat(backends.length)}`,
    ...rows,
  ].join('\n')
}

/** One backend on this machine: why it cannot run, and what its nodes can have. */
export interface BackendHere {
  readonly backend: string
  readonly unavailable: string | undefined
  readonly capabilities: Readonly<Partial<Record<Capability, { has: boolean; why?: string | undefined }>>>
}

export async function backendsHere(backends: readonly Backend[]): Promise<BackendHere[]> {
  return Promise.all(
    backends.map(async (one) => {
      const found = names.map((name) => {
        const has = one.capabilities[name] ?? false
        const why = has ? undefined : one.whyLacking?.(name)
        return [name, { has, ...(why !== undefined && { why }) }] as const
      })
      return { backend: one.name, unavailable: await one.unavailable(), capabilities: Object.fromEntries(found) }
    }),
  )
}

/** What each can do here, and below that what is lacking and what to type. */
export function backendsText(here: readonly BackendHere[]): string {
  const rows = names.map((name) => {
    const cells = here.map(({ capabilities: own }) => {
      const { has = false, why } = own[name] ?? {}
      return has ? 'yes' : why === undefined ? 'no' : 'not here'
    })
    return [name, ...cells, capabilities[name]]
  })
  const ready = ['', ...here.map(({ unavailable }) => (unavailable === undefined ? 'ready' : 'cannot run')), '']
  const lacking = here.flatMap(({ backend, unavailable, capabilities: own }) => [
    ...(unavailable === undefined ? [] : [`${backend}: ${unavailable}`]),
    ...names.flatMap((name) => (own[name]?.why === undefined ? [] : [`${backend} ${name}: ${own[name].why}`])),
  ])
  return [table(['capability', ...here.map(({ backend }) => backend), ''], [ready, ...rows]), ...lacking].join('\n')
}
