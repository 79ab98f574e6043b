import type { Check, Facts } from '../credentials/checks.ts'
import { HoldfastError } from '../errors.ts'
import type { PlannedCheck, Refusal } from '../topology/verification.ts'
import { isEnd } from './cell.ts'

/** A check cannot compare with what it was given. Code `HOLDFAST_CHECK_NOT_MADE`. */
export class CheckNotMade extends HoldfastError {
  constructor(check: string, args: unknown, { message }: Error) {
    const how = args === undefined ? 'without args' : `with the args ${JSON.stringify(args)}`
    super('HOLDFAST_CHECK_NOT_MADE', `cannot make the check "${check}" ${how} (${message})`)
  }
}

/**
 * What a target does with a call: every check that would refuse it, in order, and as whom one that settles let it in, so that none
 * after it was made. Nothing is read after a connection that has ended: what would refuse it then is `hidden`.
 */
export function judge(planned: readonly PlannedCheck[], checks: ReadonlyMap<string, Check>, facts: Facts) {
  const passed = new Set<string>()
  const fails: (PlannedCheck & Refusal)[] = []
  const hidden: PlannedCheck[] = []
  for (const one of planned) {
    if (one.when !== undefined && !passed.has(one.when)) continue
    const passes = isPassed(one, checks, facts)
    if (passes) passed.add(one.check)
    if (one.settles && passes) return { fails, hidden, settled: checks.get(one.check)!.settled ?? one.check }
    if (one.settles || passes) continue
    if (fails[0] !== undefined && isEnd(fails[0])) hidden.push(one)
    else fails.push(one)
  }
  return { fails, hidden, settled: undefined }
}

/** Args come from a service kind, untyped: only the check itself knows whether they will do. */
function isPassed({ check, args }: PlannedCheck, checks: ReadonlyMap<string, Check>, facts: Facts): boolean {
  try {
    return checks.get(check)!.passes(facts, args as never)
  } catch (error) {
    throw new CheckNotMade(check, args, error as Error)
  }
}
