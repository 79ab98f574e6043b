import type { CheckedKind, Fact } from '../credentials/checks.ts'
import { issuingDomain } from '../topology/holders.ts'
import type { Plan } from '../topology/plan.ts'
import type { ActionVerification } from '../topology/verification.ts'

/** A credential in one of its states, as a part of a call. */
export interface Part extends Fact {
  readonly kind: CheckedKind
  /** The credentials that it is presented together with. */
  readonly companions: readonly string[]
}

/** A credential as it was issued, and in all its other states. */
type Presentable = readonly [fresh: Part, ...spoiled: Part[]]

/** One call that can be tried: what stands on others comes first. `name`: in words. */
export interface Trial {
  readonly parts: readonly Part[]
  readonly name: string
  readonly way: string | undefined
}

/** Answers with every call of one action after the other: there may be millions in a large mesh. */
export function trialsOf(plan: Plan, kinds: ReadonlyMap<string, CheckedKind>) {
  const all = Object.values(plan.credentials).flatMap((planned): Presentable[] => {
    const kind = kinds.get(planned.kind)
    if (kind === undefined) return []
    const more = { domain: issuingDomain(plan, planned.issuer), companions: kind.beside?.(planned) ?? [] }
    const { fresh: _, ...spoiled } = kind.states
    const part = (state: string): Part => ({ planned, kind, state, ...more })
    const possible = Object.entries(spoiled).filter(([, { isPossible }]) => isPossible?.(planned, plan) ?? true)
    return [[part('fresh'), ...possible.map(([state]) => part(state))]]
  })
  const byKind = Map.groupBy(all, ([{ kind }]) => kind)
  return function* ({ takes, ways = {} }: ActionVerification): Generator<Trial> {
    for (const way of [undefined, ...Object.keys(ways)]) {
      for (const [at, names] of takes.entries()) {
        const taken = names.map((name) => kinds.get(name)!)
        const isTold = (parts: readonly Part[]) =>
          takes.slice(0, at).some((earlier) => parts.every(({ kind }) => earlier.includes(kind.name)))
        for (const parts of combinations(taken, byKind)) {
          if (!isTold(parts)) yield { parts, name: nameOf(taken, parts, way), way }
        }
      }
    }
  }
}

function* combinations(
  kinds: readonly CheckedKind[],
  all: ReadonlyMap<CheckedKind, readonly Presentable[]>,
  beside: readonly Part[] = [],
): Generator<readonly Part[]> {
  const last = kinds.at(-1)
  if (last === undefined) return yield beside
  for (const part of choices(last, all.get(last) ?? [], beside)) {
    yield* combinations(kinds.slice(0, -1), all, part === undefined ? beside : [...beside, part])
  }
}

/** What can be presented of one kind beside what is presented of others; undefined: none. */
function choices(
  { spoiledBeside }: CheckedKind,
  all: readonly Presentable[],
  beside: readonly Part[],
): (Part | undefined)[] {
  if (beside.length === 0 || spoiledBeside === 'everything') return [undefined, ...all.flat()]
  const companions = all.filter(([fresh]) => isCompanion(fresh, beside))
  const others = all.filter((one) => !companions.includes(one))
  const fresh = [...companions, ...others].map(([one]) => one)
  return [...fresh, ...companions.flatMap(([, ...spoiled]) => spoiled), undefined]
}

/** Whether one of the others is presented together with it. */
export function isCompanion({ planned }: Part, others: readonly Part[]): boolean {
  return others.some(({ companions }) => companions.includes(planned.name))
}

function nameOf(taken: readonly CheckedKind[], parts: readonly Part[], way: string | undefined): string {
  const texts = taken.toReversed().map((one) => {
    const part = parts.find(({ kind }) => kind === one)
    return part === undefined ? one.absent : one.states[part.state]!.text(part.planned.name)
  })
  return [...texts, ...(way === undefined ? [] : [way])].join(', ')
}
