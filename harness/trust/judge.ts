import type { Check, Facts } from '../credentials/checks.ts'
import type { PlannedCheck, Refusal } from '../topology/verification.ts'
import { isEnd } from './cell.ts'

/** Every check that would refuse, in order; and whether one that settles was passed, so that none after it was made. */
export interface Judgement {
  fails: (PlannedCheck & Refusal)[]
  isSettled: boolean
}

/** What a target does with a call. Nothing is read after a connection that has ended. */
export function judge(planned: readonly PlannedCheck[], checks: ReadonlyMap<string, Check>, facts: Facts): Judgement {
  const passed = new Set<string>()
  const fails: Judgement['fails'] = []
  for (const one of planned) {
    if (one.when !== undefined && !passed.has(one.when)) continue
    const passes = checks.get(one.check)!.passes(facts, one.args as never)
    if (passes) passed.add(one.check)
    if (one.settles && passes) return { fails, isSettled: true }
    if (one.settles || passes) continue
    fails.push(one)
    if (fails.length === 1 && isEnd(one)) break
  }
  return { fails, isSettled: false }
}
