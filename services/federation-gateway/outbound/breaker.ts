import { guard } from '../../shared/guard.ts'
import { refused } from '../wire/errors.ts'

export interface BreakerLimits {
  /** Failures in a row that open it. */
  readonly failures: number
  /** For how long nothing is sent. */
  readonly coolDownMs: number
}

export type BreakerState = 'closed' | 'open' | 'half-open'

/**
 * The circuit breaker of one peer. Failures in a row open it: then nothing is sent until it has cooled down, and then one call, the
 * probe, while all others still fail at once. Its success closes, its failure opens anew. Failures are those of the network, of TLS, of time,
 * 5xx and answers that are none; a peer that refuses has answered.
 */
export class Breaker {
  readonly #limits: BreakerLimits
  readonly #now: () => number
  #failures = 0
  /** Since when it is open. */
  #openedAt: number | undefined
  #probe: object | undefined

  /** `now`: milliseconds, of any clock that only goes forward. */
  constructor(
    limits: BreakerLimits = { failures: 5, coolDownMs: 30_000 },
    now: () => number = () => performance.now(),
  ) {
    this.#limits = limits
    this.#now = now
  }

  get state(): BreakerState {
    if (this.#openedAt === undefined) return 'closed'
    return this.#msLeft() > 0 ? 'open' : 'half-open'
  }

  /** Seconds until somebody may try again. */
  get retryAfter(): number {
    return Math.max(1, Math.ceil(this.#msLeft() / 1000))
  }

  /** Lets a call go, or nobody. Whoever gets a call says how it ended, by one of its functions, once. */
  admit(): Call | undefined {
    if (this.state === 'open' || (this.state === 'half-open' && this.#probe !== undefined)) return undefined
    const call = {}
    if (this.#openedAt !== undefined) this.#probe = call
    return {
      succeeded: () => this.#ended(call, 'success'),
      failed: () => this.#ended(call, 'failure'),
      abandoned: () => this.#ended(call, 'nothing'),
    }
  }

  #ended(call: object, how: 'success' | 'failure' | 'nothing'): void {
    const isProbe = this.#probe === call
    // A call from before it opened says nothing of what is since then.
    if (this.#openedAt !== undefined && !isProbe) return
    if (isProbe) this.#probe = undefined
    if (how === 'nothing') return
    this.#failures = how === 'success' ? 0 : this.#failures + 1
    if (how === 'success') this.#openedAt = undefined
    else if (isProbe || this.#failures >= this.#limits.failures) this.#openedAt = this.#now()
  }

  #msLeft(): number {
    return this.#openedAt === undefined ? 0 : this.#openedAt + this.#limits.coolDownMs - this.#now()
  }
}

export interface Call {
  succeeded(): void
  failed(): void
  /** Nobody knows: the caller went away before there was an answer. */
  abandoned(): void
}

/** A call to a peer that wants to go out. `call` is set when it may. */
export interface OutboundCall {
  readonly breaker: Breaker
  call?: Call
}

export const outCircuit = guard<OutboundCall>('out.circuit', ['circuit_open'], (outbound) => {
  outbound.call = outbound.breaker.admit()
  if (outbound.call !== undefined) return undefined
  return refused('peer_unavailable', 'circuit_open', outbound.breaker.retryAfter)
})
