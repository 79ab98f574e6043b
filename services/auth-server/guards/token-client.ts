import { guard, type Refusal } from '../../shared/guard.ts'
import type { PeerCertificate } from '../../shared/tls-listener.ts'
import type { Client } from '../model.ts'

/** What a caller offers to be taken for a client (RFC 8705 section 2). */
export interface ClientAttempt {
  certificate: PeerCertificate | undefined
  /** The registered client of the `client_id` that it names. */
  client: Client | undefined
  /** A secret, an assertion or an `Authorization` header: no client of this server has such a thing. */
  offersOtherMethod: boolean
}

const refused = (reason: string): Refusal => ({ reason, status: 401, error: 'invalid_client' })

export const tokenClient = guard<ClientAttempt>(
  'token.client',
  [
    'cert_missing',
    'client_unknown',
    'method_not_allowed',
    'anchor_mismatch',
    'cert_expired',
    'cert_not_yet_valid',
    'san_mismatch',
    'pin_mismatch',
  ],
  ({ certificate, client, offersOtherMethod }) => {
    if (certificate === undefined) return refused('cert_missing')
    if (client === undefined) return refused('client_unknown')
    if (offersOtherMethod) return refused('method_not_allowed')
    if (client.method === 'self_signed_tls_client_auth') {
      if (!client.pins.some((pin) => pin.x5t === certificate.x5t)) return refused('pin_mismatch')
      // No chain is looked at, so nobody else has looked at its time either.
      if (certificate.notBefore.getTime() > Date.now()) return refused('cert_not_yet_valid')
      return certificate.notAfter.getTime() <= Date.now() ? refused('cert_expired') : undefined
    }
    if (certificate.problem === 'cert_expired' || certificate.problem === 'cert_not_yet_valid') {
      return refused(certificate.problem)
    }
    if (certificate.domain !== client.trustDomain) return refused('anchor_mismatch')
    return certificate.sans.some((san) => san === client.sanDns) ? undefined : refused('san_mismatch')
  },
)
