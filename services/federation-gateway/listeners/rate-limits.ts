import { type Guard, guard } from '../../shared/guard.ts'
import { networkOf } from '../../shared/network-of.ts'
import { refused } from '../wire/errors.ts'

const WINDOW_MS = 60_000

interface Window {
  readonly endsAt: number
  count: number
}

/**
 * So many in 60 s, by key. The time of a key begins with its first, so that nobody's limit depends on when others came. All windows are
 * equally long, and a key comes to the end of the map whenever its window begins: so those that are over stand first, and go with the next
 * call, whoever's it is.
 */
export class RateLimit {
  readonly #windows = new Map<string, Window>()
  readonly #now: () => number

  /** `now`: milliseconds, of any clock that only goes forward. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Keys that are counted. */
  get size(): number {
    return this.#windows.size
  }

  /** Counts one more, where the limit allows it; else the seconds until it does. */
  take(key: string, limit: number): number | undefined {
    const wait = this.blockedFor(key, limit)
    if (wait === undefined) this.count(key)
    return wait
  }

  /** Seconds until one more is allowed; undefined where it is now. */
  blockedFor(key: string, limit: number): number | undefined {
    this.#forget()
    const window = this.#windows.get(key)
    if (window === undefined || window.count < limit) return undefined
    return Math.max(1, Math.ceil((window.endsAt - this.#now()) / 1000))
  }

  count(key: string): void {
    this.#forget()
    const window = this.#windows.get(key)
    if (window === undefined) this.#windows.set(key, { endsAt: this.#now() + WINDOW_MS, count: 1 })
    else window.count += 1
  }

  #forget(): void {
    const now = this.#now()
    for (const [key, { endsAt }] of this.#windows) {
      if (endsAt > now) return
      this.#windows.delete(key)
    }
  }
}

/** One request that counts. */
export interface Counted {
  readonly limit: RateLimit
  readonly key: string
  readonly most: number
}

/** Before any work for the database: of one certificate, whatever it asks for. */
export const rateLeaf = rateGuard('rate.leaf', 'rate_leaf')
/** Over all connections of a grant. Only proven holders come this far, so that nobody spends another's. */
export const rateGrant = rateGuard('rate.grant', 'rate_grant')

function rateGuard(id: string, reason: string): Guard<Counted> {
  return guard(id, [reason], ({ limit, key, most }) => {
    const wait = limit.take(key, most)
    return wait === undefined ? undefined : refused('rate_limited', reason, wait)
  })
}

export interface EnrolmentLimits {
  readonly perAddress: number
  readonly all: number
}

/** An enrolment that begins; `address` of the socket, never that of a header. */
export interface CountedEnrolment {
  readonly limit: RateLimit
  readonly address: string
  readonly most: EnrolmentLimits
}

/** Those that one address has too many of are not counted for all others. */
export const enrRate = guard<CountedEnrolment>('enr.rate', ['rate_enrolment'], ({ limit, address, most }) => {
  const wait = limit.take(`network ${networkOf(address)}`, most.perAddress) ?? limit.take('all', most.all)
  return wait === undefined ? undefined : refused('rate_limited', 'rate_enrolment', wait)
})

/** Authentications that an address tries; `most`: that may have failed. */
export interface CountedFailures {
  readonly limit: RateLimit
  readonly address: string
  readonly most: number
}

/** Counts failures alone: whoever answers a bearer token with 401 calls `countFailure`. */
export const apiRate = guard<CountedFailures>('api.rate', ['rate_authentication'], ({ limit, address, most }) => {
  const wait = limit.blockedFor(networkOf(address), most)
  return wait === undefined ? undefined : refused('rate_limited', 'rate_authentication', wait)
})

export function countFailure({ limit, address }: Pick<CountedFailures, 'limit' | 'address'>): void {
  limit.count(networkOf(address))
}
