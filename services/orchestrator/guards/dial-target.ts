import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
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
 * so that a token only ever reaches the peer. The name is a DNS SAN, never the common name (RFC 9525 section 6.3), and an address is an
 * address SAN, never a DNS name that reads like one (section 6.6).
 */
export const dialTarget = guard<DialContext>(
  'dial.target',
  ['endpoint_plaintext', 'server_untrusted', 'server_name_mismatch'],
  ({ endpoint, chainProblem, certificate }) => {
    if (endpoint.protocol !== 'wss:') return { reason: 'endpoint_plaintext', status: null }
    if (chainProblem !== undefined) return { reason: 'server_untrusted', status: null }
    if (certificate === undefined) return undefined
    return isNamed(certificate, addressOrName(endpoint)) ? undefined : { reason: 'server_name_mismatch', status: null }
  },
)

/** The host of an endpoint; an IPv6 address without its brackets. */
export function addressOrName({ hostname }: URL): string {
  return hostname.replace(/^\[(.+)\]$/, '$1')
}

function isNamed(certificate: X509Certificate, host: string): boolean {
  if (isIP(host) > 0) return certificate.checkIP(host) !== undefined
  return certificate.checkHost(host, { subject: 'never', wildcards: false }) !== undefined
}
