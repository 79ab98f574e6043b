import type { PlannedCheck } from '../topology/verification.ts'

/**
 * What a listener that demands a client certificate checks before any byte of HTTP, in order. `anchors`: trust domains whose root it
 * trusts.
 */
export function tlsChecks(guard: string, anchors: readonly string[]): PlannedCheck[] {
  const ends = { guard, layer: 'tls', status: null, error: null } as const
  return [
    { check: 'certificate/presented', ...ends, reason: 'cert_missing' },
    { check: 'certificate/trusted', args: { anchors }, ...ends, reason: 'cert_untrusted' },
    { check: 'certificate/not-expired', ...ends, reason: 'cert_expired' },
  ]
}
