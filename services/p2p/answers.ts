import type { z } from 'zod'
import { plainText } from '../shared/text-table.ts'
import type { Answer } from './call.ts'
import { CommandFailed, EXIT } from './failure.ts'

const SHOWN_MISTAKES = 5

/** What is in an answer of 2xx. `who`: who answered, for messages. @throws CommandFailed for any other answer */
export function contentOf<Value>(answer: Answer, schema: z.ZodType<Value>, { who, hasToken }: Asked): Value {
  const { status } = answer
  const content = jsonOf(answer)
  if (status < 200 || status > 299) throw refusalOf(answer, content, { who, hasToken })
  const read = schema.safeParse(content)
  if (read.success) return read.data
  const mistakes = read.error.issues.map(
    ({ path, message }) => `${path.map(String).join('.') || 'the answer'}: ${message}`,
  )
  const text = plainText(mistakes.slice(0, SHOWN_MISTAKES).join('; '))
  throw new CommandFailed(
    'answer_invalid',
    `${who} answered what no node does (${text}); see that its URL is that of a node, of this version`,
    EXIT.unreachable,
  )
}

export interface Asked {
  readonly who: string
  /** Whether a token was sent. */
  readonly hasToken: boolean
}

export function refusalOf({ status, headers }: Answer, content: unknown, { who, hasToken }: Asked): CommandFailed {
  if (status > 299 && status < 400) {
    const text = `${who} answered with a redirect (${status}), and none is followed; give the URL of the node itself`
    return new CommandFailed('answer_redirect', text, EXIT.refused)
  }
  const { error, request_id: requestId, ...more } = membersOf(content)
  // A proxy answers in words of its own: by what it says nobody knows whether a node was asked.
  const code = error ?? 'no_error_code'
  const about = [String(status), code, ...(requestId === undefined ? [] : [`request ${requestId}`])].join(', ')
  const facts = Object.entries(more).map(([name, value]) => `${name} ${value}`)
  const text = [`${who} refused (${about})`, ...facts, ...wayOut(status, hasToken, headers['retry-after'])].join('; ')
  return new CommandFailed(plainText(code), plainText(text), status < 500 ? EXIT.refused : EXIT.unreachable)
}

/** The plain members of an answer, as text. */
function membersOf(content: unknown): Partial<Record<string, string>> {
  if (content === null || typeof content !== 'object' || Array.isArray(content)) return {}
  const entries = Object.entries(content)
  return Object.fromEntries(
    entries.flatMap(([name, value]) =>
      typeof value === 'string' || typeof value === 'number' ? [[name, String(value)]] : textsOf(name, value),
    ),
  )
}

function textsOf(name: string, value: unknown): [string, string][] {
  return Array.isArray(value) && value.length > 0 ? [[name, value.map(itemText).join(', ')]] : []
}

/** Of what is wrong with parameters, say: where, and what. */
function itemText(item: unknown): string {
  if (item === null || typeof item !== 'object') return String(item)
  return `(${Object.entries(item)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')})`
}

function wayOut(status: number, hasToken: boolean, retryAfter: string | undefined): string[] {
  if (status === 401 && hasToken)
    return ['give the token that the cluster accepts; p2p token check tells who accepts which']
  if (status === 401) {
    return ['no token was given: put it into a file (0600) and name that by HOLDFAST_CLUSTER_AUTH_TOKEN_FILE']
  }
  return retryAfter === undefined ? [] : [`try again in ${retryAfter} s`]
}

/** What an answer holds: undefined where that is no JSON. The parser's own message would quote it. */
export function jsonOf({ headers, body }: Answer): unknown {
  if (!/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')) return undefined
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    return undefined
  }
}
