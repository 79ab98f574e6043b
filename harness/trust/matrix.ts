import type { Check, CheckedKind } from '../credentials/checks.ts'
import { HoldfastError } from '../errors.ts'
import type { Plan, PlanAccept } from '../topology/plan.ts'
import type { ActionVerification, PlannedCheck, Refusal, Way } from '../topology/verification.ts'
import { type AcceptedBecause, type Cell, cellText, type ExpectedVerdict, isEnd } from './cell.ts'
import { CheckNotMade, judge } from './judge.ts'
import { isCompanion, type Part, type Trial, trialsOf } from './trials.ts'

/** All that a topology says about its refusals. */
export interface Matrix {
  topology: string
  /** How many cells there are. */
  cells: number
  /** By target and action. */
  classes: CellClass[]
  /** Checks that no cell fails alone: a refusal whose reason is not seen proves nothing of them. */
  unisolated: { target: string; action: string; check: string }[]
}

/** Cells that take the same way through the checks of one target. */
export interface CellClass {
  /** What its cells have in common: the checks that find fault with them, or why they are accepted. */
  key: string
  /** The cell in which the fewest things are wrong. */
  representative: Cell
  /** How many cells are like it, itself included. */
  count: number
  /** A cell of the same target and action that is accepted, fresh and over its own certificate: the positive control. */
  control: Cell
}

/** What does not fit together at one target and action. */
interface Mistake {
  message: string
  wayOut: string
}

/** What a topology declares and what its targets check do not fit together. Code `HOLDFAST_MATRIX_NOT_DERIVABLE`. */
export class MatrixNotDerivable extends HoldfastError {
  readonly mistakes: readonly ({ place: string } & Mistake)[]

  constructor(topology: string, mistakes: MatrixNotDerivable['mistakes']) {
    const lines = mistakes.map(({ place, message, wayOut }) => `- ${place}: ${message}; ${wayOut}`)
    super('HOLDFAST_MATRIX_NOT_DERIVABLE', [`topology ${topology}: no matrix can be derived`, ...lines].join('\n'))
    this.mistakes = mistakes
  }
}

/** Where calls go: a target with what it checks for an action, and the credentials that the topology says are accepted there. */
interface Place extends Pick<Cell, 'target' | 'action'> {
  unit: string
  verification: ActionVerification
  accepted: ReadonlySet<string>
}

/** A cell, and what it is made of. */
interface Tried extends Pick<Trial, 'parts'> {
  cell: Cell
  /** The same for all cells of a class. */
  key: string
  /** Whether one check alone finds fault with it: without that, whoever presents it would be let in. */
  isSingle: boolean
  /** The credential that is presented as its holder would: nothing spoiled, nothing put together from two. */
  declared: string | undefined
}

/**
 * Derives from a plan every call that its credentials allow to try, and what must come of each. Pure.
 * `full` makes each cell a class of its own.
 *
 * @throws MatrixNotDerivable with all mistakes: a target that says nothing about its checks, an accept that its target would refuse,
 * a call that a target would accept and the topology does not.
 */
export function deriveMatrix(
  plan: Plan,
  credentialKinds: readonly CheckedKind[],
  { full = false }: { full?: boolean } = {},
): Matrix {
  const kinds = new Map(credentialKinds.map((kind) => [kind.name, kind]))
  const checks = checksOf(credentialKinds)
  const trials = trialsOf(plan, kinds)
  const accepts = Map.groupBy(plan.accepts, placeText)
  const places = placesOf(plan, accepts)
  for (const place of places) accepts.delete(placeText(place))
  const mistakes = [...accepts.keys()].map((place) => ({ place, ...unknownPlace }))
  const matrix: Matrix = { topology: plan.topology, cells: 0, classes: [], unisolated: [] }
  for (const place of places) {
    const tell = (...found: Mistake[]) => mistakes.push(...found.map((one) => ({ place: placeText(place), ...one })))
    const unknown = unknownNames(place, kinds, checks)
    tell(...unknown)
    if (unknown.length > 0) continue
    const earlier = earlierChecks(place, places)
    const classes = new Map<string, Omit<CellClass, 'control'> & { noise: number }>()
    const isolated = new Set<string>()
    try {
      for (const trial of trials(place.verification)) {
        const tried = triedAt(place, checks, trial)
        tell(...mistakesOf(tried, place))
        if (earlier.has(tried.cell.fails[0] ?? '')) continue
        matrix.cells += 1
        if (tried.isSingle) isolated.add(tried.cell.fails[0]!)
        const found = { key: tried.key, representative: tried.cell, noise: noiseOf(tried, place) }
        const key = full ? String(matrix.cells) : tried.key
        const { count, ...nearest } = classes.get(key) ?? { ...found, count: 0 }
        classes.set(key, { ...(found.noise < nearest.noise ? found : nearest), count: count + 1 })
      }
    } catch (error) {
      tell(notMade(place, error))
      continue
    }
    const { target, action, verification } = place
    const own = verification.checks.filter(({ check, settles }) => !settles && !earlier.has(check))
    const left = own.filter(({ check }) => !isolated.has(check))
    matrix.unisolated.push(...left.map(({ check }) => ({ target, action, check })))
    const all = [...classes.values()]
    const control = controlAmong(all.map(({ representative }) => representative))
    if (control === undefined) tell(nobodyAccepted)
    else matrix.classes.push(...all.map(({ noise: _, ...one }) => ({ ...one, control })))
  }
  if (mistakes.length > 0) throw new MatrixNotDerivable(plan.topology, mistakes)
  return matrix
}

/** Checks that are made of a call before the action has its turn, by what goes first. */
function earlierChecks(
  { target, unit, verification: { after } }: Place,
  places: readonly Place[],
): ReadonlySet<string> {
  const first = places.find((one) => one.target === target && one.unit === unit && one.action === after)
  return new Set(first?.verification.checks.map(({ check }) => check))
}

/** By the names that verifications use. */
export function checksOf(kinds: readonly CheckedKind[]): ReadonlyMap<string, Check> {
  const named = ({ name: kind, checks }: CheckedKind) =>
    Object.entries(checks).map(([name, check]) => [`${kind}/${name}`, check] as const)
  return new Map(kinds.flatMap(named))
}

/** `node-b peering:connect`. */
export function placeText({ target, action }: Pick<Cell, 'target' | 'action'>): string {
  return `${target} ${action}`
}

function placesOf({ nodes }: Plan, accepts: ReadonlyMap<string, readonly PlanAccept[]>): Place[] {
  return Object.values(nodes).flatMap(({ name: target, units }) =>
    units.flatMap((unit) =>
      Object.entries(unit.verification ?? {}).map(([action, verification]) => {
        const accepted = accepts.get(placeText({ target, action })) ?? []
        const names = new Set(accepted.map(({ credential }) => credential))
        return { target, action, unit: unit.name, verification, accepted: names }
      }),
    ),
  )
}

function triedAt(place: Place, checks: ReadonlyMap<string, Check>, { parts, name, way }: Trial): Tried {
  const { target, action, verification, accepted } = place
  const { loses = [], reasons, ...closed } = verification.ways?.[way ?? ''] ?? {}
  const shut = shutTo(closed, parts)
  const arriving = parts.filter(({ kind }) => !loses.includes(kind.part))
  const facts = Object.fromEntries(arriving.map((part) => [part.kind.part, part]))
  const judged = judge(verification.checks, checks, facts)
  const { fails, hidden, settled } =
    shut === undefined ? judged : { ...nothingLooked, fails: [{ check: way!, ...shut }] }
  const declared = asDeclared(arriving)
  const shown = parts.map(({ kind, planned, state }) => [kind.part, { credential: planned.name, state }])
  const cell: Cell = {
    ...{ target, action, name, presents: Object.fromEntries(shown), ...(way !== undefined && { way }) },
    expected:
      fails[0] === undefined ? acceptance(accepted.has(declared ?? ''), settled, arriving) : refusal(fails[0], reasons),
    fails: fails.map(({ check }) => check),
  }
  return {
    ...{ cell, parts, key: wayThrough(cell, arriving), isSingle: fails.length === 1 && hidden.length === 0 },
    declared: way === undefined ? declared : undefined,
  }
}

/** At the end of a way that is shut. */
const nothingLooked = { hidden: [], settled: undefined }

function acceptance(isDeclared: boolean, settled: string | undefined, parts: readonly Part[]): ExpectedVerdict {
  if (isDeclared) return { verdict: 'accepted', because: 'accepts' }
  if (settled !== undefined) return { verdict: 'accepted', because: 'settled', as: settled }
  return { verdict: 'accepted', because: unnoticed(parts) }
}

/** Why what is spoiled does not keep a call out, at a target that makes no check of it. */
function unnoticed(parts: readonly Part[]): AcceptedBecause {
  const all = parts.map(({ kind, state }) => kind.states[state]!.unnoticed)
  return all.find((why) => why !== undefined) ?? 'nobody looks at that'
}

function asDeclared(parts: readonly Part[]): string | undefined {
  if (parts.some(({ state }) => state !== 'fresh')) return undefined
  const presented = parts.map(({ planned }) => planned.name)
  return parts.find(
    ({ companions }) =>
      companions.length + 1 === presented.length && companions.every((name) => presented.includes(name)),
  )?.planned.name
}

function refusal(
  { check: _, args: __, when: ___, settles: ____, ...what }: PlannedCheck & Refusal,
  reasons: Way['reasons'] = {},
): ExpectedVerdict {
  return { verdict: 'refused', ...what, reason: reasons[what.reason] ?? what.reason }
}

/** What everybody gets who presents that. */
function shutTo({ shut, shutFor }: Pick<Way, 'shut' | 'shutFor'>, parts: readonly Part[]): Refusal | undefined {
  return shutFor?.every((one) => parts.every(({ kind }) => kind.part !== one)) ? undefined : shut
}

/** The way through the checks: which one refuses, and which one would if that were not there. */
function wayThrough({ expected, fails, way = '' }: Cell, parts: readonly Part[]): string {
  const told = leading(parts).map(({ planned, state }) => `${planned.name} ${state}`)
  const below = parts
    .filter(({ kind }) => kind.spoiledBeside === 'companions')
    .map((part) => `${part.state}${parts.length === 1 || isCompanion(part, parts) ? '' : ' of another'}`)
  const through =
    expected.verdict === 'accepted'
      ? ['accepted', expected.because, ...(expected.because === 'settled' ? below : told)]
      : isEnd(expected)
        ? [fails[0], ...below]
        : fails.slice(0, 2)
  return [way, ...through].join(' ')
}

/** Credentials that are told one by one: those that stand on others. */
function leading(parts: readonly Part[]): Part[] {
  return parts.filter(({ kind }) => kind.spoiledBeside === 'everything')
}

/**
 * How far a cell is from one that is accepted: the class is told by the nearest. What more than one check finds fault with proves nothing
 * of the first where a refusal alone is seen, and not its reason.
 */
function noiseOf({ cell: { fails }, parts, isSingle }: Tried, { accepted }: Place): number {
  const told = leading(parts)
  const isGood = told.every(({ state }) => state === 'fresh') && told.some(({ planned }) => accepted.has(planned.name))
  return (isSingle ? 0 : 100) + fails.length * 10 + (told.length === 0 ? 2 : isGood ? 0 : 1)
}

function controlAmong(cells: readonly Cell[]): Cell | undefined {
  const accepted = (because: string) =>
    cells.find(({ expected }) => expected.verdict === 'accepted' && expected.because === because)
  return accepted('accepts') ?? accepted('settled')
}

function mistakesOf({ cell, declared: credential }: Tried, { accepted }: Place): Mistake[] {
  const { expected, target, action } = cell
  if (credential === undefined) return []
  const isAccepted = expected.verdict === 'accepted' && expected.because !== 'settled'
  if (isAccepted === accepted.has(credential)) return []
  const entry = `{ target = "${target}"; action = "${action}"; credential = "${credential}"; }`
  return isAccepted
    ? [{ message: `accepts holds no ${entry}, and the node would accept it`, wayOut: 'add it, or grant less' }]
    : [{ message: `accepts holds ${entry}, and it is ${cellText(expected)}`, wayOut: 'remove it, or mend that' }]
}

const unknownPlace: Mistake = {
  message: 'no unit says how it judges the callers of this action, so nothing can be derived about it',
  wayOut: 'let its service kind declare its verification',
}

const nobodyAccepted: Mistake = {
  message: 'nobody is accepted there, so a refusal would prove nothing',
  wayOut: 'say in accepts who is, or name operators',
}

/** What a verification names and no credential kind has. */
function unknownNames(
  { verification: { takes, checks: planned } }: Place,
  kinds: ReadonlyMap<string, unknown>,
  checks: ReadonlyMap<string, unknown>,
): Mistake[] {
  const unknown = (what: string, names: readonly string[], known: ReadonlyMap<string, unknown>) =>
    [...new Set(names)].flatMap((name) => {
      const message = `its verification names "${name}", and there is no such ${what}`
      return known.has(name) ? [] : { message, wayOut: `name one of ${[...known.keys()].join(', ')}` }
    })
  const made = planned.flatMap(({ check, when = check }) => [check, when])
  return [...unknown('credential kind', takes.flat(), kinds), ...unknown('check', made, checks)]
}

function notMade({ unit }: Place, error: unknown): Mistake {
  if (!(error instanceof CheckNotMade)) throw error
  const wayOut = 'let its verification give it what it compares with'
  return { message: `its unit "${unit}" ${error.message}`, wayOut }
}
