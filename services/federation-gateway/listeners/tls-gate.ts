import type { TLSSocket } from 'node:tls'
import { type Guard, guard } from '../../shared/guard.ts'
import type { TlsConnection } from '../../shared/tls-listener.ts'
import type { Unreadable } from '../../shared/unreadable.ts'
import { type HandshakeFailure, NO_CERTIFICATE, tlsChain, tlsCrl } from '../certificates/handshake.ts'
import type { OpenConnections } from './open-connections.ts'

/** What a caller speaks that does not know that TLS comes first: OpenSSL tells HTTP from all else that begins with no record of TLS. */
const PLAINTEXT = new Set(['ERR_SSL_HTTP_REQUEST', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'])
/** An alert is the caller's own verdict, and a reset its leaving: neither is a refusal of ours. */
const ENDED_BY_CALLER = /_ALERT_|^ECONNRESET$|^EPIPE$/

/** TLS 1.3 and HTTP/1.1: 1.2 would show in the clear for which grant and which user a certificate is. */
export const tlsProtocol = guard<Unreadable>('tls.protocol', ['tls_protocol', 'tls_plaintext'], ({ failure }) => {
  const { code = '' } = failure
  if (ENDED_BY_CALLER.test(code)) return undefined
  return { reason: PLAINTEXT.has(code) ? 'tls_plaintext' : 'tls_protocol', status: null }
})

/** A guard of failed handshakes, asked of one that OpenSSL has judged: Node leaves the verdict on the socket. */
function ofHandshake({ id, reasons, check }: Guard<HandshakeFailure>): Guard<TlsConnection> {
  return { id, reasons, check: ({ socket }) => check(verdictOn(socket)) }
}

function verdictOn(socket: TLSSocket): HandshakeFailure {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return { code: NO_CERTIFICATE }
  if (socket.authorized) return {}
  // OpenSSL goes on to lists, and says last that there is none: there cannot be one about whoever vouches for himself.
  if (certificate.subject === certificate.issuer) return { authorizationError: 'DEPTH_ZERO_SELF_SIGNED_CERT' }
  const { authorizationError } = socket
  // Not let in, and nobody has said why: whatever it is, no path leads to the anchor.
  return { authorizationError: authorizationError || 'UNSPECIFIED' }
}

export const tlsConnections = guard<{ readonly connection: TlsConnection; readonly open: OpenConnections }>(
  'tls.connections',
  ['connection_limit'],
  ({ connection: { socket }, open }) => {
    const certificate = socket.getPeerX509Certificate()
    const isKept = certificate !== undefined && open.admit(socket, certificate)
    return isKept ? undefined : { reason: 'connection_limit', status: null }
  },
)

/** What stands between a handshake and the first byte of HTTP, in the order of evaluation. */
export function tlsGate(open: OpenConnections): readonly Guard<TlsConnection>[] {
  const { id, reasons, check } = tlsConnections
  const places: Guard<TlsConnection> = { id, reasons, check: (connection) => check({ connection, open }) }
  return [ofHandshake(tlsChain), ofHandshake(tlsCrl), places]
}
