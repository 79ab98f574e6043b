import type { IncomingMessage } from 'node:http'
import type { Refusal } from './guard.ts'

/** Reason codes of `hostRefusal`. */
export const HOST_REASONS = ['host_missing', 'host_mismatch', 'host_repeated'] as const

/**
 * Whether a request was meant for this server (RFC 9110 section 7.4): 421 unless its `Host` is one of `names` (lower case), alone or
 * with the port at which it came in. No `Host` line, or two of them, are 400 (RFC 9112 section 3.2): Node keeps the first and says
 * nothing.
 */
export function hostRefusal(request: IncomingMessage, names: readonly string[]): Refusal | undefined {
  const lines = request.rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host')
  if (lines.length === 0) return { reason: 'host_missing', status: 400, error: 'invalid_request' }
  if (lines.length > 1) return { reason: 'host_repeated', status: 400, error: 'invalid_request' }
  const isOurs = (host: string | undefined): boolean =>
    host !== undefined && names.some((name) => host === name || host === `${name}:${request.socket.localPort}`)
  if (isOurs(request.headers.host?.toLowerCase()) && isOurs(targetHost(request) ?? names[0])) return undefined
  return { reason: 'host_mismatch', status: 421, error: 'misdirected_request' }
}

/** The host of a target in absolute form, which counts more than the `Host` line (RFC 9112 section 3.2.2). */
function targetHost({ url = '/' }: IncomingMessage): string | undefined {
  return url.startsWith('/') ? undefined : URL.parse(url)?.host
}
