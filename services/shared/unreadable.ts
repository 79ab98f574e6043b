import type { IncomingMessage } from 'node:http'
import { guard } from './guard.ts'

/** What came over a connection that is no TLS handshake, or no HTTP request, that this service speaks: as Node tells it (`ERR_SSL_…`, `HPE_…`). */
export interface Unreadable {
  readonly failure: NodeJS.ErrnoException
}

/** A request whose head was read, and that may have no clear end. */
export interface Unbounded {
  readonly request: Pick<IncomingMessage, 'headers'>
  readonly isUpgrade: boolean
  readonly failure?: undefined
}

/** An alert is the caller's own verdict, and a reset its leaving: neither is a refusal of ours. */
const ENDED_BY_CALLER = /_ALERT_|^ECONNRESET$|^EPIPE$/

/** Plain text, a version or a cipher suite that is spoken no more (RFC 9325 section 3.1), a signature that is not of the key. */
export const tlsHandshake = guard<Unreadable>('tls.handshake', ['handshake_failed'], ({ failure }) =>
  ENDED_BY_CALLER.test(failure.code ?? '') ? undefined : { reason: 'handshake_failed', status: null },
)

/** Where a request ends must be beyond doubt (RFC 9112 section 6.3): else what follows could be taken for another one. */
export const httpForm = guard<Unreadable | Unbounded>('http.form', ['request_unreadable'], (context) => {
  if ('request' in context && !mayBeUnbounded(context)) return undefined
  const isLong = context.failure?.code === 'HPE_HEADER_OVERFLOW'
  return { reason: 'request_unreadable', status: isLong ? 431 : 400 }
})

/** Chunks that are not the last encoding leave the end open. What follows an upgrade is another protocol's, so it has no body. */
export function mayBeUnbounded({ request, isUpgrade }: Unbounded): boolean {
  const { 'transfer-encoding': encoding, 'content-length': length = '0' } = request.headers
  if (isUpgrade) return encoding !== undefined || length !== '0'
  // Node calls the handler before its parser objects to an encoding that it does not know.
  return encoding !== undefined && encoding.toLowerCase() !== 'chunked'
}
