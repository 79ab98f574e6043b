import { newTrace, placeIn } from '../../shared/trace-context.ts'
import type { SignedIn } from '../listeners/bearer.ts'
import { type Exchange, Refused } from '../listeners/exchange.ts'
import { sourceOf } from '../outbound/guards.ts'
import type { Lender } from '../outbound/lender.ts'
import type { OfflineNotice } from '../outbound/offline.ts'
import { type Asked, FederationClientError, type Met } from '../outbound/peer-client.ts'
import type { OutboundPeers } from '../outbound/peers.ts'
import type { CallablePeer } from '../storage/outbound-peers.ts'
import { LOCAL, qryPeer, type SourceReport } from './sources.ts'

/** What one source adds to an answer. */
export interface Part<Item> {
  readonly report: SourceReport
  readonly items: readonly Item[]
  readonly nextCursor: string | null
  /** Not all of it is there that was asked for. */
  readonly isPartial: boolean
  /** Undefined: nothing stands in the way of it. */
  readonly met?: Met | undefined
}

/** What a source answers that can be asked. */
export interface Given<Item> {
  readonly items: readonly Item[]
  readonly nextCursor?: string | null
  readonly isTruncated: boolean
  readonly isCached?: boolean
  readonly isCut?: boolean
  readonly met?: Met | undefined
}

/** Members that every answer has beside those of its verb. */
export interface About {
  readonly _sources: readonly SourceReport[]
  readonly _cached: boolean
  readonly _notices: readonly OfflineNotice[]
}

type Peers = Pick<OutboundPeers, 'lenderOf' | 'noticeFor'>

/** One request of a user, on its way through the sources that it names. */
export class Answering {
  readonly #user: SignedIn
  readonly #peers: Peers | undefined
  readonly #asked: Asked
  readonly #notices: OfflineNotice[] = []

  constructor(exchange: Exchange, user: SignedIn, peers: Peers | undefined, deadlineMs: number) {
    this.#user = user
    this.#peers = peers
    const trace = placeIn(exchange.request.headers.traceparent) ?? newTrace()
    exchange.traceId = trace.traceId
    // Whatever calls it takes: a source is waited for once.
    this.#asked = { signal: exchange.signal, until: performance.now() + deadlineMs, trace }
  }

  /** @throws Refused where the peer cannot be asked, FederationClientError where it gives no answer */
  async one<Answer>(peer: CallablePeer, ask: (lender: Lender, asked: Asked) => Promise<Answer>): Promise<Answer> {
    try {
      return await ask(await this.#lenderOf(peer), this.#asked)
    } finally {
      this.#notice(peer)
    }
  }

  /** Of a peer that is asked alone: what it refuses is refused, and that it is away is told beside no rows. */
  async alone<Item>(
    peer: CallablePeer,
    ask: (lender: Lender, asked: Asked) => Promise<Given<Item>>,
  ): Promise<Part<Item>> {
    return this.#part(peer, ask, (refusal) => {
      if (stateOf(refusal) === 'refused' || refusal.guard === qryPeer.id) throw refusal
      return 'offline'
    })
  }

  /** Of a peer among others: whatever it does, the others are answered. */
  async among<Item>(
    peer: CallablePeer,
    ask: (lender: Lender, asked: Asked) => Promise<Given<Item>>,
  ): Promise<Part<Item>> {
    return this.#part(peer, ask, (refusal) => (refusal.guard === qryPeer.id ? 'skipped' : stateOf(refusal)))
  }

  /** `without`: how its source stands where a refusal leaves it without rows; throws where that is no answer. */
  async #part<Item>(
    peer: CallablePeer,
    ask: (lender: Lender, asked: Asked) => Promise<Given<Item>>,
    without: (refusal: Refused) => Exclude<SourceReport['state'], 'ok'>,
  ): Promise<Part<Item>> {
    const source = sourceOf(peer.commonName)
    try {
      return partOf(source, await this.one(peer, ask))
    } catch (failure) {
      const refusal = refusalOf(failure)
      if (refusal === undefined) throw failure
      return missing(source, without(refusal), refusal)
    }
  }

  /** Of our own tables among others. */
  async local<Item>(ask: () => Promise<Given<Item>>): Promise<Part<Item>> {
    try {
      return partOf(LOCAL, await ask())
    } catch (failure) {
      if (!(failure instanceof Refused)) throw failure
      return missing(LOCAL, 'refused', failure)
    }
  }

  about(reports: readonly SourceReport[]): About {
    return { _sources: reports, _cached: reports.some(({ cached }) => cached), _notices: this.#notices }
  }

  async #lenderOf(peer: CallablePeer): Promise<Lender> {
    const lender = await this.#peers!.lenderOf(peer)
    const refusal = await qryPeer.check({ lender })
    if (refusal !== undefined) throw new Refused(qryPeer.id, refusal)
    return lender as Lender
  }

  #notice({ id, commonName }: CallablePeer): void {
    const notice = this.#peers!.noticeFor(this.#user.id, id, sourceOf(commonName))
    if (notice !== undefined) this.#notices.push(notice)
  }
}

export function partOf<Item>(source: string, given: Given<Item>): Part<Item> {
  const { items, nextCursor = null, isTruncated, isCached = false, isCut = false, met } = given
  const reason = met && { reason: met.reason }
  const report: SourceReport = { source, state: 'ok', ...reason, cached: isCached, truncated: isTruncated }
  return { report, items, nextCursor, isPartial: isCut, met }
}

function missing(source: string, state: SourceReport['state'], { guard, refusal }: Refused): Part<never> {
  const { reason } = refusal
  const report: SourceReport = { source, state, reason, cached: false, truncated: false }
  // What was never lent is not missing.
  return { report, items: [], nextCursor: null, isPartial: reason !== 'peer_pending', met: { guard, reason } }
}

/** What a failure of a source is to the caller; undefined for what is none of a source. */
export function refusalOf(failure: unknown): Refused | undefined {
  if (failure instanceof Refused) return failure
  // Nobody waits for the answer to a call that was abandoned.
  if (!(failure instanceof FederationClientError) || failure.code === 'call_abandoned') return undefined
  return new Refused(failure.guard, failure.refusal)
}

function stateOf({ refusal }: Refused): 'refused' | 'offline' {
  return refusal.status !== null && refusal.status < 500 ? 'refused' : 'offline'
}
