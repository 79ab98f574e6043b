import type { Attack, Family } from '../attacks/attack.ts'
import { outcomeText } from '../attacks/outcome.ts'
import type { Scope } from '../attacks/scope.ts'
import { plural, table } from './output.ts'

/** What is tried where, and what is not, as JSON. */
export function listing(topology: string, scopes: readonly Scope[]) {
  return {
    topology,
    tried: scopes.filter(isTried).map(({ attack, trials }) => ({
      ...{ case: attack.id, title: attack.title, source: attack.source },
      trials: trials.map(({ name, variant, target, alike }) => ({
        ...{ variant: name, target: target.name, expected: outcomeText(variant.expect) },
        alike: alike.map((one) => one.name),
      })),
    })),
    notTried: notTriedIn(scopes),
  }
}

/** The same for people: a table for each family; with `variants`, a row for each of them, and what must come of it. */
export function listingText(
  topology: string,
  families: readonly Family[],
  scopes: readonly Scope[],
  rows: 'cases' | 'variants',
): string {
  const tried = scopes.filter(isTried)
  const trials = tried.reduce((sum, scope) => sum + scope.trials.length, 0)
  const tables = families.flatMap(({ name, summary, attacks }) => {
    const own = tried.filter(({ attack }) => attacks.includes(attack))
    if (own.length === 0) return []
    return [`${name}  ${summary}\n${rows === 'cases' ? casesTable(own) : variantsTables(own)}`]
  })
  const rest = notTriedIn(scopes).map((one) => [one.case, one.why, [one.title, one.variant ?? []].flat().join(': ')])
  return [
    `${topology}  ${plural(tried.length, 'case')} of ${scopes.length} are tried, as ${plural(trials, 'test')}`,
    ...tables,
    ...(rest.length === 0 ? [] : [`not tried\n${table(['case', 'why', 'attack'], rest)}`]),
  ].join('\n\n')
}

/** A case, or one of its variants, that no target can have. */
interface NotTried extends Pick<Attack, 'title' | 'source'> {
  readonly case: string
  /** Absent: the whole case. */
  readonly variant?: string
  readonly why: string
}

/** Everything that is not tried, with the reason. */
export function notTriedIn(scopes: readonly Scope[]): NotTried[] {
  return scopes.flatMap(({ attack: { id, title, source }, why, untried }) => {
    const of = { case: id, title, source }
    return why === undefined ? untried.map(({ name, why }) => ({ ...of, variant: name, why })) : [{ ...of, why }]
  })
}

/** `8 cases and 1 variant not tried: GEN-03, …`; undefined when all are. */
export function notTriedLine(notTried: readonly NotTried[]): string | undefined {
  if (notTried.length === 0) return undefined
  const variants = notTried.filter(({ variant }) => variant !== undefined).length
  const counts = Object.entries({ case: notTried.length - variants, variant: variants })
    .filter(([, count]) => count > 0)
    .map(([what, count]) => plural(count, what))
  const ids = [...new Set(notTried.map((one) => one.case))]
  return `${counts.join(' and ')} not tried: ${ids.join(', ')} (holdfast attack --list says why)`
}

function isTried({ why }: Scope): boolean {
  return why === undefined
}

function casesTable(scopes: readonly Scope[]): string {
  const variants = (trials: Scope['trials']) => new Set(trials.map(({ name }) => name)).size
  const rows = scopes.map(({ attack: { id, title }, trials }) => [id, `${variants(trials)}`, title, placesText(trials)])
  return table(['case', 'variants', 'what must hold', 'tried at'], rows)
}

function variantsTables(scopes: readonly Scope[]): string {
  const tables = scopes.map(({ attack, trials }) => {
    const alike = Map.groupBy(trials, ({ name, variant }) => JSON.stringify([name, outcomeText(variant.expect)]))
    const rows = [...alike].map(([key, some]) => [...(JSON.parse(key) as string[]), placesText(some)])
    const head = `${attack.id}  ${attack.title} (${attack.source})`
    return `${head}\n${table(['variant', 'what must come of it', 'tried at'], rows)}`
  })
  return tables.join('\n\n')
}

/** `node-a peering:connect, node-a node:read; 2 alike`. */
function placesText(trials: Scope['trials']): string {
  const places = [...new Set(trials.map(({ target }) => target.name))]
  const alike = new Set(trials.flatMap((trial) => trial.alike.map(({ name }) => name)))
  return places.join(', ') + (alike.size === 0 ? '' : `; ${alike.size} alike`)
}
