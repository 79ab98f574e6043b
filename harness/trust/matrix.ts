import type { Check, CheckedKind } from '../credentials/checks.ts'
import type { Plan } from '../topology/plan.ts'
import type { ActionVerification, PlannedCheck, Refusal } from '../topology/verification.ts'
import { type AcceptedBecause, type Cell, cellText, type ExpectedVerdict, isEnd } from './cell.ts'
import { CheckNotMade, judge } from './judge.ts'
import { type MatrixMistake, MatrixNotDerivable } from './matrix-mistakes.ts'
import { isCompanion, type Part, type Trial, trialsOf } from './trials.ts'

/** All that a topology says about its refusals. */
export interface Matrix {
  topology: string
  /** How many cells there are. */
  cells: number
  /** By target and action. */
  classes: CellClass[]
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

/** Where calls go: a target with what it checks for an action. */
interface Place {
  target: string
  unit: string
  action: string
  verification: ActionVerification
}

/** A cell, and what it is made of. */
interface Tried extends Pick<Trial, 'parts'> {
  cell: Cell
  /** The same for all cells of a class. */
  key: string
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
  const mistakes = unknownPlaces(plan)
  const matrix: Matrix = { topology: plan.topology, cells: 0, classes: [] }
  for (const place of placesOf(plan)) {
    const unknown = unknownNames(place, kinds, checks)
    mistakes.push(...unknown)
    if (unknown.length > 0) continue
    const accepted = new Set(plan.accepts.filter(at(place)).map(({ credential }) => credential))
    const classes = new Map<string, { nearest: Tried; count: number }>()
    try {
      for (const trial of trials(place.verification)) {
        const tried = triedAt(place, checks, accepted, trial)
        mistakes.push(...mistakesOf(tried, accepted))
        matrix.cells += 1
        const key = full ? String(matrix.cells) : tried.key
        const { nearest = tried, count = 0 } = classes.get(key) ?? {}
        const isNearer = noise(tried, accepted) < noise(nearest, accepted)
        classes.set(key, { nearest: isNearer ? tried : nearest, count: count + 1 })
      }
    } catch (error) {
      mistakes.push(notMade(place, error))
      continue
    }
    const all = [...classes.values()].map(({ nearest: { key, cell }, count }) => ({ key, representative: cell, count }))
    const control = controlAmong(all.map(({ representative }) => representative))
    if (control === undefined) mistakes.push(nobodyAccepted(place))
    else matrix.classes.push(...all.map((one) => ({ ...one, control })))
  }
  if (mistakes.length > 0) throw new MatrixNotDerivable(plan.topology, mistakes)
  return matrix
}

/** By the names that verifications use. */
export function checksOf(kinds: readonly CheckedKind[]): ReadonlyMap<string, Check> {
  const named = ({ name: kind, checks }: CheckedKind) =>
    Object.entries(checks).map(([name, check]) => [`${kind}/${name}`, check] as const)
  return new Map(kinds.flatMap(named))
}

function placesOf(plan: Plan): Place[] {
  return Object.values(plan.nodes).flatMap(({ name, units }) =>
    units.flatMap((unit) =>
      Object.entries(unit.verification ?? {}).map(([action, verification]) => {
        return { target: name, unit: unit.name, action, verification }
      }),
    ),
  )
}

function triedAt(
  { target, action, verification }: Place,
  checks: ReadonlyMap<string, Check>,
  accepted: ReadonlySet<string>,
  { parts, name, way }: Trial,
): Tried {
  const { loses = [] } = verification.ways?.[way ?? ''] ?? {}
  const arriving = parts.filter(({ kind }) => !loses.includes(kind.part)).map((part) => [part.kind.part, part])
  const { fails, isSettled } = judge(verification.checks, checks, Object.fromEntries(arriving))
  const declared = asDeclared(parts)
  const because = accepted.has(declared ?? '') ? 'accepts' : isSettled ? 'operator' : unnoticed(parts)
  const shown = parts.map(({ kind, planned, state }) => [kind.part, { credential: planned.name, state }])
  const cell: Cell = {
    ...{ target, action, name, presents: Object.fromEntries(shown), ...(way !== undefined && { way }) },
    expected: fails[0] === undefined ? { verdict: 'accepted', because } : refusal(fails[0]),
    fails: fails.map(({ check }) => check),
  }
  return { cell, parts, key: wayThrough(cell, parts), declared: way === undefined ? declared : undefined }
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

function refusal({ check: _, args: __, when: ___, settles: ____, ...what }: PlannedCheck & Refusal): ExpectedVerdict {
  return { verdict: 'refused', ...what }
}

/** The way through the checks: which one refuses, and which one would if that were not there. */
function wayThrough({ expected, fails, way = '' }: Cell, parts: readonly Part[]): string {
  const told = leading(parts).map(({ planned, state }) => `${planned.name} ${state}`)
  const below = parts
    .filter(({ kind }) => kind.spoiledBeside === 'companions')
    .map((part) => `${part.state}${parts.length === 1 || isCompanion(part, parts) ? '' : ' of another'}`)
  const through =
    expected.verdict === 'accepted'
      ? ['accepted', expected.because, ...(expected.because === 'operator' ? below : told)]
      : isEnd(expected)
        ? [fails[0], ...below]
        : fails.slice(0, 2)
  return [way, ...through].join(' ')
}

/** Credentials that are told one by one: those that stand on others. */
function leading(parts: readonly Part[]): Part[] {
  return parts.filter(({ kind }) => kind.spoiledBeside === 'everything')
}

/** How far a cell is from one that is accepted: the class is told by the nearest. */
function noise({ cell: { fails }, parts }: Tried, accepted: ReadonlySet<string>): number {
  const told = leading(parts)
  const isGood = told.every(({ state }) => state === 'fresh') && told.some(({ planned }) => accepted.has(planned.name))
  return fails.length * 10 + (told.length === 0 ? 2 : isGood ? 0 : 1)
}

function controlAmong(cells: readonly Cell[]): Cell | undefined {
  const accepted = (because: string) =>
    cells.find(({ expected }) => expected.verdict === 'accepted' && expected.because === because)
  return accepted('accepts') ?? accepted('operator')
}

function mistakesOf({ cell, declared: credential }: Tried, accepted: ReadonlySet<string>): MatrixMistake[] {
  const { expected, target, action } = cell
  if (credential === undefined) return []
  const isAccepted = expected.verdict === 'accepted' && expected.because !== 'operator'
  if (isAccepted === accepted.has(credential)) return []
  const entry = `{ target = "${target}"; action = "${action}"; credential = "${credential}"; }`
  const [message, wayOut] = isAccepted
    ? [`accepts holds no ${entry}, and the node would accept it`, 'add it, or grant less']
    : [`accepts holds ${entry}, and it is ${cellText(expected)}`, 'remove it, or mend that']
  return [{ place: `${target} ${action}`, message, wayOut }]
}

function unknownPlaces(plan: Plan): MatrixMistake[] {
  const known = new Set(placesOf(plan).map(({ target, action }) => `${target} ${action}`))
  const unknown = new Set(
    plan.accepts.map(({ target, action }) => `${target} ${action}`).filter((one) => !known.has(one)),
  )
  return [...unknown].map((place) => ({
    place,
    message: 'no unit says how it judges the callers of this action, so nothing can be derived about it',
    wayOut: 'let its service kind declare its verification',
  }))
}

/** What a verification names and no credential kind has. */
function unknownNames(
  { target, action, verification: { takes, checks: planned } }: Place,
  kinds: ReadonlyMap<string, unknown>,
  checks: ReadonlyMap<string, unknown>,
): MatrixMistake[] {
  const unknown = (what: string, names: readonly string[], known: ReadonlyMap<string, unknown>) =>
    [...new Set(names)]
      .filter((name) => !known.has(name))
      .map((name): MatrixMistake => {
        const message = `its verification names "${name}", and there is no such ${what}`
        return { place: `${target} ${action}`, message, wayOut: `name one of ${[...known.keys()].join(', ')}` }
      })
  const made = planned.flatMap(({ check, when = check }) => [check, when])
  return [...unknown('credential kind', takes.flat(), kinds), ...unknown('check', made, checks)]
}

function notMade({ target, unit, action }: Place, error: unknown): MatrixMistake {
  if (!(error instanceof CheckNotMade)) throw error
  const message = `its unit "${unit}" ${error.message}`
  return { place: `${target} ${action}`, message, wayOut: 'let its verification give it what it compares with' }
}

function nobodyAccepted({ target, action }: Place): MatrixMistake {
  return {
    place: `${target} ${action}`,
    message: 'nobody is accepted there, so a refusal would prove nothing',
    wayOut: 'say in accepts who is, or name operators',
  }
}

function at({ target, action }: Place) {
  return (accept: { target: string; action: string }) => accept.target === target && accept.action === action
}
