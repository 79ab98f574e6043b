import { setTimeout as pause } from 'node:timers/promises'
import type { GrantAnswer } from '../federation-gateway/wire/admin.ts'
import { CommandFailed } from './failure.ts'
import type { Gateway } from './gateway.ts'

const WITHIN_MS = 10_000
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1_000

export interface Revocation {
  /** As it was seen last. */
  readonly grant: GrantAnswer
  /** Why its certificates are not known to be refused at TLS; undefined: they are, there is none, or nobody was to wait. */
  readonly pending: string | undefined
}

/** Ends a grant, and waits for its certificates to be in the list of revoked ones: requests are refused before that already. */
export async function revokeGrant(
  gateway: Gateway,
  { id, reason, wait }: { readonly id: string; readonly reason?: string | undefined; readonly wait: boolean },
  withinMs = WITHIN_MS,
): Promise<Revocation> {
  const parameters = { id }
  let grant = await gateway.ask('grant:revoke', { parameters, body: { reason } })
  const end = performance.now() + withinMs
  let last = ''
  for (
    let ms = FIRST_PAUSE_MS;
    wait && grant.certificateRevocation === 'queued';
    ms = Math.min(ms * 1.5, LONGEST_PAUSE_MS)
  ) {
    const left = end - performance.now()
    if (left <= 0) return { grant, pending: textOf(grant, withinMs, last) }
    await pause(Math.min(ms, left))
    const deadlineMs = Math.max(1, Math.ceil(end - performance.now()))
    try {
      grant = await gateway.ask('grant:show', { parameters, deadlineMs })
      last = ''
    } catch (failure) {
      if (!(failure instanceof CommandFailed)) throw failure
      last = failure.message
    }
  }
  return { grant, pending: undefined }
}

function textOf({ id }: GrantAnswer, withinMs: number, last: string): string {
  const why = last === '' ? '' : ` (the gateway was not heard last: ${last})`
  return (
    `grant ${id} is revoked and every request is refused already; its certificates are not in the list of revoked ones ` +
    `after ${withinMs / 1000} s${why}: see that the CA runs (federation status), and look again with federation grant show ${id}`
  )
}
