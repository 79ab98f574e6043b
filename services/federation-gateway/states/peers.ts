/** A peer that may call us. */
export const INBOUND_STATUSES = ['pending', 'active', 'revoked'] as const
export type InboundPeerStatus = (typeof INBOUND_STATUSES)[number]
/** `enrol`: a certificate was registered for one of its grants. */
export type InboundPeerEvent = 'enrol' | 'revoke'

const INBOUND: Readonly<Record<InboundPeerStatus, Readonly<Partial<Record<InboundPeerEvent, InboundPeerStatus>>>>> = {
  pending: { enrol: 'active', revoke: 'revoked' },
  // One peer may have many grants, one for each subject.
  active: { enrol: 'active', revoke: 'revoked' },
  revoked: { revoke: 'revoked' },
}

/** The status after an event; undefined where it is not allowed. */
export function inboundPeerAfter(status: InboundPeerStatus, event: InboundPeerEvent): InboundPeerStatus | undefined {
  return INBOUND[status][event]
}

/** A peer that we call. */
export const OUTBOUND_STATUSES = ['pending', 'active', 'degraded', 'expired', 'revoked', 'broken'] as const
export type OutboundPeerStatus = (typeof OUTBOUND_STATUSES)[number]

/**
 * `enrol`: a certificate of an enrolment was taken. `renewed`, `renewal-failed`: how a renewal ended. `leaf-ended`: its certificate ran out.
 * `listed`: its own serial number is in a valid list of revoked certificates. `key-lost`: its sealed key does not open.
 */
export type OutboundPeerEvent = 'enrol' | 'renewed' | 'renewal-failed' | 'leaf-ended' | 'listed' | 'key-lost'

const ENDED = { 'leaf-ended': 'expired', listed: 'revoked', 'key-lost': 'broken' } as const

const OUTBOUND: Readonly<Record<OutboundPeerStatus, Readonly<Partial<Record<OutboundPeerEvent, OutboundPeerStatus>>>>> =
  {
    pending: { enrol: 'active', 'key-lost': 'broken' },
    active: { enrol: 'active', renewed: 'active', 'renewal-failed': 'degraded', ...ENDED },
    degraded: { enrol: 'active', renewed: 'active', 'renewal-failed': 'degraded', ...ENDED },
    // Only a new enrolment leads back. A list of revoked certificates may still tell why nothing worked.
    expired: { enrol: 'active', listed: 'revoked', 'leaf-ended': 'expired', 'key-lost': 'broken' },
    revoked: { enrol: 'active', listed: 'revoked', 'leaf-ended': 'revoked' },
    broken: { enrol: 'active', 'key-lost': 'broken', 'leaf-ended': 'broken', listed: 'revoked' },
  }

/** The status after an event; undefined where it is not allowed. */
export function outboundPeerAfter(
  status: OutboundPeerStatus,
  event: OutboundPeerEvent,
): OutboundPeerStatus | undefined {
  return OUTBOUND[status][event]
}

/** Whether calls may go out by it. */
export function isUsable(status: OutboundPeerStatus): boolean {
  return status === 'active' || status === 'degraded'
}
