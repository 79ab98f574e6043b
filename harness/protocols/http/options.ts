import type { Endpoint } from '../endpoint.ts'
import type { Call, Prepared } from '../protocol.ts'
import type { Handshake } from '../tls/handshake.ts'
import { wireElement } from '../wire-element.ts'
import type { HttpAnswer } from './answer.ts'
import type { HeaderLines } from './exchange.ts'
import type { RawCall } from './raw-call.ts'

/** What a call does otherwise than its action says. */
export interface HttpOptions {
  /** Header lines that take the place of the token's carrier: two of them, another scheme, none. Sent as they are. */
  headers?: HeaderLines
  method?: string
  path?: string
  json?: unknown
  form?: Readonly<Record<string, string>>
  /** Body as it is, of `application/json` unless `headers` say otherwise. */
  body?: string
  /** What the TLS handshake does otherwise. */
  handshake?: Handshake
  /** The request as bytes, made from its own text: for what no HTTP library would send. */
  raw?: RawCall
}

/** Parts of a credential that TLS carries, and what the handshake does otherwise. */
export function endpointFor(
  to: Endpoint,
  { presented, options }: Pick<Call<unknown, HttpOptions>, 'presented' | 'options'>,
) {
  return { ...to, identity: presented.certificate, handshake: options.handshake }
}

export function elementsOf({ before, options }: Call<unknown, HttpOptions>, path: string) {
  const { headers = [], handshake, raw } = options
  return { headers: JSON.stringify(headers), path, wire: wireElement(handshake, raw, before) }
}

/** Without its header lines, which stand in the place of the token; else without what differs below. */
export function plainOf(options: HttpOptions): Prepared<HttpAnswer, HttpOptions>['plain'] {
  const { headers, ...carrying } = options
  if (headers !== undefined) return { element: 'headers', options: carrying, isCredential: true }
  const { handshake, raw, ...rest } = options
  if (handshake === undefined && raw === undefined) return undefined
  return { element: 'wire', options: rest, isCredential: false }
}
