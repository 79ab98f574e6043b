import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { guard } from '../guard.ts'

/** The broker that somebody is about to log in at. */
export interface BrokerTargetContext {
  readonly server: URL
  /** Whether the broker offers TLS at all, once it has said so. */
  readonly offersTls?: boolean
  /** Why its chain does not end at our anchor, where that is known already. */
  readonly chainProblem?: string
  /** Its leaf, once the chain was verified. */
  readonly certificate?: X509Certificate
}

/**
 * Judges four times: what is configured, what the broker offers, its chain, and its name. All before the login is sent. The name is a DNS SAN,
 * never the common name (RFC 9525 section 6.3), and an address is an address SAN (section 6.6).
 */
export const brokerTarget = guard<BrokerTargetContext>(
  'broker.target',
  ['endpoint_plaintext', 'server_untrusted', 'server_name_mismatch'],
  ({ server, offersTls = true, chainProblem, certificate }) => {
    if (server.protocol !== 'tls:' || !offersTls) return { reason: 'endpoint_plaintext', status: null }
    if (chainProblem !== undefined) return { reason: 'server_untrusted', status: null }
    if (certificate === undefined) return undefined
    return isNamed(certificate, hostOf(server)) ? undefined : { reason: 'server_name_mismatch', status: null }
  },
)

/** An IPv6 address without its brackets. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.+)\]$/, '$1')
}

function isNamed(certificate: X509Certificate, host: string): boolean {
  if (isIP(host) > 0) return certificate.checkIP(host) !== undefined
  return certificate.checkHost(host, { subject: 'never', wildcards: false }) !== undefined
}
