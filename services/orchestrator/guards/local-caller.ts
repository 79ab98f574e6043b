import { claimsOf } from '../../shared/bound-token.ts'
import { guard } from '../../shared/guard.ts'
import type { CallContext } from '../call-context.ts'

export interface LocalContext extends CallContext {
  readonly operators: readonly string[]
  readonly operatorsOnly: boolean
}

/** An operator is known by its certificate alone. */
export function isOperator({ connection, operators }: Pick<LocalContext, 'connection' | 'operators'>): boolean {
  return connection.certificate?.sans.some((san) => operators.includes(san)) ?? false
}

/** An operator, or the node itself: its own certificate with a token that speaks for it. */
export const localCaller = guard<LocalContext>('local.caller', ['not_operator'], (context) => {
  if (isOperator(context)) return undefined
  const isItself =
    claimsOf(context).sub === context.policy.node && context.connection.certificate?.sans.includes(context.host)
  if (isItself && !context.operatorsOnly) return undefined
  const error = context.carrier.token === undefined ? 'forbidden' : 'insufficient_scope'
  return { reason: 'not_operator', status: 403, error }
})
