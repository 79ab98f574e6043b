import type { AdminAnswer, GrantAnswer, PeerAnswer } from '../../federation-gateway/wire/admin.ts'

// Answers of a gateway, each as it would be when nothing is special.

export const PEER_ID = 'd0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
export const GRANT_ID = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
export const USER_ID = 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
const AT = '2026-01-31T09:00:00.000Z'

export const certificate = { 'x5t#S256': 'x'.repeat(43), serial: 'ab0f', state: 'active', notAfter: AT } as const

export function aPeer(change: Partial<PeerAnswer> = {}): PeerAnswer {
  return {
    ...{ id: PEER_ID, direction: 'inbound', commonName: 'gateway-a.example', state: 'active', stateReason: null },
    ...{ createdAt: AT, ownerUserId: null, federationUrl: null, remoteGrantId: null, remoteSubjectUserId: null },
    ...{ lastSuccessAt: null, lastFailureAt: null, lastFailureReason: null, certificates: [certificate] },
    ...change,
  }
}

export function aGrant(change: Partial<GrantAnswer> = {}): GrantAnswer {
  return {
    ...{ id: GRANT_ID, peerId: PEER_ID, subjectUserId: USER_ID, status: 'pending', epoch: 1, rateLimit: 60 },
    scope: { resources: ['tasks'], excluded_resources: [], max_rows_per_query: 100, filters: {} },
    ...{ expiresAt: null, createdAt: AT, activatedAt: null, endedAt: null, endReason: null },
    ...{ certificateRevocation: 'none', effectiveScope: 'alice: own tasks; at most 100 rows', warnings: [] },
    certificates: [],
    ...change,
  }
}

export function aSummary(change: Partial<GrantAnswer> = {}): AdminAnswer<'grant:list'>['items'][number] {
  const { effectiveScope: _, warnings: _w, certificates: _c, ...members } = aGrant(change)
  return members
}

export const alice = { id: USER_ID, name: 'alice', displayName: 'Alice', isDisabled: false }
