import type { TLSSocket } from 'node:tls'
import type { Endpoint } from '../endpoint.ts'
import { connect, defaultTimeoutMs, describe, type Failure, tried } from './connect.ts'

/** What whoever is let in can get next. */
export const signs = ['ticket', 'bytes', 'silence'] as const
export type Sign = (typeof signs)[number]

/** What the caller saw; without `failure` it was let in. */
export interface Admission {
  conn: string
  version: string | null
  /** The first bytes that came, as text. */
  body: string
  failure?: Failure
  ms: number
}

/** A refusal is one message away; on a machine that starves, that takes a while. */
const silentForMs = 1_000

/** One handshake over a connection of its own, and the wait for what shows that it is over for the far end, too. */
export function admission(endpoint: Endpoint, expect: Sign): Promise<Admission> {
  return tried({ conn: '', version: null, body: '' }, async (seen: Omit<Admission, 'ms'>) => {
    const { socket, conn } = await connect(endpoint)
    Object.assign(seen, { conn, version: socket.getProtocol() })
    try {
      Object.assign(seen, await heard(socket, expect, endpoint.timeoutMs))
    } finally {
      socket.destroy()
    }
  })
}

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
  expect: Sign,
  timeoutMs = defaultTimeoutMs,
): Promise<Pick<Admission, 'body' | 'failure'>> {
  return new Promise((resolve) => {
    const isSilent = expect === 'silence'
    const over = (failure?: Admission['failure'], body = '') => {
      clearTimeout(timer)
      resolve({ body, failure })
    }
    const late = { code: 'timeout', message: `no ${expect} came in ${timeoutMs} ms` }
    const timer = setTimeout(() => over(isSilent ? undefined : late), isSilent ? silentForMs : timeoutMs)
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
