import type { Agent } from 'node:https'
import type { z } from 'zod'
import { firstRefusal, type Refusal } from '../../shared/guard.ts'
import { type TracePlace, traceparentOf } from '../../shared/trace-context.ts'
import { type CallAnswer, CallFailed, call, createCallAgent } from '../calls/https-call.ts'
import { epochOf, etagOf } from '../scope/capabilities.ts'
import type { Resource } from '../scope/resources.ts'
import {
  type CapabilitiesAnswer,
  capabilitiesAnswer,
  type GetAnswer,
  getAnswer,
  type ListAnswer,
  listAnswer,
  type RenewAnswer,
  renewAnswer,
  type SearchAnswer,
  searchAnswer,
} from '../wire/answers.ts'
import { refused } from '../wire/errors.ts'
import type { ListFilter, SearchRequest } from '../wire/requests.ts'
import { type Breaker, type OutboundCall, outCircuit } from './breaker.ts'
import { type Answered, NOT_MODIFIED, outAnswer, outRows, outServer, outStatus, type Rows } from './guards.ts'

export type FederationClientCode =
  | 'circuit_open'
  | 'peer_tls_untrusted'
  | 'peer_unreachable'
  | 'peer_timeout'
  | 'peer_redirect'
  | 'peer_answer_invalid'
  | 'peer_answer_too_large'
  | 'peer_refused'
  | 'peer_row_absent'
  | 'peer_rate_limited'
  | 'peer_answered_error'
  | 'call_abandoned'

/** A call to a peer that came to nothing. It holds no word of what the peer said. */
export class FederationClientError extends Error {
  readonly code: FederationClientCode
  readonly guard: string
  readonly refusal: Refusal
  /** Whether the connection ended before any byte of an answer: that is how being let in no longer looks, and how bad weather looks. */
  readonly isReset: boolean
  /** What the peer answered with, where it answered. */
  readonly peerStatus: number | undefined
  readonly #isOfOthers: boolean

  /** `isOfOthers`: that the peer fails at this says nothing of the peer. */
  constructor(
    guard: string,
    refusal: Refusal,
    {
      isReset = false,
      peerStatus,
      isOfOthers = false,
    }: { isReset?: boolean; peerStatus?: number; isOfOthers?: boolean } = {},
  ) {
    super(`the peer gave no answer that could be used: ${refusal.reason}`)
    this.name = 'FederationClientError'
    this.code = refusal.reason as FederationClientCode
    this.guard = guard
    this.refusal = refusal
    this.isReset = isReset
    this.peerStatus = peerStatus
    this.#isOfOthers = isOfOthers
  }

  /** Not where nothing was sent, or where nobody waited. */
  get isAboutPeer(): boolean {
    return this.code !== 'circuit_open' && this.code !== 'call_abandoned'
  }

  /** A peer that refuses is well. */
  get isPeerWell(): boolean {
    const { peerStatus = 0 } = this
    return peerStatus >= 400 && (peerStatus < 500 || this.#isOfOthers)
  }
}

/** How a peer is called. PEM texts; the key is nowhere but in the Agent that is made of them. */
export interface PeerAccess {
  /** `https://HOST:PORT` */
  readonly federationUrl: string
  readonly commonName: string
  /** Of this peer alone: no anchor is pooled. */
  readonly anchorPem: string
  readonly certPem: string
  readonly keyPem: string
}

export interface PeerClientOptions {
  readonly breaker: Breaker
  readonly deadlineMs?: number
  readonly connectMs?: number
  /** Where it is called from. Default: the system's choice. */
  readonly localAddress?: string | undefined
}

/** By what guard, and for what. */
export interface Met {
  readonly guard: string
  readonly reason: string
}

export interface Asked {
  readonly signal?: AbortSignal
  /** Where in a trace whoever asks is; default: in one that begins with this call. */
  readonly trace?: TracePlace
  /** Nobody waits for longer, whatever the deadline of one call: by `performance.now()`. */
  readonly until?: number
  /** For the record: what kept an answer from being given without this call. */
  readonly met?: Met
}

/** Rows and what was done to them: `isCut` where there were more than were asked for, or where the peer gave itself another name. */
export type Taken<Answer> = Answer & { readonly isCut: boolean; readonly met?: Met }

export interface ListOf {
  readonly limit: number
  readonly cursor?: string
  readonly filter?: ListFilter
}

/** What the peer says of the grant: `unchanged` where it still is at the epoch that was named. */
export type Standing = { readonly epoch: number; readonly capabilities?: CapabilitiesAnswer }

const DEADLINE_MS = 5_000
const CONNECT_MS = 2_000
const LARGEST_ANSWER = 4 * 1024 * 1024
const DRAIN_MS = 30_000
const MOST_SOCKETS = 16
const BASE = '/api/federation/v1'
const ABANDONED: Refusal = { reason: 'call_abandoned', status: null }

interface Question<Value> {
  readonly path: string
  /** POST with one, and GET without. */
  readonly body?: object
  readonly headers?: Record<string, string>
  readonly schema: z.ZodType<Value>
  /** What else makes an answer one. */
  readonly isGood?: (answer: CallAnswer) => boolean
  /** The peer asks others for the answer: it takes longer, and a peer that has none may be well all the same. */
  readonly isOfOthers?: boolean
}

/** What a peer can be asked. */
export type PeerCalls = Pick<PeerClient, 'list' | 'get' | 'search' | 'standing' | 'renew'>

/** One peer, over connections of its own. */
export class PeerClient {
  readonly #options: PeerClientOptions
  #access: Omit<PeerAccess, 'keyPem'>
  #agent: Agent

  constructor(access: PeerAccess, options: PeerClientOptions) {
    this.#options = options
    this.#agent = agentOf(access, options)
    this.#access = withoutKey(access)
  }

  /** New calls use another certificate; those under way are answered still. */
  replace(access: PeerAccess): void {
    const before = this.#agent
    this.#agent = agentOf(access, this.#options)
    this.#access = withoutKey(access)
    before.maxFreeSockets = 0
    for (const socket of Object.values(before.freeSockets).flat()) socket?.destroy()
    setTimeout(() => before.destroy(), DRAIN_MS).unref()
  }

  close(): void {
    this.#agent.destroy()
  }

  async list<Of extends Resource>(resource: Of, query: ListOf, asked: Asked = {}): Promise<Taken<ListAnswer<Of>>> {
    const { value } = await this.#ask({ path: `/list/${resource}`, body: query, schema: listAnswer(resource) }, asked)
    const taken = this.#take(value.items, query.limit)
    if (!taken.isCut) return { ...value, ...taken }
    // Its cursor is behind what was cut.
    return { ...value, ...taken, nextCursor: taken.items.length < value.items.length ? null : value.nextCursor }
  }

  async get<Of extends Resource>(resource: Of, id: string, asked: Asked = {}): Promise<Taken<GetAnswer<Of>>> {
    const { value } = await this.#ask({ path: `/get/${resource}/${id}`, body: {}, schema: getAnswer(resource) }, asked)
    const { items, ...more } = this.#take([value.item], 1)
    return { item: items[0]!, ...more }
  }

  async search(request: SearchRequest, asked: Asked = {}): Promise<Taken<SearchAnswer>> {
    const { value } = await this.#ask({ path: '/search', body: request, schema: searchAnswer }, asked)
    return { ...value, ...this.#take(value.items, request.limit) }
  }

  /** `known`: an epoch at which the grant may still be. */
  async standing(known: number | undefined, asked: Asked = {}): Promise<Standing> {
    const headers: Record<string, string> = known === undefined ? {} : { 'if-none-match': etagOf(known) }
    const isGood = ({ status, headers: { etag } }: CallAnswer): boolean => {
      const epoch = epochOf(etag)
      return status === NOT_MODIFIED ? epoch === known : epoch !== undefined
    }
    const what = { path: '/capabilities', headers, schema: capabilitiesAnswer, isGood }
    const { value, answer } = await this.#ask(what, asked)
    const epoch = epochOf(answer.headers.etag)!
    return answer.status === NOT_MODIFIED ? { epoch } : { epoch, capabilities: value }
  }

  async renew(csrPem: string, asked: Asked = {}): Promise<RenewAnswer> {
    const what = { path: '/renew', body: { csrPem }, schema: renewAnswer, isOfOthers: true }
    return (await this.#ask(what, asked)).value
  }

  #take<Row extends { _source: string }>(items: readonly Row[], most: number): Taken<{ items: Row[] }> {
    const rows: Rows<Row> = { items, most, commonName: this.#access.commonName }
    const found = outRows.check(rows as Rows<{ _source: string }>) as Refusal | undefined
    const met = found && { met: { guard: outRows.id, reason: found.reason } }
    return { items: rows.cut ?? [...items], isCut: met !== undefined, ...met }
  }

  /** @throws FederationClientError */
  async #ask<Value>(what: Question<Value>, asked: Asked): Promise<{ value: Value; answer: CallAnswer }> {
    const outbound: OutboundCall = { breaker: this.#options.breaker }
    const isOpen = await firstRefusal([outCircuit], outbound)
    if (isOpen !== undefined) throw new FederationClientError(isOpen.guard, isOpen.refusal)
    try {
      const given = await this.#send(what, asked)
      outbound.call?.succeeded()
      return given
    } catch (failure) {
      // A peer that refuses has answered; one that nobody waited for may have been about to.
      if (!(failure instanceof FederationClientError) || failure.code === 'call_abandoned') outbound.call?.abandoned()
      else if (failure.isPeerWell) outbound.call?.succeeded()
      else outbound.call?.failed()
      throw failure
    }
  }

  async #send<Value>(
    { path, body, headers = {}, schema, isGood = () => true, isOfOthers = false }: Question<Value>,
    { signal, trace, until = Number.POSITIVE_INFINITY }: Asked,
  ): Promise<{ value: Value; answer: CallAnswer }> {
    const { connectMs = CONNECT_MS, deadlineMs: perCall = DEADLINE_MS } = this.#options
    const traceparent = trace && traceparentOf(trace)
    const deadlineMs = Math.max(1, Math.min(isOfOthers ? 2 * perCall : perCall, until - performance.now()))
    const answer = await call({
      ...{ agent: this.#agent, url: `${this.#access.federationUrl}${BASE}${path}`, connectMs, deadlineMs },
      ...{ method: body === undefined ? 'GET' : 'POST', largest: LARGEST_ANSWER },
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(traceparent !== undefined && { traceparent }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    }).catch((failure: unknown) => failure)
    if (answer instanceof CallFailed) await refuseUnanswered(answer)
    else if (answer instanceof Error) throw answer
    const answered: Answered = { answer: answer as CallAnswer, schema }
    const found =
      (await firstRefusal([outAnswer], answered)) ?? (await firstRefusal([outStatus], { answer: answer as CallAnswer }))
    const { status } = answer as CallAnswer
    if (found !== undefined) {
      throw new FederationClientError(found.guard, found.refusal, { peerStatus: status, isOfOthers })
    }
    // Nobody who did not ask is told that nothing has changed.
    const isAsked = status !== NOT_MODIFIED || headers['if-none-match'] !== undefined
    if (!isAsked || !isGood(answer as CallAnswer)) {
      const refusal = refused('peer_unavailable', 'peer_answer_invalid')
      throw new FederationClientError(outAnswer.id, refusal)
    }
    return { value: answered.value as Value, answer: answer as CallAnswer }
  }
}

async function refuseUnanswered(failure: CallFailed): Promise<void> {
  if (failure.kind === 'aborted') throw new FederationClientError(outServer.id, ABANDONED)
  const found =
    (await firstRefusal([outServer], { failure })) ??
    (await firstRefusal([outAnswer], { answer: failure, schema: capabilitiesAnswer }))
  const isReset = failure.kind === 'ended' && !failure.wasAnswered
  if (found !== undefined) throw new FederationClientError(found.guard, found.refusal, { isReset })
  throw failure
}

function agentOf({ anchorPem, certPem, keyPem }: PeerAccess, { localAddress }: PeerClientOptions): Agent {
  return createCallAgent({
    ...{ ca: [anchorPem], cert: certPem, key: keyPem, localAddress },
    ...{ minVersion: 'TLSv1.3', maxSockets: MOST_SOCKETS, keepAlive: true },
  })
}

function withoutKey({ keyPem: _, ...rest }: PeerAccess): Omit<PeerAccess, 'keyPem'> {
  return rest
}
