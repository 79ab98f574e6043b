import { trustIn } from '../credentials/bound-token/trust.ts'
import type { ActionVerification } from '../topology/verification.ts'

/** The guards of an action in their order, and what happens at which of them. */
export interface GuardOrder {
  readonly guards: readonly string[]
  /** The one that proves what stands in a token. Absent: none does. */
  readonly proves?: string
  /** The one that asks the issuer about a token. Absent: none does. */
  readonly asks?: string
}

/** Undefined where the target does not declare its guards. */
export function guardOrderOf(verification: ActionVerification): GuardOrder | undefined {
  const { guards } = verification
  if (guards === undefined) return undefined
  const { proves, asks } = trustIn(verification)
  return { guards, proves, asks }
}

export function isKnown({ guards }: GuardOrder, guard: string): boolean {
  return guards.includes(guard)
}

/** Whether what stands in the token is proven by the time that this guard judges. */
export function judgesProven({ guards, proves }: GuardOrder, guard: string): boolean {
  return proves !== undefined && guards.indexOf(guard) > guards.indexOf(proves)
}

/** Whether this guard judges before the issuer is asked. */
export function judgesUnasked({ guards, asks }: GuardOrder, guard: string): boolean {
  return isKnown({ guards }, guard) && (asks === undefined || guards.indexOf(guard) < guards.indexOf(asks))
}
