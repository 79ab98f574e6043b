import { expect, test } from 'vitest'
import { INBOUND_STATUSES, inboundPeerAfter, isUsable, OUTBOUND_STATUSES, outboundPeerAfter } from './peers.ts'

const tableOf = <S extends string, E extends string>(
  statuses: readonly S[],
  events: readonly E[],
  after: (status: S, event: E) => S | undefined,
) => statuses.map((status) => [status, ...events.map((event) => after(status, event) ?? '-')].join(' '))

test('every status of an inbound peer with every event', () => {
  expect(tableOf(INBOUND_STATUSES, ['enrol', 'revoke'] as const, inboundPeerAfter)).toEqual([
    'pending active revoked',
    'active active revoked',
    'revoked - revoked',
  ])
})

test('every status of an outbound peer with every event', () => {
  const events = ['enrol', 'renewed', 'renewal-failed', 'leaf-ended', 'listed', 'key-lost'] as const
  expect(tableOf(OUTBOUND_STATUSES, events, outboundPeerAfter)).toEqual([
    'pending active - - - - broken',
    'active active active degraded expired revoked broken',
    'degraded active active degraded expired revoked broken',
    'expired active - - expired revoked broken',
    'revoked active - - revoked revoked -',
    'broken active - - broken revoked broken',
  ])
})

test('calls go out by a peer that is active or degraded', () => {
  expect(OUTBOUND_STATUSES.filter(isUsable)).toEqual(['active', 'degraded'])
})
