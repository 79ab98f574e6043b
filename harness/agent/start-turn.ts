import { availableParallelism } from 'node:os'
import type { Plan, PlanNode } from '../topology/plan.ts'
import { Turns } from './turns.ts'

/** Programs that start at the same time take it from each other; beyond this many, each would only be ready later. */
const turns = new Turns(Math.max(2, availableParallelism()))
/** Whoever is not ready by then may wait for one that has not had its turn. */
const LONGEST_MS = 10_000

/** Whether others of the plan call this node, and may wait for it. */
export function isCalled({ plan, node }: { plan: Pick<Plan, 'accepts'>; node: Pick<PlanNode, 'name'> }): boolean {
  return plan.accepts.some(({ target }) => target === node.name)
}

/**
 * Resolves when there is room for one more program that starts; what it resolves with gives the room back, as time does. `isFirst`: it
 * comes before those who are not.
 */
export async function startTurn(isFirst = false): Promise<() => void> {
  const giveBack = await turns.take(isFirst)
  const timer = setTimeout(giveBack, LONGEST_MS).unref()
  return () => {
    clearTimeout(timer)
    giveBack()
  }
}
