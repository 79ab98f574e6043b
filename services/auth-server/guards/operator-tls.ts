import { guard } from '../../shared/guard.ts'
import type { TlsConnection } from '../../shared/tls-listener.ts'

/** The operator listener lets nobody speak who has no certificate of the own trust domain. */
export const operatorTls = guard<TlsConnection>(
  'operator.tls',
  ['cert_missing', 'cert_untrusted', 'cert_expired', 'cert_not_yet_valid', 'cert_eku_invalid', 'cert_weak'],
  ({ certificate }) => {
    if (certificate === undefined) return { reason: 'cert_missing', status: null }
    if (certificate.problem !== undefined) return { reason: certificate.problem, status: null }
    return certificate.domain === undefined ? { reason: 'cert_untrusted', status: null } : undefined
  },
)
