import { z } from 'zod'
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
} from '../../../services/federation-gateway/wire/answers.ts'
import type { ListFilter } from '../../../services/federation-gateway/wire/requests.ts'
import { machineTime } from '../../faults/clock/own-clock.ts'
import type { Identity } from '../../pki/certificate.ts'
import type { Endpoint } from '../../protocols/endpoint.ts'
import { type HeaderLines, requestText } from '../../protocols/http/exchange.ts'
import { type KeptConnections, keptConnections } from '../../protocols/http/kept-connections.ts'
import { rawExchange } from '../../protocols/http/raw-exchange.ts'
import { Reply, type Sent, send } from './reply.ts'

export const federationPath = '/api/federation/v1'

export interface ListBody {
  readonly limit?: number
  readonly cursor?: string
  readonly filter?: ListFilter
}

export type Resource = Parameters<typeof listAnswer>[0]
/** Lines beside those of every call: identity is never read from one. */
interface More {
  readonly headers?: HeaderLines
}

/** Calls the listener of peers, each time over a connection of its own. */
export class Caller {
  readonly endpoint: Endpoint

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
  }

  list<Name extends Resource>(resource: Name, json: ListBody = {}, more: More = {}): Promise<Reply<ListAnswer<Name>>> {
    return this.#post(`/list/${resource}`, json, listAnswer(resource), more)
  }

  /** Every row, page by page. */
  async all<Name extends Resource>(resource: Name, json: ListBody = {}): Promise<ListAnswer<Name>['items']> {
    const items: ListAnswer<Name>['items'] = []
    let cursor: string | null = json.cursor ?? null
    do {
      const page = (await this.list(resource, { ...json, ...(cursor !== null && { cursor }) })).value
      items.push(...page.items)
      cursor = page.nextCursor
    } while (cursor !== null)
    return items
  }

  get<Name extends Resource>(resource: Name, id: string, more: More = {}): Promise<Reply<GetAnswer<Name>>> {
    return this.#post(`/get/${resource}/${id}`, {}, getAnswer(resource), more)
  }

  search(
    q: string,
    json: { resources?: readonly string[]; limit?: number } = {},
    more: More = {},
  ): Promise<Reply<SearchAnswer>> {
    return this.#post('/search', { q, ...json }, searchAnswer, more)
  }

  capabilities({ headers = [] }: More = {}): Promise<Reply<CapabilitiesAnswer>> {
    return send(this.endpoint, { method: 'GET', path: `${federationPath}/capabilities`, headers }, capabilitiesAnswer)
  }

  renew(csrPem: string): Promise<Reply<RenewAnswer>> {
    return this.#post('/renew', { csrPem }, renewAnswer)
  }

  /** Whatever a test wants to send. */
  call(sent: Sent): Promise<Reply<unknown>> {
    return send(this.endpoint, sent, z.unknown())
  }

  /** The same in the clear, without any TLS. */
  async plain(sent: Omit<Sent, 'json'>): Promise<Reply<unknown>> {
    const call = { from: `${sent.method} ${sent.path} at ${this.endpoint.host}, in the clear`, began: machineTime() }
    const steps = [[this.#textOf(sent)]]
    return new Reply(call, await rawExchange(this.endpoint, { steps, isPlain: true }), z.unknown())
  }

  /** Requests over one connection, none of which waits for an answer (RFC 9112 section 9.3.2): each of both leaves when it comes. The reply is to the second. */
  async pipelined(sent: AsyncIterable<Omit<Sent, 'json'>>): Promise<Reply<unknown>> {
    const kept = ['Connection', 'keep-alive'] as const
    const textOf = (one: Omit<Sent, 'json'>) => this.#textOf({ ...one, headers: [...(one.headers ?? []), kept] })
    async function* texts() {
      for await (const one of sent) yield textOf(one)
    }
    const call = { from: `requests one after the other at ${this.endpoint.host}`, began: machineTime() }
    const answered = await rawExchange(this.endpoint, { steps: [texts()], until: 'closed' })
    return new Reply(call, answered, z.unknown())
  }

  #textOf({ method, path, body, headers = [] }: Omit<Sent, 'json'>): string {
    return requestText(this.endpoint, { method, path, headers, ...(body !== undefined && { body }) })
  }

  /** Connections that are kept, up to so many; closed by whoever asked for them. */
  kept(most = 1): KeptConnections {
    return keptConnections(this.endpoint, most)
  }

  #post<Value>(
    path: string,
    json: unknown,
    schema: z.ZodType<Value>,
    { headers = [] }: More = {},
  ): Promise<Reply<Value>> {
    return send(this.endpoint, { method: 'POST', path: `${federationPath}${path}`, json, headers }, schema)
  }
}

/** Over mutual TLS, as whoever holds a certificate. */
export class Peer extends Caller {
  readonly identity: Identity

  constructor(endpoint: Endpoint, identity: Identity) {
    super({ ...endpoint, identity })
    this.identity = identity
  }
}
