import { z } from 'zod'
import { type Places, type Presented, type TextPart, textParts } from '../../credentials/parts.ts'
import { inHeader } from '../../pki/certificate-header.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Call, Called, Prepared } from '../protocol.ts'
import type { Handshake } from '../tls/handshake.ts'
import { wireElement } from '../wire-element.ts'
import type { HttpAnswer } from './answer.ts'
import { type HeaderLines, type Request, requestText } from './exchange.ts'
import { left, linesPut, type Puts, pathWith } from './put.ts'
import { type Promised, type RawCall, sendRaw } from './raw-call.ts'

/** How the parts of a credential that TLS does not carry travel in a request. Default: `Authorization: Bearer`. */
export const carry = z.partialRecord(
  z.enum(textParts),
  z.union([z.literal('bearer'), z.strictObject({ header: z.string().regex(/^[\w-]+$/) })]),
)

export type Carry = z.output<typeof carry>

/** The header lines of what is a text; each may be one that a shell fills in. */
export function linesOf(texts: Pick<Places, TextPart>, how?: Carry): HeaderLines {
  return textParts.flatMap((part) => {
    const [text, place = 'bearer'] = [texts[part], how?.[part]]
    if (text === undefined) return []
    return [place === 'bearer' ? ['Authorization', `Bearer ${text}`] : [place.header, text]]
  })
}

/** What a call does otherwise than its action says. */
export interface HttpOptions {
  /** Header lines that take the place of the token's carrier: two of them, another scheme, none. Sent as they are. */
  headers?: HeaderLines
  /** Parts of the credential that are put elsewhere than the action says: into the query, say. */
  put?: Puts
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

/** How a protocol asks in HTTP. */
interface Asking extends Pick<Request, 'method' | 'headers' | 'body'>, Promised {
  /** `carrying`: the header lines that stand for the credential, which are the last of the request's. */
  send(endpoint: Endpoint, request: Request, carrying: HeaderLines): Promise<Called<HttpAnswer>>
}

export function preparedInHttp(
  call: Call<{ readonly path: string; readonly carry?: Carry }, HttpOptions>,
  { method, headers, body, send, ...promised }: Asking,
): Prepared<HttpAnswer, HttpOptions> {
  const { request: declared, presented, before, options, asProxy } = call
  const { headers: instead, put = {}, handshake, raw, path = declared.path } = options
  const own = [...linesOf(left(presented, put), declared.carry), ...linesPut(presented, put)]
  const carrying = [...(instead ?? own), ...handedOn(presented, asProxy)]
  const request = { method, path: pathWith(path, presented, put), body, headers: [...headers, ...carrying] }
  const identity = asProxy === undefined ? presented.certificate : undefined
  return {
    elements: {
      ...{ headers: JSON.stringify(instead ?? []), path, wire: wireElement(handshake, raw, before) },
      ...{ method, body: body ?? '', put: JSON.stringify(put) },
    },
    carried: instead === undefined ? textParts.filter((part) => presented[part] !== undefined) : [],
    plain: plainOf(options),
    async send(to) {
      const endpoint = { ...to, identity, handshake }
      const bytes = asProxy?.isPlain ? { bytes: (text: string) => [text], ...raw, isPlain: true } : raw
      const called = await (bytes === undefined
        ? send(endpoint, request, carrying)
        : sendRaw(endpoint, request, bytes, promised))
      return { sent: requestText(endpoint, request), ...called }
    },
  }
}

/** What a proxy would write of the certificate that it was shown. */
function handedOn({ certificate }: Presented, asProxy: Call<unknown, HttpOptions>['asProxy']): HeaderLines {
  if (asProxy === undefined || certificate === undefined) return []
  const { name, encoding } = asProxy.certificateHeader
  return [[name, inHeader(certificate.certPem, encoding)]]
}

/** Without its header lines, which stand in the place of the token, or with all in its place; else without what differs below. */
function plainOf(options: HttpOptions): Prepared<HttpAnswer, HttpOptions>['plain'] {
  const { headers, ...carrying } = options
  if (headers !== undefined) return { element: 'headers', options: carrying, isCredential: true }
  const { put, ...placed } = options
  if (put !== undefined) return { element: 'put', options: placed, isCredential: true }
  const { handshake, raw, ...rest } = options
  if (handshake === undefined && raw === undefined) return undefined
  return { element: 'wire', options: rest, isCredential: false }
}
