// #region request
import { z } from 'zod'
import type { AnswerBase, Call, Called, Prepared, Protocol } from '../protocol.ts'
import { wireElement } from '../wire-element.ts'
import { admission, signs } from './admission.ts'
import type { Handshake } from './handshake.ts'
import { sClientCommand } from './s-client.ts'

const request = z.strictObject({
  /** What whoever is let in gets next. Nothing else tells that the far end has judged the certificate of its caller, too. */
  expect: z.enum(signs),
  /** Application protocols that are offered (RFC 7301). Default: none. */
  alpn: z.array(z.string().min(1)).optional(),
})

export type TlsRequest = z.output<typeof request>
// #endregion

// #region answer
export interface TlsAnswer extends AnswerBase {
  /** What was agreed on; null where our own end did not finish. */
  readonly version: string | null
}

export interface TlsExpected {
  /** The alert of RFC 8446 section 6, `certificate_required`. Left out: any, and none, as servers may close without one (section 6.2). */
  error?: string
  /** There is none in TLS. */
  status?: number
}

export interface TlsOptions {
  handshake?: Handshake
}
// #endregion

// #region protocol
/** A handshake and nothing else. */
export const tls: Protocol<TlsRequest, TlsAnswer, TlsExpected, TlsOptions> = {
  name: 'tls',
  request,
  options: ['handshake'],
  layer: 'tls',
  prepare,
  problems: (answer, { status, error = answer.error }) => [
    ...(status === undefined ? [] : [`a handshake has no status, expected ${status}`]),
    ...(answer.error === error ? [] : [`alert ${answer.error ?? 'none'}, expected ${error}`]),
  ],
  text: ({ error, failure, version }) => error ?? (failure ? undefined : (version ?? undefined)),
  wanted: ({ error }) => error,
  read: (error) => ({ error }),
  paste: sClientCommand,
}

function prepare(call: Call<TlsRequest, TlsOptions>): Prepared<TlsAnswer, TlsOptions> {
  const { request: declared, presented, before, options } = call
  if (before !== undefined) throw new TypeError('a connection has one handshake: no call can go first over it')
  const { handshake, ...rest } = options
  return {
    elements: { wire: wireElement(handshake) },
    carried: [],
    plain: handshake && { element: 'wire', options: rest, isCredential: false },
    async send(to): Promise<Called<TlsAnswer>> {
      const endpoint = {
        ...to,
        identity: presented.certificate,
        handshake: { alpn: declared.alpn ?? [], ...handshake },
      }
      const { conn, ms, version, body, failure } = await admission(endpoint, declared.expect)
      const answer = { status: null, error: failure ? alertOf(failure) : null, version, body, failure }
      return { answer, conn, ms, promised: failure === undefined, text: body }
    },
  }
}

/** OpenSSL tells alerts that came by their number; those that it raises itself have none. */
function alertOf({ code, message }: NonNullable<AnswerBase['failure']>): string | null {
  if (!message.includes('SSL alert number ')) return null
  return code.replace(/^ERR_SSL_(SSL\/TLS|SSLV3|TLSV13?)_(ALERT_)?/, '').toLowerCase()
}
// #endregion
