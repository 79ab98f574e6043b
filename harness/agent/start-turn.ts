import { availableParallelism } from 'node:os'
import type { Plan, PlanNode } from '../topology/plan.ts'

/** Programs that start at the same time take it from each other; beyond this many, each would only be ready later. */
const AT_ONCE = Math.max(2, availableParallelism())
/** Whoever is not ready by then may wait for one that has not had its turn. */
const LONGEST_MS = 10_000

const waiting = { first: [] as (() => void)[], others: [] as (() => void)[] }
let starting = 0

/** Whether others of the plan call this node, and may wait for it. */
export function isCalled({ plan, node }: { plan: Pick<Plan, 'accepts'>; node: Pick<PlanNode, 'name'> }): boolean {
  return plan.accepts.some(({ target }) => target === node.name)
}

/**
 * Resolves when there is room for one more program that starts; what it resolves with gives the room back, as time does. `isFirst`: it
 * comes before those who are not.
 */
export async function startTurn(isFirst = false): Promise<() => void> {
  if (starting < AT_ONCE) starting += 1
  else await new Promise<void>((resolve) => waiting[isFirst ? 'first' : 'others'].push(resolve))
  const timer = setTimeout(() => done(), LONGEST_MS).unref()
  let isDone = false
  const done = (): void => {
    if (isDone) return
    isDone = true
    clearTimeout(timer)
    const next = waiting.first.shift() ?? waiting.others.shift()
    if (next === undefined) starting -= 1
    else next()
  }
  return done
}
