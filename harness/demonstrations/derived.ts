import { HoldfastError } from '../errors.ts'
import { credentialKinds } from '../shipped.ts'
import { expectedRefusal } from '../site/judge.ts'
import { targetOf } from '../site/targets.ts'
import type { Plan } from '../topology/plan.ts'
import { type Cell, cellCaller, cellEnds } from '../trust/cell.ts'
import { type CellClass, checksOf, deriveMatrix } from '../trust/matrix.ts'
import type { Credentials, Demonstrated } from './demonstration.ts'
import { federationDemonstration } from './federation/demonstration.ts'
import { natsOrchestrator } from './nats-orchestrator/index.ts'
import { separateAuth } from './separate-auth.ts'
import type { Verifiable } from './verification.ts'

/** Nobody can be called in a topology. Code `HOLDFAST_NOTHING_TO_SHOW`. */
export class NothingToShow extends HoldfastError {
  constructor(topology: string) {
    super(
      'HOLDFAST_NOTHING_TO_SHOW',
      `topology ${topology} accepts nothing, so there is no call to show; say in accepts who may do what at which node`,
    )
  }
}

/** Calls, a verification of the site step by step, or first those and then this. */
export type Demonstration =
  | { readonly calls: readonly Demonstrated[]; readonly verifiable?: Verifiable }
  | { readonly calls?: undefined; readonly verifiable: Verifiable }

/** Those that were written by hand, by the name of a shipped topology. */
const written: ReadonlyMap<string, Demonstration> = new Map<string, Demonstration>([
  ['separate-auth', { calls: separateAuth }],
  ['federation', federationDemonstration],
  ['nats-orchestrator', { verifiable: natsOrchestrator }],
])

/** What shows what a topology is about: written by hand, or the calls that follow from its plan. */
export function demonstrationOf(topology: string, plan: Plan): Demonstration {
  return written.get(topology) ?? { calls: derivedFrom(plan) }
}

const checks = checksOf(credentialKinds)

/**
 * What a topology says of itself: of each kind of target one call that it accepts, and for each guard one that it refuses. What ends
 * everything else, as a key that is retired does, is left to scenarios, and so are other ways to make a call.
 *
 * @throws NothingToShow, MatrixNotDerivable
 */
export function derivedFrom(plan: Plan): readonly Demonstrated[] {
  const classes = deriveMatrix(plan, credentialKinds).classes.filter(({ representative }) => {
    return representative.way === undefined && cellEnds(representative, credentialKinds) === undefined
  })
  const shown = firstOfEach(classes, ({ representative: { target, action } }) => {
    return `${targetOf({ plan }, target, action).kind} ${action}`
  })
  if (shown.length === 0) throw new NothingToShow(plan.topology)
  const isShown = ({ control }: CellClass) => shown.some((one) => one.control === control)
  // The fewest wrong things first; of those, what is done where something is accepted already.
  const rank = (one: CellClass) => 2 * one.representative.fails.length + (isShown(one) ? 0 : 1)
  const refused = classes.filter(({ representative }) => guardOf(representative) !== undefined)
  const byGuard = firstOfEach(
    refused.toSorted((a, b) => rank(a) - rank(b)),
    ({ representative }) => guardOf(representative),
  )
  const controls = new Map([...shown, ...byGuard].map(({ control }) => [control, rowOf(plan, control)]))
  return [
    ...controls.values(),
    ...byGuard.map(({ representative, control }) => rowOf(plan, representative, controls.get(control))),
  ]
}

function firstOfEach<T>(all: readonly T[], keyOf: (one: T) => unknown): T[] {
  return [...Map.groupBy(all, keyOf).values()].map(([first]) => first as T)
}

function guardOf({ expected }: Cell): string | undefined {
  return expected.verdict === 'refused' ? expected.guard : undefined
}

/** `beside`: the accepted row that a refusal is held against. */
function rowOf(plan: Plan, cell: Cell, beside?: Demonstrated): Demonstrated {
  const { target: to, action, name, expected, fails } = cell
  const from = cellCaller(cell, plan)
  const call = { from, to, action, presents: `${action}: ${name}`, credential: (named: Credentials) => named.of(cell) }
  if (expected.verdict === 'accepted') {
    const because =
      expected.as === undefined ? 'the topology accepts it' : `accepted as ${expected.as}, whatever comes with it`
    return { ...call, expected: 'accepted', because }
  }
  const { proof } = targetOf({ plan }, to, action)
  const because = checks.get(fails[0] ?? '')?.because ?? expected.reason
  return { ...call, expected: expectedRefusal(expected, proof?.proof), because, beside }
}
