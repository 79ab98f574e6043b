import { guard } from '../../shared/guard.ts'
import type { TlsConnection } from '../../shared/tls-listener.ts'

/** The gate of both listeners: what the handshake proved is judged before any byte of HTTP is read. */
export const peerTls = guard<TlsConnection>(
  'peer.tls',
  ['cert_missing', 'cert_untrusted', 'cert_expired', 'cert_not_yet_valid', 'cert_eku_invalid', 'cert_weak'],
  ({ certificate }) => {
    if (certificate === undefined) return { reason: 'cert_missing', status: null }
    return certificate.problem === undefined ? undefined : { reason: certificate.problem, status: null }
  },
)
