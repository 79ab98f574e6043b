import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { HoldfastError } from '../../errors.ts'
import { type Endpoint, patience } from '../endpoint.ts'
import type { Connected } from '../seat.ts'
import { beginHandshake } from './handshake.ts'

/** The server's certificate is not what the plan says, so nothing was sent: a mistake of the topology or of the test. */
export class ServerNotTrusted extends HoldfastError {
  constructor(endpoint: Endpoint, why: string) {
    super(
      'HOLDFAST_SERVER_UNTRUSTED',
      `${endpoint.host}:${endpoint.port}: its certificate does not lead to the anchor of its trust domain (${why}); nothing was sent`,
    )
  }
}

export class TargetUnreachable extends HoldfastError {
  constructor(endpoint: Endpoint, cause: unknown) {
    super(
      'HOLDFAST_TARGET_UNREACHABLE',
      `${endpoint.host}:${endpoint.port} (${endpoint.address}): no connection; is the unit running?`,
      { cause },
    )
  }
}

/**
 * Opens one TLS connection and verifies the server. In TLS 1.3 this resolves before the server has judged our certificate:
 * only an answer proves acceptance.
 */
export async function connect(endpoint: Endpoint): Promise<{ socket: TLSSocket; conn: string }> {
  const signal = AbortSignal.timeout(patience(endpoint))
  const connected = await connectPlain(endpoint, signal)
  return { socket: await secure(endpoint, connected, signal), conn: connected.conn }
}

/** The same to whoever may speak no TLS: then what is said is said in the clear. */
export async function reach(endpoint: Endpoint): Promise<{ socket: Duplex; conn: string }> {
  if (!endpoint.isPlain) return connect(endpoint)
  const { stream, conn } = await connectPlain(endpoint, AbortSignal.timeout(patience(endpoint)))
  // Set early and kept, as over TLS.
  stream.on('error', () => {})
  return { socket: stream, conn }
}

/** The handshake over a connection that is open: whatever is said in the clear before it was said. */
export async function secure(endpoint: Endpoint, { stream, conn }: Connected, signal: AbortSignal): Promise<TLSSocket> {
  const socket = beginHandshake(endpoint, stream)
  // Set early and kept: a connection that the far end cuts must end the call, never the process.
  socket.on('error', () => {})
  try {
    await once(socket, 'secureConnect', { signal })
  } catch (cause) {
    socket.destroy()
    if (socket.authorizationError) throw new ServerNotTrusted(endpoint, String(socket.authorizationError))
    throw new HandshakeFailed(conn, cause)
  }
  // RFC 8446 section 4.3.2, RFC 5246 section 7.4.4: a CertificateRequest names algorithms, and nothing else that a server sends does.
  endpoint.onSecure?.({ isCertificateAsked: socket.getSharedSigalgs().length > 0 })
  return socket
}

/** Opens a TCP connection from the seat of an endpoint; nothing is said over it. */
export async function connectPlain(endpoint: Endpoint, signal: AbortSignal): Promise<Connected> {
  try {
    return await endpoint.seat.connect(endpoint, signal)
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'ECONNREFUSED' || code === 'EHOSTUNREACH' || code === 'EADDRNOTAVAIL') {
      throw new TargetUnreachable(endpoint, cause)
    }
    throw new HandshakeFailed('', cause)
  }
}

/** The server ended the connection during the handshake. It becomes an answer without status. */
class HandshakeFailed extends Error {
  readonly conn: string
  constructor(conn: string, cause: unknown) {
    super('the TLS handshake failed', { cause })
    this.conn = conn
  }
}

/** Why there was no whole answer. */
export interface Failure {
  readonly code: string
  readonly message: string
}

/**
 * Tries something over a connection of its own; what is seen is filled in as it goes. That the far end ended it belongs to that, a mistake
 * of the topology or of the test is thrown.
 */
export async function tried<Seen extends { conn: string; failure?: Failure }>(
  seen: Seen,
  attempt: (seen: Seen) => Promise<void>,
): Promise<Seen & { ms: number }> {
  const began = performance.now()
  try {
    await attempt(seen)
  } catch (failure) {
    if (failure instanceof HoldfastError) throw failure
    if (failure instanceof HandshakeFailed) seen.conn = failure.conn
    seen.failure = describe(failure)
  }
  return { ...seen, ms: performance.now() - began }
}

export async function timedOut(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort')
  throw signal.reason
}

export function describe(failure: unknown): Failure {
  const cause = failure instanceof HandshakeFailed ? failure.cause : failure
  const error = cause instanceof Error ? cause : new Error(String(cause))
  // Our own bound: the far end did not end anything.
  if (error.name === 'TimeoutError' || error.name === 'AbortError')
    return { code: 'ETIMEDOUT', message: 'no answer came in time' }
  return { code: String((error as NodeJS.ErrnoException).code ?? error.name), message: error.message }
}
