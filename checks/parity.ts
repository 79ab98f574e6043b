import { availableParallelism } from 'node:os'
import { relative } from 'node:path'
import type { Backend } from '../harness/backends/backend.ts'
import { type Difference, type Parity, parityOf, parityText, seenText } from '../harness/evidence/parity.ts'
import { standardBackend } from '../harness/settings.ts'
import { backends } from '../harness/shipped.ts'
import { type Check, type Outcome, root, tests } from './check.ts'

/** Where the parity set runs a second time. */
export interface OtherGround {
  readonly name: string
  /** Settings that lead scenarios there. */
  readonly env: Readonly<Record<string, string>>
  /** What is not proven on this machine, and why. */
  readonly skipped: Outcome['skipped']
}

/** The backend whose nodes have a network of their own, or another one; where this machine cannot run it, seats of agents, as all such backends have. */
export async function otherGround(wanted = 'netns'): Promise<OtherGround> {
  const found = backends.find(({ name }) => name === wanted)
  const lacking = found === undefined ? 'this version has none' : await found.unavailable()
  if (lacking === undefined) return { name: wanted, env: { HOLDFAST_BACKEND: wanted, ...workers(found) }, skipped: [] }
  const name = `Every cell and claim of the parity set is the same on ${standardBackend} and ${wanted}`
  return { name: 'seats of agents', env: { HOLDFAST_SEATS: 'agent' }, skipped: [{ name, reason: lacking }] }
}

/** No more files side by side than this machine bears sites of a backend. */
function workers(backend: Backend | undefined): OtherGround['env'] {
  const most = backend?.sitesAtOnce?.()
  return most === undefined ? {} : { VITEST_MAX_WORKERS: String(Math.min(most, availableParallelism())) }
}

/** Runs the parity set, or what of it is in these folders, on a ground. */
export function parityCheck({ name, env }: Pick<OtherGround, 'name' | 'env'>, folders: readonly string[] = []): Check {
  const sentence = `Matrices, claims and attacks on connections hold on ${name}, too`
  return { name: sentence, argv: tests('parity', folders), counts: true, live: true, env }
}

/** Holds what was seen on the other ground against what the scenarios saw on their own: nothing of that runs twice. */
export function parityHolds(
  scenarios: readonly Outcome[],
  there: Outcome,
  { name: ground, skipped }: OtherGround,
): Outcome {
  const began = Date.now()
  const { leftOut = [], files } = there
  const left = new Set(leftOut.map(({ file, name }) => JSON.stringify([file, name])))
  const chosen = new Set(files.map((file) => relative(root, file)))
  const here = scenarios.flatMap(({ seen = [] }) => seen)
  const own = here.filter(({ file, name }) => chosen.has(file) && !left.has(JSON.stringify([file, name])))
  const parity = parityOf([
    { ground: standardBackend, tests: own },
    { ground, tests: there.seen ?? [] },
  ])
  const name = `Every cell and claim of the parity set is the same on ${standardBackend} and ${ground}`
  const failed = [
    ...differenceTexts(parity).map((reason) => ({ name, reason })),
    ...(parity.same.length + parity.differing.length === 0 ? [{ name, reason: 'nothing was seen on both' }] : []),
  ]
  const output = [parityText(parity), ...apartLines(parity), ...failed.map(({ reason }) => reason)].join('\n')
  return {
    ...{ name, passed: failed.length > 0 ? 0 : 1, failed, skipped, files: [], output, telling: true },
    ms: Date.now() - began,
  }
}

/** What differs, by name; tests that differ in the same way once, with how many more there are. */
function differenceTexts({ differing }: Parity): string[] {
  const alike = Map.groupBy(differing, (one) => JSON.stringify(one.seen.map((each) => seenText(each, one))))
  return [...alike.values()].map(([first, ...others]) => {
    const names = others.slice(0, 5).map(({ scenario, name }) => `  so, too: ${scenario}: ${name}`)
    const rest = others.length > 5 ? [`  and ${others.length - 5} more`] : []
    return [differenceText(first!), ...names, ...rest].join('\n')
  })
}

/** One test, and what each ground saw of it. */
function differenceText(difference: Difference): string {
  const { scenario, name, members, number, more, seen } = difference
  const which = number === undefined ? '' : `, call ${number}${more > 0 ? ` and ${more} more` : ''}`
  const lines = seen.map((one) => {
    const where = [one.page ?? one.evidence].flatMap((path) => (path === undefined ? [] : `  [${path}]`))
    return `  ${one.ground}: ${seenText(one, difference)}${where.join('')}`
  })
  return [`${scenario}: ${name} (${members.join(', ')}${which})`, ...lines].join('\n')
}

/** Why some tests ran on one of the grounds only, each reason once. */
function apartLines({ apart }: Parity): string[] {
  const reasons = apart.flatMap(({ scenario, not }) =>
    not.map(({ ground, reason }) => ({ scenario, why: `${ground}: ${reason}` })),
  )
  return [...Map.groupBy(reasons, ({ why }) => why)].map(([why, some]) => {
    const claims = [...new Set(some.map(({ scenario }) => scenario))].join(', ')
    return `not on ${why}: ${some.length} of ${claims}`
  })
}
