import { guard } from './guard.ts'

/** What came over a connection that is no TLS handshake, or no HTTP request, that this service speaks. */
export interface Unreadable {
  /** As Node tells it: `ERR_SSL_UNSUPPORTED_PROTOCOL`, `HPE_INVALID_TRANSFER_ENCODING`, … */
  readonly failure: NodeJS.ErrnoException
}

/** An alert is the caller's own verdict, and a reset its leaving: neither is a refusal of ours. */
const ENDED_BY_CALLER = /_ALERT_|^ECONNRESET$|^EPIPE$/

/** Plain text, a version or a cipher suite that is spoken no more (RFC 9325 section 3.1), a signature that is not of the key. */
export const tlsHandshake = guard<Unreadable>('tls.handshake', ['handshake_failed'], ({ failure }) =>
  ENDED_BY_CALLER.test(failure.code ?? '') ? undefined : { reason: 'handshake_failed', status: null },
)

/** Where a request ends must be beyond doubt (RFC 9112 section 6.3): else what follows could be taken for another one. */
export const httpForm = guard<Unreadable>('http.form', ['request_unreadable'], ({ failure }) => ({
  reason: 'request_unreadable',
  status: failure.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400,
}))
