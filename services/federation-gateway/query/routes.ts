import { z } from 'zod'
import type { Cursors } from '../lending/cursors.ts'
import {
  apiBody,
  type BearerDeps,
  passBody,
  passQuery,
  passUser,
  type SignedIn,
  sessionFor,
} from '../listeners/bearer.ts'
import type { Accepted, Exchange } from '../listeners/exchange.ts'
import type { PublicRoute } from '../listeners/public-listener.ts'
import type { Met } from '../outbound/peer-client.ts'
import type { OutboundPeers } from '../outbound/peers.ts'
import { scopeResource } from '../scope/decide.ts'
import { isResource, type Resource } from '../scope/resources.ts'
import type { Session } from '../storage/database.ts'
import { type CallablePeer, peersToAsk } from '../storage/outbound-peers.ts'
import { type ListRequest, type SearchRequest, uuid } from '../wire/requests.ts'
import { Answering, type Given, type Part, partOf, refusalOf } from './answering.ts'
import { LocalSource, type Tagged } from './local.ts'
import { interleave, mergeByTime } from './merge.ts'
import {
  capabilitiesQuery,
  getQuery,
  listQuery,
  type QueryList,
  type Sourced,
  searchQuery,
  tagCursor,
  untagCursor,
} from './requests.ts'
import { ALL, type AskedSource, LOCAL, qrySource } from './sources.ts'

export interface QueryDeps extends BearerDeps {
  readonly cursors: Cursors
  /** Undefined where this gateway has no peers. */
  readonly peers: Pick<OutboundPeers, 'lenderOf' | 'noticeFor'> | undefined
  /** For so long one peer is waited for. */
  readonly deadlineMs: number
}

const LARGEST_BODY = 16 * 1024
const BASE = '/api/query'
const TRUE = z.literal(true)

/** What users ask this gateway, of its own rows and of those that their peers lend them. Nothing of these is stored, or lent on. */
export function queryRoutes(deps: QueryDeps): PublicRoute[] {
  return [
    {
      ...{ method: 'POST', path: `${BASE}/list/:resource`, action: 'query:list' },
      handle: async (exchange, { resource = '' }) => {
        const query = await Query.begin(deps, exchange, resource)
        return query.list(resource, await query.body(listQuery(resource)))
      },
    },
    {
      ...{ method: 'POST', path: `${BASE}/get/:resource/:id`, action: 'query:get' },
      handle: async (exchange, { resource = '', id = '' }) => {
        const query = await Query.begin(deps, exchange, resource)
        return query.get(resource, id, await query.body(getQuery, { mayBeAbsent: true }))
      },
    },
    {
      ...{ method: 'POST', path: `${BASE}/search`, action: 'query:search' },
      handle: async (exchange) => {
        const query = await Query.begin(deps, exchange)
        return query.search(await query.body(searchQuery))
      },
    },
    {
      ...{ method: 'GET', path: `${BASE}/capabilities`, action: 'query:capabilities' },
      handle: async (exchange) => {
        const query = await Query.begin(deps, exchange)
        return query.capabilities(await passQuery(exchange, capabilitiesQuery))
      },
    },
  ]
}

interface Got {
  readonly item: object
  readonly isCut: boolean
  readonly met?: Met
}

/** One request of a user. */
class Query {
  readonly #deps: QueryDeps
  readonly #exchange: Exchange
  readonly #user: SignedIn
  readonly #session: Session
  readonly #local: LocalSource
  readonly #answering: Answering

  private constructor(deps: QueryDeps, exchange: Exchange, user: SignedIn) {
    this.#deps = deps
    this.#exchange = exchange
    this.#user = user
    this.#session = sessionFor(exchange, deps)
    this.#local = new LocalSource({ session: this.#session, cursors: deps.cursors }, user)
    this.#answering = new Answering(exchange, user, deps.peers, deps.deadlineMs)
  }

  static async begin(deps: QueryDeps, exchange: Exchange, resource?: string): Promise<Query> {
    // What a caller writes there that is no name of ours stays out of the record.
    if (resource !== undefined && isResource(resource)) exchange.action += `/${resource}`
    return new Query(deps, exchange, await passUser(exchange, deps))
  }

  body<Value>(schema: z.ZodType<Value>, { mayBeAbsent = false } = {}): Promise<Value> {
    return passBody(this.#exchange, schema, { largest: LARGEST_BODY, mayBeAbsent })
  }

  async list(name: string, { source, request }: Sourced<QueryList>): Promise<Accepted> {
    const resource = await this.#resource(name)
    const peer = await this.#source(source, { isSingle: false })
    const cursor = await this.#cursor(source, resource, request)
    const { cursor: _, ...query } = request
    const local = async () => {
      const from = cursor === undefined ? undefined : this.#local.position(cursor, resource, query)
      return this.#local.list(resource, query, from)
    }
    const part = await this.#parts<Tagged<{ createdAt: string }>>(source, peer, local, async (lender, asked) => {
      const inner = source === ALL ? undefined : cursor
      const listed = await lender.list(resource, { ...query, ...(inner !== undefined && { cursor: inner }) }, asked)
      return { ...listed, isTruncated: listed._truncated || listed.isCut }
    })
    const [only] = part
    const nextCursor = source === ALL ? null : tagCursor(source, only?.nextCursor ?? null)
    return this.#answer(source, part, mergeByTime, query.limit, { nextCursor })
  }

  async get(name: string, id: string, { source }: Sourced<object>): Promise<Accepted> {
    await this.#exchange.pass([apiBody], { given: id, schema: uuid, largest: 0 })
    const resource = await this.#resource(name)
    const peer = await this.#source(source, { isSingle: true })
    const local = async (): Promise<Got> => ({ item: await this.#local.get(resource, id), isCut: false })
    const got = await this.#single(peer, local, (lender, asked): Promise<Got> => lender.get(resource, id, asked))
    const { item, isCut, met } = got
    const { report } = partOf(source, { items: [], isTruncated: false, met })
    const body = { item, _partial: isCut, ...this.#answering.about([report]) }
    return { status: 200, body, rowsOut: 1, ...(met && { note: met }) }
  }

  async search({ source, request }: Sourced<SearchRequest>): Promise<Accepted> {
    for (const name of request.resources ?? []) await this.#resource(name)
    const peer = await this.#source(source, { isSingle: false })
    const parts = await this.#parts(
      source,
      peer,
      () => this.#local.search(request),
      async (lender, asked) => {
        const found = await lender.search(request, asked)
        return { ...found, isTruncated: found._truncated || found.isCut }
      },
    )
    return this.#answer(source, parts, interleave, request.limit)
  }

  async capabilities({ source }: { readonly source: string }): Promise<Accepted> {
    const peer = await this.#source(source, { isSingle: true })
    const capabilities = await this.#single(
      peer,
      async () => this.#local.capabilities(),
      async (lender, asked) => {
        const standing = await lender.standing(undefined, asked)
        return standing.capabilities!
      },
    )
    const { report } = partOf(source, { items: [], isTruncated: false })
    return { status: 200, body: { ...capabilities, ...this.#answering.about([report]) } }
  }

  async #resource(resource: string): Promise<Resource> {
    await this.#exchange.pass([scopeResource], { request: { resource, limit: 1 } })
    return resource as Resource
  }

  async #source(source: string, { isSingle }: { readonly isSingle: boolean }): Promise<CallablePeer | undefined> {
    const find = async (commonName: string) => (await this.#peersOf(commonName))[0]
    const asked: AskedSource = { source, isSingle, find }
    await this.#exchange.pass([qrySource], asked)
    return asked.peer
  }

  async #peersOf(commonName?: string): Promise<CallablePeer[]> {
    const { peers } = this.#deps
    const { tenantId, userId: ownerUserId } = this.#user
    if (peers === undefined) return []
    return peersToAsk(this.#session, { tenantId, ownerUserId, ...(commonName !== undefined && { commonName }) })
  }

  /** What of a cursor is the source's own. One of another source, and one of our own that is of another query, is no request. */
  async #cursor(source: string, resource: Resource, { cursor, ...query }: QueryList): Promise<string | undefined> {
    if (cursor === undefined) return undefined
    const inner = source === ALL ? undefined : untagCursor(source, cursor)
    const isGood = inner !== undefined && inner !== '' && this.#isOfQuery(source, inner, resource, query)
    await this.#exchange.pass([apiBody], { given: isGood, schema: TRUE, largest: 0 })
    return inner
  }

  #isOfQuery(source: string, inner: string, resource: Resource, query: ListRequest): boolean {
    // What is a peer's is for the peer to judge.
    return source !== LOCAL || this.#local.position(inner, resource, query) !== undefined
  }

  /** The parts of an answer: of one source, or of all of the user's at once. */
  async #parts<Item>(
    source: string,
    peer: CallablePeer | undefined,
    local: () => Promise<Given<Item>>,
    ask: (...given: Parameters<Parameters<Answering['among']>[1]>) => Promise<Given<Item>>,
  ): Promise<Part<Item>[]> {
    if (peer !== undefined) return [await this.#answering.alone(peer, ask)]
    if (source === LOCAL) return [partOf(LOCAL, await local())]
    const peers = await this.#peersOf()
    return Promise.all([this.#answering.local(local), ...peers.map((one) => this.#answering.among(one, ask))])
  }

  async #single<Answer>(
    peer: CallablePeer | undefined,
    local: () => Promise<Answer>,
    ask: (...given: Parameters<Parameters<Answering['among']>[1]>) => Promise<Answer>,
  ): Promise<Answer> {
    if (peer === undefined) return local()
    try {
      return await this.#answering.one(peer, ask)
    } catch (failure) {
      throw refusalOf(failure) ?? failure
    }
  }

  #answer<Item>(
    source: string,
    parts: readonly Part<Item>[],
    merge: (items: readonly (readonly Item[])[]) => Item[],
    limit: number,
    more: object = {},
  ): Accepted {
    const merged = merge(parts.map(({ items }) => items))
    const items = merged.slice(0, limit)
    const reports = parts.map(({ report }) => report)
    const isTruncated = merged.length > limit || reports.some(({ truncated }) => truncated)
    // There is no cursor over all sources: what is cut off cannot be asked for.
    const isPartial = parts.some((part) => part.isPartial) || (source === ALL && isTruncated)
    const [{ met } = {}] = source === ALL ? [] : parts
    const body = { items, ...more, _truncated: isTruncated, _partial: isPartial, ...this.#answering.about(reports) }
    return { status: 200, body, rowsOut: items.length, ...(met && { note: met }) }
  }
}
