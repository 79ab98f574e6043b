import type { Refusal as Refused } from '../../shared/guard.ts'
import { firstRefusal } from '../../shared/guard.ts'
import { bearerSession } from '../guards/session.ts'
import type { AcceptedTokens } from '../token/accepted.ts'
import type { Exchange } from './exchange.ts'
import { parseJson } from './json.ts'
import { type Call, type Method, Refusal } from './route.ts'
import type { FoundRoute } from './route-table.ts'

/** By what a call was let in, and is asked again while it lasts. */
export interface Credential {
  readonly tokens: AcceptedTokens | undefined
  readonly digest: Buffer | undefined
}

export interface Ended {
  readonly guard: string
  readonly refusal: Refused
}

/** Calls back once, when the token is accepted no more. Answers how to ask no longer. */
export function whileAccepted({ tokens, digest }: Credential, onEnd: (ended: Ended) => void): () => void {
  if (tokens === undefined || digest === undefined) return () => {}
  let isOver = false
  const judge = async (): Promise<void> => {
    const found = await firstRefusal([bearerSession], { tokens, digest })
    if (found === undefined || isOver) return
    stop()
    onEnd(found)
  }
  const forget = tokens.onChange(() => void judge())
  const stop = (): void => {
    isOver = true
    forget()
  }
  // It may have ended since it was accepted.
  void judge()
  return stop
}

/** What a handler is given. */
export class HandledCall implements Call {
  readonly method: Method
  readonly path: string
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly body: Buffer
  /** Why the signal was aborted, where it was not the caller that went. */
  ended: Ended | undefined
  /** Called then. */
  onEnded: () => void = () => {}
  readonly #exchange: Exchange
  readonly #credential: Credential
  readonly #json: { readonly value: unknown } | undefined
  #aborting: AbortController | undefined
  #forget: () => void = () => {}

  constructor(
    exchange: Exchange,
    credential: Credential,
    read: {
      found: FoundRoute
      query: URLSearchParams | undefined
      body: Buffer | undefined
      json: { value: unknown } | undefined
    },
  ) {
    this.#exchange = exchange
    this.#credential = credential
    this.method = read.found.route.method
    this.path = exchange.target.path
    this.params = read.found.params
    this.query = read.query ?? new URLSearchParams()
    this.body = read.body ?? Buffer.alloc(0)
    this.#json = read.json
  }

  get headers(): Call['headers'] {
    return this.#exchange.request.headers
  }

  get requestId(): string {
    return this.#exchange.requestId
  }

  get caller(): Call['caller'] {
    return this.#exchange.caller
  }

  json(): unknown {
    if (this.#json !== undefined) return this.#json.value
    const json = parseJson(this.body)
    if (json.status === undefined) return json.value
    const error = json.status === 422 ? 'unprocessable' : 'invalid_request'
    throw new Refusal('bearer.route', 'input_invalid', { status: json.status, body: { error } })
  }

  /** Made when it is asked for: most calls are over before anybody could go. */
  get signal(): AbortSignal {
    this.#aborting ??= this.#watch()
    return this.#aborting.signal
  }

  /** Nobody waits for it any more. */
  close(): void {
    this.#forget()
  }

  #watch(): AbortController {
    const aborting = new AbortController()
    const { response } = this.#exchange
    const onGone = () => aborting.abort()
    response.once('close', onGone)
    if (response.destroyed) aborting.abort()
    const stop = whileAccepted(this.#credential, (ended) => {
      this.ended = ended
      aborting.abort()
      this.onEnded()
    })
    this.#forget = () => {
      response.off('close', onGone)
      stop()
    }
    return aborting
  }
}
