import { HoldfastError } from '../errors.ts'
import type { Plan, PlanUnit } from '../topology/plan.ts'
import { type Cell, presentedText } from '../trust/cell.ts'
import { type CellClass, deriveMatrix } from '../trust/matrix.ts'
import type { Demonstrated } from './demonstration.ts'

/** Nobody can be called in a topology. Code `HOLDFAST_NOTHING_TO_SHOW`. */
export class NothingToShow extends HoldfastError {
  constructor(topology: string) {
    super(
      'HOLDFAST_NOTHING_TO_SHOW',
      `topology ${topology} accepts nothing, so there is no call to show; say in accepts who may do what at which node`,
    )
  }
}

/**
 * What a topology says of itself: of each kind of target one call that it accepts, and for each guard one that it refuses. What ends
 * everything else, as a key that is retired does, is left to scenarios.
 *
 * @throws NothingToShow, MatrixNotDerivable
 */
export function derivedFrom(plan: Plan): readonly Demonstrated[] {
  const { classes } = deriveMatrix(plan)
  const shown = firstOfEach(classes, ({ representative }) => targetKind(plan, representative))
  if (shown.length === 0) throw new NothingToShow(plan.topology)
  // Where a call is accepted already, its refusals need no other control.
  const refused = classes.filter(({ representative: { expected, token } }) => {
    return expected.verdict === 'refused' && token?.state !== 'key retired'
  })
  const isShown = (one: CellClass) => shown.some(({ control }) => control === one.control)
  const clearest = refused.toSorted((a, b) => rank(a, isShown) - rank(b, isShown))
  const byGuard = firstOfEach(clearest, ({ representative: { expected } }) =>
    expected.verdict === 'refused' ? expected.guard : '',
  )
  const controls = new Map([...shown, ...byGuard].map(({ control }) => [control, acceptedRow(plan, control)]))
  return [...controls.values(), ...byGuard.map((one) => refusedRow(plan, one, controls.get(one.control)!))]
}

/** The fewest wrong things first; of those, what is done where something is shown already. */
function rank({ representative, ...one }: CellClass, isShown: (one: CellClass) => boolean): number {
  return 2 * representative.fails.length + (isShown({ representative, ...one }) ? 0 : 1)
}

function firstOfEach<T>(all: readonly T[], keyOf: (one: T) => string): T[] {
  return [...Map.groupBy(all, keyOf).values()].map(([first]) => first as T)
}

function acceptedRow(plan: Plan, cell: Cell): Demonstrated {
  const { expected } = cell
  const isOperator = expected.verdict === 'accepted' && expected.because === 'operator'
  const because = isOperator ? 'this certificate is enough by itself' : 'the topology accepts it'
  return { ...callOf(plan, cell), expected: 'accepted', because }
}

function refusedRow(plan: Plan, { representative }: CellClass, beside: Demonstrated): Demonstrated {
  const { expected, target, action } = representative
  if (expected.verdict !== 'refused') return beside
  const { layer, status, error, reason, guard, orStatuses } = expected
  const proof = unitOf(plan, target, action)?.proof?.proof
  return {
    ...callOf(plan, representative),
    expected: {
      ...{ layer, reason, guard, orStatuses, proof },
      ...{ status: status ?? undefined, error: error ?? undefined },
    },
    because: `${guard} says ${reason.replaceAll('_', ' ')}`,
    beside,
  }
}

function callOf({ credentials }: Plan, cell: Cell) {
  const { target: to, action, token, certificate } = cell
  const name = token?.credential ?? ('credential' in certificate ? certificate.credential : undefined)
  const from = name === undefined ? to : credentials[name]!.holder
  const presents = `${action}: ${presentedText(cell)}`
  return {
    from,
    to,
    action,
    presents,
    credential: (named: Parameters<Demonstrated['credential']>[0]) => named.of(cell),
  }
}

function targetKind(plan: Plan, { target, action }: Cell): string {
  return `${unitOf(plan, target, action)?.kind} ${action}`
}

function unitOf({ nodes }: Plan, node: string, action: string): PlanUnit | undefined {
  return nodes[node]?.units.find(({ actions }) => actions?.[action] !== undefined)
}
