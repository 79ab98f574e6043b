import type { IncomingMessage } from 'node:http'
import { isB64Token } from '../token/token-text.ts'

/** Reason codes of `bearer.carrier`. */
export type CarrierProblem = 'carrier_repeated' | 'carrier_malformed' | 'carrier_in_query'

/** How a request presents a token: by one way, by none, or by one that must not be taken. */
export interface Carried {
  /** Bytes as they were received. */
  readonly value?: Buffer
  readonly problem?: CarrierProblem
}

export interface CarrierOptions {
  /** A further header whose whole value is the token; lower case. */
  readonly alias: string | undefined
  /** Names in the form that is the body, where it is one. */
  readonly formNames?: readonly string[]
}

/** RFC 6750 section 2.2 and 2.3: a name that carries a token. */
const PARAMETER = 'access_token'
const SCHEME = /^bearer(?![A-Za-z0-9!#$%&'*+.^_`|~-])/i
/** The scheme in any case (RFC 9110 section 11.1), then spaces, then the token. */
const BEARER = /^bearer +([^ ]+)$/i
const FORM = /^\s*application\/x-www-form-urlencoded\b/i

/** Looks at every place in which a token may stand (RFC 6750 section 2). Node keeps the first of two headers alone, so all are read. */
export function carriedBy(
  { headersDistinct, url = '' }: Pick<IncomingMessage, 'headersDistinct' | 'url'>,
  { alias, formNames = [] }: CarrierOptions,
): Carried {
  if (hasParameter(url) || formNames.includes(PARAMETER)) return { problem: 'carrier_in_query' }
  const own = headersDistinct.authorization ?? []
  const others = alias === undefined ? [] : (headersDistinct[alias] ?? [])
  const isBearer = own.some((value) => SCHEME.test(value))
  if (own.length > 1 || others.length > 1 || (isBearer && others.length > 0)) return { problem: 'carrier_repeated' }
  if (others[0] !== undefined) return tokenIn(others[0])
  return isBearer ? tokenIn(BEARER.exec(own[0]!)?.[1] ?? '') : {}
}

/** Whether the body is a form, in which a token may stand. */
export function isForm({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return FORM.test(headers['content-type'] ?? '')
}

function tokenIn(text: string): Carried {
  // Node reads a header as Latin-1: one character for each byte.
  return isB64Token(text) ? { value: Buffer.from(text, 'latin1') } : { problem: 'carrier_malformed' }
}

function hasParameter(url: string): boolean {
  const query = url.indexOf('?')
  return query >= 0 && new URLSearchParams(url.slice(query + 1)).has(PARAMETER)
}
