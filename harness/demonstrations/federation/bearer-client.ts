import { z } from 'zod'
import type { Endpoint } from '../../protocols/endpoint.ts'
import type { HeaderLines } from '../../protocols/http/exchange.ts'
import { type Reply, type Sent, send } from './reply.ts'

/** Calls with a bearer token, each over a connection of its own. */
export class BearerClient {
  readonly endpoint: Endpoint
  readonly token: string

  constructor(endpoint: Endpoint, token: string) {
    this.endpoint = endpoint
    this.token = token
  }

  call<Value = unknown>(
    method: string,
    path: string,
    json?: unknown,
    { schema = z.unknown() as z.ZodType<Value>, headers = [] as HeaderLines } = {},
  ): Promise<Reply<Value>> {
    const bearer = [['Authorization', `Bearer ${this.token}`] as const, ...headers]
    return send(this.endpoint, { method, path, json, headers: bearer }, schema)
  }

  /** Whatever a test wants to send, and no token beside it. */
  bare(sent: Sent): Promise<Reply<unknown>> {
    return send(this.endpoint, sent, z.unknown())
  }

  get(path: string): Promise<Reply<unknown>> {
    return this.call('GET', path)
  }

  post(path: string, json: unknown = {}): Promise<Reply<unknown>> {
    return this.call('POST', path, json)
  }

  patch(path: string, json: unknown = {}): Promise<Reply<unknown>> {
    return this.call('PATCH', path, json)
  }

  delete(path: string): Promise<Reply<unknown>> {
    return this.call('DELETE', path)
  }
}
