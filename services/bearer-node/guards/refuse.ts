import type { Guard } from '../../shared/guard.ts'
import { Refusal } from '../listener/route.ts'

/**
 * Throws what a guard refuses. At once and without a turn of the event loop: between what a voter judged and what it writes, nobody else
 * may be judged.
 *
 * @param more members of the answer besides `error`
 */
export function refuseBy<Context>(
  guard: Guard<Context>,
  context: Context,
  more: Readonly<Record<string, unknown>> = {},
): void {
  const refusal = guard.check(context)
  if (refusal instanceof Promise) throw new Error(`guard ${guard.id} does not judge at once`)
  if (refusal === undefined) return
  const { status, error, reason, retryAfter } = refusal
  throw new Refusal(guard.id, reason, {
    status: status ?? 500,
    body: { error: error ?? reason, ...more },
    ...(retryAfter !== undefined && { headers: { 'retry-after': String(retryAfter) } }),
  })
}

/** What no schema of a body can say, and is of no use all the same. */
export function refuseInput(
  error = 'invalid_request',
  status = 400,
  more: Readonly<Record<string, unknown>> = {},
): never {
  throw new Refusal('bearer.route', 'input_invalid', { status, body: { error, ...more } })
}
