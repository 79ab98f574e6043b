import type { CheckName, VerificationCheck } from '../topology/verification.ts'

/** What a listener that demands a client certificate checks before any byte of HTTP, in order. */
export function tlsChecks(guard: string): VerificationCheck[] {
  const atTls = (check: CheckName, reason: string): VerificationCheck => ({
    ...{ check, guard, reason },
    ...{ layer: 'tls', status: null, error: null },
  })
  return [
    atTls('certificate-presented', 'cert_missing'),
    atTls('certificate-trusted', 'cert_untrusted'),
    atTls('certificate-not-expired', 'cert_expired'),
  ]
}
