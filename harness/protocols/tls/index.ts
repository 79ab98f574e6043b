// #region request
import type { TLSSocket } from 'node:tls'
import { z } from 'zod'
import { type Endpoint, patience } from '../endpoint.ts'
import type { AnswerBase, Call, Called, Pasted, Prepared, Protocol } from '../protocol.ts'
import { shellWord } from '../shell-word.ts'
import { wireElement } from '../wire-element.ts'
import { connect, describe, type Failure, tried } from './connect.ts'
import type { Handshake } from './handshake.ts'

const request = z.strictObject({
  /** What whoever is let in gets next. Nothing else tells that the far end has judged the certificate of its caller, too. */
  expect: z.enum(['ticket', 'bytes', 'silence']),
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

interface Seen extends Omit<TlsAnswer, 'status' | 'error'> {
  conn: string
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
      const shaking = { alpn: declared.alpn ?? [], ...handshake }
      const endpoint = { ...to, identity: presented.certificate, handshake: shaking }
      const { conn, ms, ...seen } = await tried<Seen>({ conn: '', version: null, body: '' }, async (seen) => {
        const { socket, conn } = await connect(endpoint)
        Object.assign(seen, { conn, version: socket.getProtocol() })
        Object.assign(seen, await heard(socket, declared.expect, endpoint).finally(() => socket.destroy()))
      })
      const { failure } = seen
      const answer = { status: null, error: failure ? alertOf(failure) : null, ...seen }
      return { answer, conn, ms, promised: failure === undefined, text: seen.body }
    },
  }
}

/** OpenSSL tells alerts that came by their number; those that it raises itself have none. */
function alertOf({ code, message }: Failure): string | null {
  if (!message.includes('SSL alert number ')) return null
  return code.replace(/^ERR_SSL_(SSL\/TLS|SSLV3|TLSV13?)_(ALERT_)?/, '').toLowerCase()
}
// #endregion

/** A refusal is one message away; on a machine that starves, that takes a while. */
const silentForMs = 1_000

// #region heard
/**
 * Our end has finished before the far end has even seen our certificate (RFC 8446 section 4.4.2): a refusal comes after that, as an
 * alert or as a bare end. Of whoever is let in:
 *
 * - `ticket`: session tickets are sent by who has our Finished (section 4.6.1); in TLS 1.2 its own Finished comes last, and says the same.
 *   Only where the TLS library itself judges: a program that judges after the handshake has sent its tickets by then.
 * - `bytes`: it speaks first. Only where it does so after it has judged: TLS lets it speak before (section 2).
 * - `silence`: it says nothing, and the connection stays open. A refusal that comes later stands in the record of the target alone.
 */
function heard(
  socket: TLSSocket,
  expect: TlsRequest['expect'],
  endpoint: Endpoint,
): Promise<Pick<TlsAnswer, 'body' | 'failure'>> {
  return new Promise((resolve) => {
    const isSilent = expect === 'silence'
    const timeoutMs = isSilent ? patience(endpoint, silentForMs) : patience(endpoint)
    const over = (failure?: Failure, body = '') => {
      clearTimeout(timer)
      resolve({ body, failure })
    }
    const late = { code: 'timeout', message: `no ${expect} came in ${timeoutMs} ms` }
    const timer = setTimeout(() => over(isSilent ? undefined : late), timeoutMs)
    if (expect === 'ticket' && socket.getProtocol() !== 'TLSv1.3') over()
    if (expect === 'ticket') socket.once('session', () => over())
    socket.on('data', (chunk: Buffer) => {
      if (expect === 'bytes') over(undefined, chunk.toString())
      if (isSilent) over({ code: 'spoken to', message: 'bytes came, expected silence' }, chunk.toString())
    })
    // An error comes before the close and says more.
    socket.once('error', (failure) => over(describe(failure)))
    socket.once('close', () => over({ code: 'closed', message: 'the far end closed the connection' }))
  })
}
// #endregion

// #region paste
/**
 * The handshake as a command to paste into a POSIX shell. Its input stays open for as long as a refusal may take: at the end of it
 * `openssl` hangs up and prints `DONE`, and would not hear what comes later. Where the far end hangs up before, there is no `DONE`.
 */
function sClientCommand(call: Pasted<{ alpn?: string[] }>): string {
  const { request, host, port, address, anchor, certificate, enter = [] } = call
  const words = [...enter, 'openssl', 's_client', '-brief', '-connect', `${address}:${port}`, '-servername', host]
  words.push('-verify_hostname', host, '-verify_return_error', '-CAfile', anchor)
  // `-cert` alone sends the leaf, without the CA certificates that stand behind it in the same file.
  if (certificate) words.push('-cert', certificate.cert, '-cert_chain', certificate.cert, '-key', certificate.key)
  if (request.alpn) words.push('-alpn', request.alpn.join(','))
  return `sleep 1 | ${words.map(shellWord).join(' ')}`
}
// #endregion
