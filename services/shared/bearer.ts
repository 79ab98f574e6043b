import type { IncomingMessage } from 'node:http'
import type { Refusal } from './guard.ts'

/** What a request carries as its bearer token (RFC 6750 section 2.1). */
export type Carrier = { token: string } | { token?: undefined; problem: 'token_missing' | 'token_carrier_invalid' }

/** Exactly one space: a token in quotes, lists of tokens and tabs are not in the grammar of RFC 6750 section 2.1. */
const BEARER = /^bearer ([A-Za-z0-9\-._~+/]+=*)$/i
const FORM = /^\s*application\/x-www-form-urlencoded\b/i
const BEARER_LIKE = /^bearer(?![A-Za-z0-9!#$%&'*+.^_`|~-])/i

/**
 * Reads the one `Authorization: Bearer` of a request. Another scheme counts as no token; a second header, a malformed value, a
 * token in the query and a form are `token_carrier_invalid`: no call of ours takes a form, so one could only carry a second token
 * (RFC 6750 section 2.2). Node keeps only the first of two headers, so the raw list is read.
 */
export function carrierOf(request: Pick<IncomingMessage, 'rawHeaders' | 'url'>): Carrier {
  const values: string[] = []
  let isForm = false
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    const name = request.rawHeaders[at]?.toLowerCase()
    if (name === 'authorization') values.push(request.rawHeaders[at + 1] ?? '')
    else if (name === 'content-type') isForm ||= FORM.test(request.rawHeaders[at + 1] ?? '')
  }
  if (values.length > 1 || isForm || hasQueryToken(request.url ?? '')) return { problem: 'token_carrier_invalid' }
  const value = values[0]
  if (value === undefined || !BEARER_LIKE.test(value)) return { problem: 'token_missing' }
  const token = BEARER.exec(value)?.[1]
  return token === undefined ? { problem: 'token_carrier_invalid' } : { token }
}

function hasQueryToken(url: string): boolean {
  const query = url.indexOf('?')
  return query >= 0 && new URLSearchParams(url.slice(query + 1)).has('access_token')
}

/** Nothing was presented: 401 without an error code (RFC 6750 section 3.1). */
export function nothingPresented(reason: string): Refusal {
  return { reason, status: 401 }
}

/** 401 `invalid_token`. */
export function invalidToken(reason: string): Refusal {
  return { reason, status: 401, error: 'invalid_token' }
}

/** 400 `invalid_request`: malformed, repeated, or more than one way of sending a token. */
export function invalidRequest(reason: string): Refusal {
  return { reason, status: 400, error: 'invalid_request' }
}

/** 403 `insufficient_scope`, with the scope that would have been enough. */
export function insufficientScope(reason: string, scope: string): Refusal {
  return { reason, status: 403, error: 'insufficient_scope', scope }
}

/** 503: what is needed to decide cannot be reached, so nothing is accepted. */
export function unavailable(reason: string): Refusal {
  return { reason, status: 503, error: 'temporarily_unavailable', retryAfter: 1 }
}

const BEARER_ERRORS = new Set(['invalid_token', 'invalid_request', 'insufficient_scope'])

/** The value of `WWW-Authenticate` for a refusal (RFC 6750 section 3), or undefined where the refusal is not about a token. */
export function challengeOf(realm: string, refusal: Refusal): string | undefined {
  if (refusal.status === 401 && refusal.error === undefined) return `Bearer realm="${realm}"`
  if (!BEARER_ERRORS.has(refusal.error ?? '')) return undefined
  const scope = refusal.scope === undefined ? '' : `, scope="${refusal.scope}"`
  return `Bearer realm="${realm}", error="${refusal.error}"${scope}`
}

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  unauthorized: 'A bearer token is required.',
  invalid_token: 'The token is not valid here.',
  invalid_request: 'The request is malformed.',
  insufficient_scope: 'The token does not allow this.',
  temporarily_unavailable: 'Try again later.',
  misdirected_request: 'The request was meant for another host.',
}

/** Headers and JSON body of a refusal: RFC status and error code with generic text, never the reason. */
export function refusalAnswer(
  realm: string,
  refusal: Refusal,
): { status: number; headers: Record<string, string>; body: string } {
  const error = refusal.error ?? (refusal.status === 401 ? 'unauthorized' : 'forbidden')
  const challenge = challengeOf(realm, refusal)
  const body = JSON.stringify({ error, error_description: DESCRIPTIONS[error] ?? 'The request is refused.' })
  return {
    status: refusal.status ?? 403,
    headers: {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      ...(challenge === undefined ? {} : { 'www-authenticate': challenge }),
      ...(refusal.retryAfter === undefined ? {} : { 'retry-after': String(refusal.retryAfter) }),
    },
    body,
  }
}
