import type { IncomingMessage } from 'node:http'
import type { z } from 'zod'
import { contentOf, jsonOf, refusalOf } from './answers.ts'
import { type Answer, answerOf, type Call, CallFailed, call, open, type Place } from './call.ts'
import { placeOf } from './dial.ts'
import { eventsIn, type StreamEvent } from './event-stream.ts'
import { type RepeatOptions, repeated } from './repeat.ts'

/** Between two words of a stream: a node has one each 15 s, whatever happens. */
const SILENCE_MS = 45_000

/** As whom nodes are asked, and by what they prove themselves. */
export interface Access {
  /** Undefined: none was given. A cluster on loopback may have none. */
  readonly token: string | undefined
  /** PEM of the only anchors. Undefined: none were named, so that nobody is asked by https. */
  readonly ca: readonly string[] | undefined
  /** Hints, for people. */
  note(text: string): void
}

export interface Asked {
  readonly method?: Call['method']
  readonly path: string
  /** Sent as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** A node of a cluster, by its URL. */
export class Node {
  readonly url: URL
  readonly #access: Access
  #place: Promise<Place> | undefined

  constructor(url: string, access: Access) {
    this.url = new URL(url)
    this.#access = access
  }

  /** The same as whoever has no token. */
  withoutToken(): Node {
    return new Node(this.url.origin, { ...this.#access, token: undefined })
  }

  /** One attempt. @throws CommandFailed for whatever is no such answer */
  async ask<Value>(asked: Asked, schema: z.ZodType<Value>): Promise<Value> {
    return this.#content(await this.#attempt(asked), schema)
  }

  /** Attempts until it is no longer too early for an answer: each asks for the same, by the same key. @throws CommandFailed */
  async askAgain<Value>(asked: Asked, schema: z.ZodType<Value>, options: RepeatOptions): Promise<Value> {
    return this.#content(await repeated(() => this.#attempt(asked), options), schema)
  }

  /** Events as they come, until the node ends the stream. @throws CommandFailed */
  async *events(path: string): AsyncGenerator<StreamEvent> {
    const ending = new AbortController()
    const asked = { path, headers: { accept: 'text/event-stream' } }
    const response = await open(await this.#placed(), this.#call(asked), ending.signal)
    try {
      await this.#demandEvents(response)
      response.setTimeout(SILENCE_MS, () => response.destroy(new Error(`no word for ${SILENCE_MS} ms`)))
      yield* eventsIn(response)
    } catch (failure) {
      throw isNetworks(failure) ? this.#streamBroken(failure) : failure
    } finally {
      ending.abort()
    }
  }

  async #attempt(asked: Asked): Promise<Answer> {
    return call(await this.#placed(), this.#call(asked))
  }

  /** Looked up once: what was judged is what is dialled. */
  #placed(): Promise<Place> {
    this.#place ??= placeOf(this.url, this.#access)
    return this.#place
  }

  #call({ method = 'GET', path, body, headers }: Asked): Call {
    const { token } = this.#access
    return {
      method,
      path,
      headers: {
        accept: 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }
  }

  #content<Value>(answer: Answer, schema: z.ZodType<Value>): Value {
    return contentOf(answer, schema, this.#asked())
  }

  #asked() {
    return { who: this.url.host, hasToken: this.#access.token !== undefined }
  }

  async #demandEvents(response: IncomingMessage): Promise<void> {
    const { statusCode, headers } = response
    if (statusCode !== 200) {
      const answer = await answerOf(this.url, response)
      throw refusalOf(answer, jsonOf(answer), this.#asked())
    }
    if (/^text\/event-stream\s*(;|$)/i.test(headers['content-type'] ?? '')) return
    throw new CallFailed('answer_invalid', `${this.url.host} answered no stream of events; is it a node?`)
  }

  #streamBroken({ code, message }: NodeJS.ErrnoException): CallFailed {
    return new CallFailed('stream_broken', `${this.url.host} ended the stream (${code ?? message}); see that it runs`)
  }
}

function isNetworks(failure: unknown): failure is Error {
  return failure instanceof Error && !('exitCode' in failure)
}
