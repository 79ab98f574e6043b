import type { AnswerBase, Called } from '../protocol.ts'
import { bearersIn, type Challenge, ChallengeMalformed, readChallenges } from './challenge.ts'
import { type Answer, headerValues } from './exchange.ts'

/** What an HTTP answer says for itself. `status` is null where the connection ended before any. */
export interface HttpAnswer extends AnswerBase {
  /** Of `WWW-Authenticate`, else of a JSON body; null for a challenge without one. */
  readonly error: string | null
  /** Parsed; `malformedChallenge` says why it could not be. */
  readonly wwwAuthenticate: readonly Challenge[]
  readonly malformedChallenge?: string
  readonly cacheControl: string | undefined
  /** Methods that are allowed. */
  readonly allow: string | undefined
  /** Parsed body, if it is JSON. */
  readonly json: unknown
  /** Of a call in bytes: how many answers came, and whether the far end closed the connection. */
  readonly wire?: { readonly answers: number; readonly isClosed: boolean }
}

/** What a call tells of its answer. */
export function calledBy(
  answer: Answer,
  isPromised: (answer: Answer) => boolean,
  wire?: HttpAnswer['wire'],
): Called<HttpAnswer> {
  return {
    ...{ answer: readAnswer(answer, wire), conn: answer.conn, ms: answer.ms, promised: isPromised(answer) },
    ...(answer.status !== null && { came: answerText(answer) }),
    text: [...answer.headers.map(([, value]) => value), answer.body].join('\n'),
    field: (name) => headerValues(answer.headers, name)[0]?.trim(),
  }
}

/** An answer as it stood on the wire, but for its framing. */
function answerText({ status, headers, body }: Answer): string {
  return [`HTTP/1.1 ${status}`, ...headers.map(([name, value]) => `${name}: ${value}`), '', body].join('\r\n')
}

function readAnswer({ status, headers, body, failure }: Answer, wire?: HttpAnswer['wire']): HttpAnswer {
  const json = jsonOf(body)
  let wwwAuthenticate: HttpAnswer['wwwAuthenticate'] = []
  let malformedChallenge: string | undefined
  try {
    wwwAuthenticate = headerValues(headers, 'www-authenticate').flatMap(readChallenges)
  } catch (malformed) {
    if (!(malformed instanceof ChallengeMalformed)) throw malformed
    malformedChallenge = malformed.message
  }
  const [cacheControl] = headerValues(headers, 'cache-control')
  const allow = headerValues(headers, 'allow').join(', ') || undefined
  const error = errorOf(status, wwwAuthenticate, json)
  const otherError = status === null || status < 400 ? null : codeIn(json)
  return {
    ...{ status, body, json, failure, wwwAuthenticate, malformedChallenge, cacheControl, allow, error, wire },
    ...(otherError !== error && { otherError }),
  }
}

/** The challenge's code, where there is a Bearer challenge (its absence is a statement too); else that of a JSON body. */
function errorOf(status: number | null, challenges: readonly Challenge[], json: unknown): string | null {
  if (status === null || status < 400) return null
  const [bearer] = bearersIn(challenges)
  if (bearer !== undefined) return bearer.params.error ?? null
  return codeIn(json)
}

/** OAuth has the code itself there (RFC 6749 section 5.2), others put it beside what they say to people. */
function codeIn(json: unknown): string | null {
  const error = memberOf(json, 'error')
  const code = memberOf(error, 'code') ?? error
  return typeof code === 'string' ? code : null
}

function memberOf(json: unknown, name: string): unknown {
  return typeof json === 'object' && json !== null ? (json as Record<string, unknown>)[name] : undefined
}

export function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
