import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { type Guard, guard } from '../../shared/guard.ts'
import { isIssuedBy } from '../../shared/peer-certificate.ts'
import type { TlsConnection } from '../../shared/tls-listener.ts'
import type { Unreadable } from '../../shared/unreadable.ts'
import { LONGEST_CHAIN } from '../certificates/chain.ts'
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

type Anchors = () => readonly X509Certificate[]

/** A guard of failed handshakes, asked of one that OpenSSL has judged. */
function ofHandshake({ id, reasons, check }: Guard<HandshakeFailure>, verdicts: Verdicts): Guard<TlsConnection> {
  return { id, reasons, check: ({ socket }) => check(verdicts.of(socket)) }
}

/** What Node left on each socket: read once, as it hands out once only what else was sent of a chain. */
class Verdicts {
  readonly #anchors: Anchors
  readonly #open: OpenConnections
  readonly #known = new WeakMap<TLSSocket, HandshakeFailure>()

  constructor(anchors: Anchors, open: OpenConnections) {
    this.#anchors = anchors
    this.#open = open
  }

  of(socket: TLSSocket): HandshakeFailure {
    const verdict = this.#known.get(socket) ?? verdictOn(socket, this.#anchors(), this.#open)
    this.#known.set(socket, verdict)
    return verdict
  }
}

/** Of all that OpenSSL finds wrong Node tells the last. That no path leads to an anchor comes first, and is the verdict then. */
function verdictOn(socket: TLSSocket, anchors: readonly X509Certificate[], open: OpenConnections): HandshakeFailure {
  const leaf = socket.getPeerX509Certificate()
  if (leaf === undefined) return { code: NO_CERTIFICATE }
  // OpenSSL has looked at the lists of when the connection began.
  if (socket.authorized) return open.isRevoked(leaf) ? { authorizationError: 'CERT_REVOKED' } : {}
  const { authorizationError } = socket
  // Not let in, and nobody has said why: whatever it is, no path leads to the anchor.
  const beginsInMs = leaf.validFromDate.getTime() - Date.now()
  return { authorizationError: (isBelow(leaf, anchors) && authorizationError) || 'UNSPECIFIED', beginsInMs }
}

/** Whether one of these signed the certificate, or one of those that were sent with it. */
function isBelow(leaf: X509Certificate, anchors: readonly X509Certificate[]): boolean {
  for (let [at, depth] = [leaf, 0]; depth < LONGEST_CHAIN; depth += 1) {
    if (anchors.some((anchor) => isIssuedBy(at, anchor))) return true
    const { issuerCertificate: issuer } = at
    if (issuer === undefined || !isIssuedBy(at, issuer)) return false
    at = issuer
  }
  return false
}

export const tlsConnections = guard<{ readonly hasPlace: boolean }>(
  'tls.connections',
  ['connection_limit'],
  ({ hasPlace }) => (hasPlace ? undefined : { reason: 'connection_limit', status: null }),
)

/** Asks for a place for each connection as it comes. */
function ofPlaces(take: (socket: TLSSocket) => boolean): Guard<TlsConnection> {
  const { id, reasons, check } = tlsConnections
  return { id, reasons, check: ({ socket }) => check({ hasPlace: take(socket) }) }
}

/** Where nobody shows a certificate: so many connections, whoever's they are. */
export function tlsPlaces(most: number): Guard<TlsConnection> {
  const open = new Set<TLSSocket>()
  return ofPlaces((socket) => {
    if (open.size >= most) return false
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    return true
  })
}

/** What stands between a handshake and the first byte of HTTP, in the order of evaluation. */
export function tlsGate(open: OpenConnections, anchors: Anchors): readonly Guard<TlsConnection>[] {
  const places = ofPlaces((socket) => {
    const certificate = socket.getPeerX509Certificate()
    return certificate !== undefined && open.admit(socket, certificate)
  })
  const verdicts = new Verdicts(anchors, open)
  return [ofHandshake(tlsChain, verdicts), ofHandshake(tlsCrl, verdicts), places]
}
