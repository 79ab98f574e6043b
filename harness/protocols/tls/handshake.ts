import { isIP } from 'node:net'
import { Duplex } from 'node:stream'
import tls, { type SecureContext, type TLSSocket } from 'node:tls'
import type { Identity } from '../../pki/certificate.ts'
import type { Endpoint } from '../endpoint.ts'

/** What a caller does otherwise in its TLS handshake than a client of today would. */
export interface Handshake {
  /** Only this version is offered. Default: 1.2 and 1.3. */
  readonly version?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'
  /** OpenSSL cipher list for the versions up to 1.2. */
  readonly ciphers?: string
  /** The name that is sent as SNI; null: none is sent. Default: the server's host. */
  readonly servername?: string | null
  /** Default: `http/1.1` alone. */
  readonly alpn?: readonly string[]
  /** Gives the bytes of the first flight, the ClientHello, as the TCP segments in which they are sent. */
  readonly firstFlight?: (bytes: Buffer) => readonly Uint8Array[]
}

/** Begins a handshake with the server of an endpoint, which is proven by anchor and name whatever is attacked. */
export function beginHandshake(endpoint: Omit<Endpoint, 'seat'>, transport: Duplex): TLSSocket {
  const { servername = endpoint.host, alpn, firstFlight } = endpoint.handshake ?? {}
  return tls.connect({
    socket: firstFlight === undefined ? transport : changingFirst(transport, firstFlight),
    // RFC 6066 section 3: an address is no name.
    servername: servername === null || isIP(servername) ? '' : servername,
    secureContext: contextOf(endpoint),
    // Said outright: left out, NODE_TLS_REJECT_UNAUTHORIZED would decide whether the server is proven.
    rejectUnauthorized: true,
    // The server must be who it is, whatever name the attack asks for.
    checkServerIdentity: (_, certificate) => tls.checkServerIdentity(endpoint.host, certificate),
    ALPNProtocols: [...(alpn ?? ['http/1.1'])],
  })
}

/** What is read and worked out once for all handshakes of an identity: half of the work of a call. It holds no session. */
const contexts = new WeakMap<Identity, Map<string, SecureContext>>()

function contextOf({
  anchorPem,
  identity,
  handshake: { version, ciphers = tls.DEFAULT_CIPHERS } = {},
}: Omit<Endpoint, 'seat'>) {
  const known = (identity && contexts.get(identity)) ?? new Map<string, SecureContext>()
  if (identity !== undefined) contexts.set(identity, known)
  const key = JSON.stringify([anchorPem, version, ciphers])
  const context =
    known.get(key) ??
    tls.createSecureContext({
      ca: anchorPem,
      cert: identity?.certPem,
      key: identity?.keyPem,
      // An attacker's own library does not stop a weak key; the strength of the channel is the server's to demand.
      ciphers: `${ciphers}:@SECLEVEL=0`,
      ...(version === undefined ? {} : { minVersion: version, maxVersion: version }),
    })
  known.set(key, context)
  return context
}

/** The same stream, but for the first bytes that are written to it. */
function changingFirst(transport: Duplex, change: (bytes: Buffer) => readonly Uint8Array[]): Duplex {
  let isFirst = true
  const changed = new Duplex({
    read: () => transport.resume(),
    write(chunk: Buffer, _, done) {
      const segments = isFirst ? change(chunk) : [chunk]
      isFirst = false
      writeApart(transport, segments).then(() => done(), done)
    },
    final: (done) => void transport.end(done),
    destroy(failure, done) {
      transport.destroy()
      done(failure)
    },
  })
  transport.on('data', (chunk) => changed.push(chunk) || transport.pause())
  transport.once('end', () => changed.push(null))
  transport.once('error', (failure) => changed.destroy(failure))
  transport.once('close', () => changed.destroy())
  return changed
}

/** Writes each segment when the one before has left, so that none of them travel together. */
export async function writeApart(
  socket: Duplex,
  segments: Iterable<string | Uint8Array> | AsyncIterable<string>,
): Promise<void> {
  for await (const segment of segments) {
    await new Promise<void>((resolve, reject) => {
      socket.write(segment, (failure) => (failure ? reject(failure) : setImmediate(resolve)))
    })
  }
}

const RECORD_HEADER = 5

/** Every byte of a TLS record in a record of its own: RFC 8446 section 5.1 allows to fragment handshake messages so. */
export function inTinyRecords(record: Buffer): readonly Uint8Array[] {
  const kindAndVersion = [...record.subarray(0, 3)]
  return [
    Buffer.concat([...record.subarray(RECORD_HEADER)].map((byte) => Buffer.from([...kindAndVersion, 0, 1, byte]))),
  ]
}

/** The same bytes in two TCP segments. */
export function inTwoSegments(bytes: Buffer): readonly Uint8Array[] {
  const middle = Math.floor(bytes.length / 2)
  return [bytes.subarray(0, middle), bytes.subarray(middle)]
}

/**
 * A ClientHello (RFC 5246 section 7.4.1.2) that offers other cipher suites: of two bytes each, as many as it had. For suites that no
 * library of today would send.
 */
export function offering(suites: readonly number[]): (record: Buffer) => readonly Uint8Array[] {
  return (record) => {
    const changed = Buffer.from(record)
    // Record header, type and length of the message, version, random; then the session id.
    const sessionAt = RECORD_HEADER + 4 + 2 + 32
    const suitesAt = sessionAt + 1 + changed.readUInt8(sessionAt)
    const count = changed.readUInt16BE(suitesAt) / 2
    for (let at = 0; at < count; at += 1) {
      changed.writeUInt16BE(suites[at % suites.length] as number, suitesAt + 2 + 2 * at)
    }
    return [changed]
  }
}
