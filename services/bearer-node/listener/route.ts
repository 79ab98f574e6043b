import type { IncomingHttpHeaders } from 'node:http'
import type { z } from 'zod'

/** `open`: for everybody. `read`: for everybody while reads are open (`auth.readAccess`). `token`: for who has the token. */
export type Access = 'open' | 'read' | 'token'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** What is known of a caller. Nothing but `tokenRef` gives it a right. */
export interface Caller {
  /** Address; of what a configured proxy says (`Forwarded`), else of the connection. */
  readonly remote: string
  /** `proxies[].name`, by the certificate of the connection. */
  readonly via?: string
  /** Of the accepted token that came with the call. Undefined: none came, or this node has none. */
  readonly tokenRef?: string
}

/** A call that passed every guard of the listener. */
export interface Call {
  readonly method: Method
  /** Byte for byte as sent, without query. */
  readonly path: string
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** At most 1 MiB, read to its end; empty for a GET. */
  readonly body: Buffer
  /** The body, parsed: of a route with a schema what that made of it. @throws Refusal (`input_invalid`) */
  json(): unknown
  readonly requestId: string
  readonly caller: Caller
  /** Aborted when the caller went, or when its token is accepted no more: for calls that take long. */
  readonly signal: AbortSignal
}

/** An open stream of Server-Sent Events (HTML, section 9.2). */
export interface EventSession {
  /** `data` is sent as JSON. Nothing happens once the session has ended. */
  send(event: string, data: unknown, id?: string): void
  /** Called once, whoever ended it. */
  onEnd(done: () => void): void
  /** Sends `event: end` with the reason, and closes. */
  end(reason: string): void
}

export type Answer =
  | {
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      /** JSON; a text is sent as it is, by default as text/plain. */
      readonly body?: unknown
      /** What the record says for an answer that refuses nothing, and yet met with something. */
      readonly note?: { readonly guard: string; readonly reason: string }
    }
  | { readonly events: (session: EventSession) => void }

interface Declared<Path extends string> {
  readonly method: Method
  /** `/v1/pipeline/runs/{id}`. A parameter is one segment of `A-Z a-z 0-9 . _ -` that does not begin with a dot. */
  readonly path: Path
  /** For the record: `pipeline:run`. Default: method and path. */
  readonly action?: string
  /** Names that a query may have, each once. Default: none. */
  readonly queryNames?: readonly string[]
  /** Of the JSON body, for a method that has one: what does not fit is 400. Without it no body is parsed before `json()`. */
  readonly schema?: z.ZodType
  handle(call: Call): Promise<Answer> | Answer
}

/** A route that writes needs the token: anything else does not compile. */
export type RouteOf<Path extends string> = Declared<Path> &
  ({ readonly access: 'token'; readonly effect: 'write' } | { readonly access: Access; readonly effect: 'none' })

export type Route = RouteOf<string>

export function route<Path extends string>(declared: RouteOf<Path>): Route {
  return declared
}

/** What a refused caller gets. `body` becomes JSON, with `request_id`. */
export interface RefusalAnswer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

/** Thrown by handlers, once a guard has refused; the listener writes record and answer. */
export class Refusal extends Error {
  readonly guard: string
  readonly reason: string
  readonly answer: RefusalAnswer

  constructor(guard: string, reason: string, answer: RefusalAnswer) {
    super(`${guard}: ${reason}`)
    this.name = 'Refusal'
    this.guard = guard
    this.reason = reason
    this.answer = answer
  }
}
