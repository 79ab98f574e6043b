import type { X509Certificate } from 'node:crypto'
import { guard } from '../../shared/guard.ts'

/** Where a token is about to be sent. */
export interface DialContext {
  readonly endpoint: URL
  /** Why the server's chain does not end at the anchor of the peer's trust domain, where that is known already. */
  readonly chainProblem?: string
  /** The server's leaf, once the chain was verified. */
  readonly certificate?: X509Certificate
}

/**
 * Judges three times: the endpoint before a connection is made, the chain, and the name. All before the first byte of the request,
 * so that a token only ever reaches the peer. The name is a DNS SAN, never the common name (RFC 9525 section 6.3).
 */
export const dialTarget = guard<DialContext>(
  'dial.target',
  ['endpoint_plaintext', 'server_untrusted', 'server_name_mismatch'],
  ({ endpoint, chainProblem, certificate }) => {
    if (endpoint.protocol !== 'wss:') return { reason: 'endpoint_plaintext', status: null }
    if (chainProblem !== undefined) return { reason: 'server_untrusted', status: null }
    if (certificate === undefined) return undefined
    const named = certificate.checkHost(endpoint.hostname, { subject: 'never', wildcards: false })
    return named === undefined ? { reason: 'server_name_mismatch', status: null } : undefined
  },
)
