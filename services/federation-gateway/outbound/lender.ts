import type { Log } from '../../shared/log.ts'
import type { Resource } from '../scope/resources.ts'
import type { GetAnswer, ListAnswer, RenewAnswer, SearchAnswer } from '../wire/answers.ts'
import { queryHash } from '../wire/query-hash.ts'
import type { SearchRequest } from '../wire/requests.ts'
import { type CachedQuery, type ListCache, outCache } from './list-cache.ts'
import type { OfflineEpisodes, OfflineEvent } from './offline.ts'
import {
  type Asked,
  FederationClientError,
  type ListOf,
  type Met,
  type PeerCalls,
  type Standing,
  type Taken,
} from './peer-client.ts'

export interface LenderOptions {
  readonly peerId: string
  readonly ownerId: string
  readonly grantId: string
  readonly client: PeerCalls
  readonly cache: ListCache
  readonly episodes: OfflineEpisodes
  readonly log: Pick<Log, 'info' | 'warn'>
  /** Whether our certificate is in a list of revoked ones that its CA has signed. */
  isRevoked(): Promise<boolean>
  /** It is: the peer is no longer to be used. */
  onRevoked(): Promise<void>
}

export type Listed<Of extends Resource = Resource> = Taken<ListAnswer<Of>> & { readonly isCached: boolean }

/** What one owner asks of one peer: lists from memory where the peer has just confirmed that it may, and what is learnt from each failure. */
export class Lender {
  readonly #options: LenderOptions
  /** At which the grant was when the peer last spoke of it; what is asked for later is of that epoch or a later one. */
  #epoch: number | undefined
  #revoking: Promise<void> | undefined

  constructor(options: LenderOptions) {
    this.#options = options
  }

  async list<Of extends Resource>(resource: Of, query: ListOf, asked: Asked = {}): Promise<Listed<Of>> {
    const { peerId, ownerId, grantId, cache } = this.#options
    const { limit, cursor, filter } = query
    const hash = queryHash({ verb: 'list', resource, limit, filter })
    const key: CachedQuery = { peerId, ownerId, grantId, resource, queryHash: hash, cursor }
    const held = cache.epochOf(key)
    // In this order: an answer is kept under an epoch that is not later than its own, and so never served for a later one.
    let met: Met | undefined
    if (held !== undefined || this.#epoch === undefined) {
      const { epoch } = await this.#contact(asked, (client) => client.standing(held, asked))
      const text = cache.take(key, { grantId, epoch })
      this.#learnEpoch(epoch)
      if (text !== undefined) return { ...(JSON.parse(text) as Taken<ListAnswer<Of>>), isCached: true }
      if (held !== undefined && held !== epoch) met = { guard: outCache.id, reason: 'cache_unconfirmed' }
    }
    const epoch = this.#epoch
    const listed = await this.#contact(asked, (client) =>
      client.list(resource, query, { ...asked, ...(met && { met }) }),
    )
    if (epoch !== undefined) cache.keep(key, epoch, JSON.stringify(listed))
    return { ...listed, isCached: false }
  }

  get<Of extends Resource>(resource: Of, id: string, asked: Asked = {}): Promise<Taken<GetAnswer<Of>>> {
    return this.#contact(asked, (client) => client.get(resource, id, asked))
  }

  search(request: SearchRequest, asked: Asked = {}): Promise<Taken<SearchAnswer>> {
    return this.#contact(asked, (client) => client.search(request, asked))
  }

  /** What the peer lends, at which epoch. */
  async standing(known: number | undefined, asked: Asked = {}): Promise<Standing> {
    const standing = await this.#contact(asked, (client) => client.standing(known, asked))
    this.#learnEpoch(standing.epoch)
    return standing
  }

  /** What the peer answers to a request for our next certificate, unjudged. */
  renew(csrPem: string, asked: Asked = {}): Promise<RenewAnswer> {
    return this.#contact(asked, (client) => client.renew(csrPem, asked))
  }

  /** The peer is removed, or revoked: nothing of it stays. */
  forget(): void {
    this.#epoch = undefined
    this.#options.cache.flush(this.#options.peerId)
  }

  #learnEpoch(epoch: number): void {
    if (this.#epoch !== undefined && this.#epoch !== epoch) this.#options.cache.flush(this.#options.peerId)
    this.#epoch = epoch
  }

  async #contact<Answer>({ until }: Asked, ask: (client: PeerCalls) => Promise<Answer>): Promise<Answer> {
    const { client, episodes, peerId } = this.#options
    try {
      const answer = await ask(client)
      this.#tell(episodes.reached(peerId))
      return answer
    } catch (failure) {
      if (failure instanceof FederationClientError) await this.#learn(failure, until)
      throw failure
    }
  }

  async #learn(failure: FederationClientError, until: number | undefined): Promise<void> {
    const { episodes, peerId } = this.#options
    if (!failure.isAboutPeer) return
    if (failure.isPeerWell) {
      this.#tell(episodes.reached(peerId))
      if (failure.peerStatus === 401 || failure.peerStatus === 403) this.forget()
      return
    }
    this.#tell(episodes.failed(peerId))
    if (failure.isReset || failure.code === 'peer_tls_untrusted') this.forget()
    if (failure.isReset) await waitAtMost(this.#lookForRevocation(), until)
  }

  /** Once for all calls that were reset together. */
  #lookForRevocation(): Promise<void> {
    const { isRevoked, onRevoked } = this.#options
    this.#revoking ??= (async () => {
      if (await isRevoked()) await onRevoked()
    })().finally(() => {
      this.#revoking = undefined
    })
    return this.#revoking
  }

  #tell(told: OfflineEvent | undefined): void {
    if (told === undefined) return
    const { event, ...fields } = told
    if (event === 'peer.offline') this.#options.log.warn(event, fields)
    else this.#options.log.info(event, fields)
  }
}

/** Waits for it until a time by `performance.now()`; it goes on after that, and whatever becomes of it is nobody's. */
async function waitAtMost(work: Promise<void>, until: number | undefined): Promise<void> {
  if (until === undefined) return work
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, until - performance.now()))
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
    work.catch(() => {})
  }
}
