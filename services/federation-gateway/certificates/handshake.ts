import { guard } from '../../shared/guard.ts'

/** A handshake on the federation listener that ends in nothing, as Node tells it. */
export interface HandshakeFailure {
  /** `code` of the failure itself. */
  readonly code?: string
  /** `authorizationError` of the socket: OpenSSL's verdict on the certificate. */
  readonly authorizationError?: string | Error | null
  /** Until the certificate begins, in milliseconds: 0 or less once it has. */
  readonly beginsInMs?: number
}

const OF_CHAIN: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'cert_expired',
  CERT_NOT_YET_VALID: 'cert_not_yet_valid',
  INVALID_PURPOSE: 'cert_eku_invalid',
}
const OF_CRL: Readonly<Record<string, string>> = {
  CERT_REVOKED: 'cert_revoked',
  CRL_HAS_EXPIRED: 'crl_stale',
  UNABLE_TO_GET_CRL: 'crl_missing',
  CRL_SIGNATURE_FAILURE: 'crl_untrusted',
}
/** What Node says where it demands one and there is none. */
export const NO_CERTIFICATE = 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'

/** RFC 5280 section 6.1. Every verdict that is neither named here nor about a list of revoked certificates means that no path leads to the anchor. */
export const tlsChain = guard<HandshakeFailure>(
  'tls.chain',
  ['cert_missing', 'cert_untrusted', 'cert_expired', 'cert_not_yet_valid', 'cert_eku_invalid'],
  (failure) => {
    if (failure.code === NO_CERTIFICATE) return { reason: 'cert_missing', status: null }
    const verdict = verdictOf(failure)
    if (verdict === undefined || Object.hasOwn(OF_CRL, verdict)) return undefined
    const reason = named(OF_CHAIN, verdict) ?? 'cert_untrusted'
    return { reason, status: null, ...(reason === 'cert_not_yet_valid' && skewIn(failure)) }
  },
)

/** RFC 5280 section 6.3. */
export const tlsCrl = guard<HandshakeFailure>('tls.crl', Object.values(OF_CRL), (failure) => {
  const reason = named(OF_CRL, verdictOf(failure) ?? '')
  return reason === undefined ? undefined : { reason, status: null }
})

/** Of the leaf: a CA above it may be what has not begun. */
function skewIn({ beginsInMs = 0 }: HandshakeFailure): { skewSeconds?: number } {
  return beginsInMs > 0 ? { skewSeconds: Math.ceil(beginsInMs / 1_000) } : {}
}

function verdictOf({ authorizationError: verdict }: HandshakeFailure): string | undefined {
  if (verdict === undefined || verdict === null || verdict === '') return undefined
  return typeof verdict === 'string' ? verdict : String((verdict as NodeJS.ErrnoException).code ?? verdict.message)
}

function named(reasons: Readonly<Record<string, string>>, verdict: string): string | undefined {
  return Object.hasOwn(reasons, verdict) ? reasons[verdict] : undefined
}
