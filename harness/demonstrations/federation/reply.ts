import type { z } from 'zod'
import { HoldfastError } from '../../errors.ts'
import { machineTime } from '../../faults/clock/own-clock.ts'
import type { Endpoint } from '../../protocols/endpoint.ts'
import { jsonOf } from '../../protocols/http/answer.ts'
import { type Answer, exchange, type HeaderLines, headerValues } from '../../protocols/http/exchange.ts'

/** What is sent. `body` in place of JSON: a text as it is. */
export interface Sent {
  readonly method: string
  readonly path: string
  readonly json?: unknown
  readonly body?: string
  readonly headers?: HeaderLines
}

/** A gateway did not answer as a test counts on. Code `HOLDFAST_REPLY_UNEXPECTED`. */
export class ReplyUnexpected extends HoldfastError {
  constructor({ from, status, body, failure }: Reply<unknown>, what: string, options?: ErrorOptions) {
    const came =
      status === null ? `no answer (${failure?.code}: ${failure?.message})` : `${status} ${body.slice(0, 400)}`
    super('HOLDFAST_REPLY_UNEXPECTED', `${from}: ${what}; it answered ${came}`, options)
  }
}

/** What came back, and over which connection. `status` is null where the connection ended before any byte of HTTP. */
export class Reply<Value> implements Pick<Answer, 'status' | 'headers' | 'body' | 'conn' | 'failure' | 'ms'> {
  readonly status: number | null
  readonly headers: HeaderLines
  readonly body: string
  readonly conn: string
  readonly failure: Answer['failure']
  readonly ms: number
  /** By the clock of the machine, in ms since 1970. */
  readonly began: number
  /** Node and call, for people. */
  readonly from: string
  readonly #schema: z.ZodType<Value>

  constructor(
    { from, began }: { from: string; began: number },
    { status, headers, body, conn, failure, ms }: Answer,
    schema: z.ZodType<Value>,
  ) {
    Object.assign(this, { failure })
    ;[this.from, this.status, this.headers, this.body, this.conn, this.ms] = [from, status, headers, body, conn, ms]
    this.#schema = schema
    this.began = began
  }

  get json(): unknown {
    return jsonOf(this.body)
  }

  /** Of a refusal. */
  get error(): { code: string; message: string; requestId: string; details?: unknown } | undefined {
    return (this.json as { error?: never } | undefined)?.error
  }

  header(name: string): string | undefined {
    return headerValues(this.headers, name)[0]
  }

  /** What a good answer holds, strictly as it is declared. @throws ReplyUnexpected */
  get value(): Value {
    if (this.status === null || this.status >= 300) throw new ReplyUnexpected(this, 'a good answer was expected')
    const read = this.#schema.safeParse(this.json)
    if (!read.success) {
      throw new ReplyUnexpected(this, 'its answer is not as it is declared', { cause: read.error })
    }
    return read.data
  }
}

/** One request over a connection of its own. */
export async function send<Value>(
  endpoint: Endpoint,
  { method, path, json, body = json === undefined ? undefined : JSON.stringify(json), headers = [] }: Sent,
  schema: z.ZodType<Value>,
): Promise<Reply<Value>> {
  const type: HeaderLines = json === undefined ? [] : [['Content-Type', 'application/json']]
  // RFC 9110 section 8.6: a method that could have content says that there is none; Node would send it in chunks.
  const length: HeaderLines = body === undefined && method !== 'GET' ? [['Content-Length', '0']] : []
  const request = { method, path, headers: [...type, ...length, ...headers], ...(body !== undefined && { body }) }
  const call = { from: `${method} ${path} at ${endpoint.host}`, began: machineTime() }
  return new Reply(call, await exchange(endpoint, request), schema)
}
