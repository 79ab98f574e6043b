import type { PeerView } from './peers.ts'

/** What is asked of a peer. */
export interface PeerCall {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** With its query. */
  readonly path: string
  /** JSON, byte for byte. */
  readonly body?: Buffer
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

export interface PeerAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Buffer
}

/**
 * Why a call got no answer. Of `refused`, `unreachable` and `unverified` nothing has left this node, nor will it; of the others nobody knows
 * what became of it.
 */
export type PeerFailure = 'refused' | 'unreachable' | 'unverified' | 'timeout' | 'ended' | 'too_large' | 'aborted'

export class PeerCallFailed extends Error {
  readonly kind: PeerFailure
  readonly peer: string

  constructor(kind: PeerFailure, peer: string, options?: ErrorOptions) {
    super(`${peer}: ${kind}`, options)
    this.name = 'PeerCallFailed'
    this.kind = kind
    this.peer = peer
  }
}

/** Calls to peers, by their ids. What carries them is a network, or a test. @throws PeerCallFailed */
export interface PeerCalls {
  call(peer: string, call: PeerCall): Promise<PeerAnswer>
  close(): Promise<void>
}

export interface JsonAnswer {
  readonly status: number
  /** Empty where the answer was no JSON object. */
  readonly body: Readonly<Record<string, unknown>>
}

const UNAUTHORIZED = 401

/** Messages among peers, as JSON; what each call tells of its peer is kept. */
export class PeerMessages {
  readonly #calls: PeerCalls
  readonly #view: PeerView

  constructor(calls: PeerCalls, view: PeerView) {
    this.#calls = calls
    this.#view = view
  }

  /** @throws PeerCallFailed */
  async send(peer: string, call: Omit<PeerCall, 'body'> & { readonly json?: object }): Promise<JsonAnswer> {
    const { json, ...more } = call
    const { status, body } = await this.raw(peer, {
      ...more,
      ...(json !== undefined && {
        body: Buffer.from(JSON.stringify(json)),
        headers: { 'content-type': 'application/json' },
      }),
    })
    return { status, body: objectOf(body) }
  }

  /** @throws PeerCallFailed */
  async raw(peer: string, call: PeerCall): Promise<PeerAnswer> {
    try {
      const answer = await this.#calls.call(peer, call)
      this.#view.answered(peer, answer.status === UNAUTHORIZED ? 'refused' : 'ok')
      return answer
    } catch (failure) {
      if (failure instanceof PeerCallFailed && failure.kind !== 'aborted') this.#view.failed(peer)
      throw failure
    }
  }
}

function objectOf(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
