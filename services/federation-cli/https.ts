import type { Agent } from 'node:https'
import { z } from 'zod'
import {
  type Call,
  type CallAnswer,
  CallFailed,
  type CallFailure,
  call,
  createCallAgent,
} from '../federation-gateway/calls/https-call.ts'
import { isJson, jsonOf } from '../federation-gateway/calls/json.ts'
import { plainText } from '../shared/text-table.ts'
import { CommandFailed, EXIT } from './failure.ts'

const CONNECT_MS = 5_000
/** Longer than any gateway takes: it answers within 10 s, if only to say that it could not. */
const DEADLINE_MS = 15_000
const LARGEST_ANSWER = 8 * 1024 * 1024

/** One server, by its own roots and by a DNS name in its certificate. */
export interface Server {
  /** For messages: `the gateway`. */
  readonly what: string
  /** `https://HOST[:PORT]` */
  readonly origin: string
  /** PEM of the only anchors. */
  readonly ca: readonly string[]
  /** How to come by the right roots. */
  readonly untrusted: string
}

export interface Asked {
  readonly method: Call['method']
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  readonly deadlineMs?: number
}

/** Makes one call at a time, each over a connection of its own. @throws CommandFailed for whatever is no answer */
export function createAsker(server: Server): { ask(asked: Asked): Promise<CallAnswer>; close(): void } {
  const agent = agentOf(server)
  return {
    async ask({ method, path, headers = {}, body, deadlineMs = DEADLINE_MS }) {
      const text = body === undefined ? undefined : JSON.stringify(body)
      try {
        return await call({
          ...{ agent, method, url: `${server.origin}${path}`, deadlineMs, largest: LARGEST_ANSWER },
          ...{ connectMs: Math.min(CONNECT_MS, deadlineMs), ...(text !== undefined && { body: text }) },
          headers: {
            accept: 'application/json',
            ...(text !== undefined && { 'content-type': 'application/json' }),
            ...headers,
          },
        })
      } catch (failure) {
        throw failure instanceof CallFailed ? told(server, failure) : failure
      }
    },
    close: () => agent.destroy(),
  }
}

function agentOf({ ca }: Server): Agent {
  return createCallAgent({ ca, minVersion: 'TLSv1.2', maxSockets: 1, keepAlive: false })
}

const WAY_OUT: Readonly<Partial<Record<CallFailure, string>>> = {
  'too-large': 'something else than a gateway may listen there',
  encoded: 'something else than a gateway may listen there',
}

function told({ what, untrusted }: Server, { kind, message }: CallFailed): CommandFailed {
  if (kind === 'untrusted') return new CommandFailed('server_untrusted', `${what} ${message}; ${untrusted}`)
  const wayOut = WAY_OUT[kind]
  if (wayOut !== undefined) return new CommandFailed('answer_invalid', `${what} ${message}; ${wayOut}`)
  const hint = 'see that it runs, and that its URL is right'
  return new CommandFailed('server_unreachable', `${what} ${message}; ${hint}`, EXIT.unreachable)
}

const errorBody = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    requestId: z.string(),
    details: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    retryAfterSeconds: z.number().optional(),
  }),
})

/** What is in an answer that has one of these statuses. @throws CommandFailed for any other answer */
export function contentOf<Value>(
  answer: CallAnswer,
  schema: z.ZodType<Value>,
  about: { what: string; wayOut?(status: number): string | undefined },
): Value {
  demandNoRedirect(answer, about)
  const { status } = answer
  const content = isJson(answer) ? jsonOf(answer.body) : undefined
  if (status < 200 || status > 299) throw refusalOf(answer, content, about)
  const read = schema.safeParse(content)
  if (read.success) return read.data
  const places = read.error.issues.map(
    ({ path, message }) => `${path.map(String).join('.') || 'the answer'}: ${message}`,
  )
  const text = plainText(places.slice(0, 5).join('; '))
  throw new CommandFailed(
    'answer_invalid',
    `${about.what} answered what it should not (${text}); is it of another version?`,
  )
}

/** None is followed: whoever sends us elsewhere is not who was meant. @throws CommandFailed */
export function demandNoRedirect({ status }: CallAnswer, { what }: { what: string }): void {
  if (status < 300 || status > 399) return
  throw new CommandFailed(
    'answer_redirect',
    `${what} answered with a redirect (${status}), and none is followed; give the URL of the gateway itself`,
  )
}

function refusalOf(
  { status }: CallAnswer,
  content: unknown,
  { what, wayOut }: { what: string; wayOut?(status: number): string | undefined },
): CommandFailed {
  const read = errorBody.safeParse(content)
  if (!read.success)
    return new CommandFailed('answer_invalid', `${what} answered ${status} without an error of a gateway`)
  const { code, message, requestId, details = [], retryAfterSeconds } = read.data.error
  const lines = details.map(({ path, message: issue }) => `${path || 'the document'}: ${issue}`)
  const later = retryAfterSeconds === undefined ? [] : [`try again in ${retryAfterSeconds} s`]
  const hint = wayOut?.(status)
  const text = [
    `${what} refused (${status} ${code}, request ${requestId}): ${message}`,
    ...lines,
    ...later,
    ...(hint === undefined ? [] : [hint]),
  ]
  return new CommandFailed(plainText(code), plainText(text.join('; ')))
}
