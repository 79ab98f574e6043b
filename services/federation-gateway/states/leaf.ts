import { guard } from '../../shared/guard.ts'
import type { Serial } from '../serial.ts'
import { refused } from '../wire/errors.ts'

/** A certificate that was issued for a grant, as the lending gateway knows it. */
export const LEAF_STATUSES = ['issued', 'active', 'superseded', 'revoked', 'abandoned'] as const
export type LeafStatus = (typeof LEAF_STATUSES)[number]

/**
 * `accepted`: the first request with it was let in. `successor-accepted`: one with its successor was. `replaced`: another renewal
 * came before it was ever used. `revoke`: the grant or the peer was, or a re-enrolment has put an end to it.
 */
export type LeafEvent = 'accepted' | 'successor-accepted' | 'replaced' | 'revoke'

const AFTER: Readonly<Record<LeafStatus, Readonly<Partial<Record<LeafEvent, LeafStatus>>>>> = {
  issued: { accepted: 'active', replaced: 'abandoned', revoke: 'revoked' },
  active: { accepted: 'active', 'successor-accepted': 'superseded', revoke: 'revoked' },
  superseded: { accepted: 'superseded', 'successor-accepted': 'superseded', revoke: 'revoked' },
  revoked: { revoke: 'revoked' },
  // A certificate that nobody has used can be used by whoever has it.
  abandoned: { revoke: 'revoked' },
}

/** The status after an event; undefined where it is not allowed. */
export function leafAfter(status: LeafStatus, event: LeafEvent): LeafStatus | undefined {
  return AFTER[status][event]
}

/** Something that happens to one of the certificates of a grant, or to all of them. */
export type LeavesEvent = { readonly issued: Serial } | { readonly accepted: Serial } | 'revoke'

/**
 * The certificates of one grant after an event: those whose status changes, each with its new one. A new certificate replaces one that
 * was never used, and one that is used for the first time supersedes the one before it: so at most one is issued, and at most one active.
 */
export function changesOfLeaves(
  leaves: ReadonlyMap<Serial, LeafStatus>,
  event: LeavesEvent,
): ReadonlyMap<Serial, LeafStatus> {
  const changes = new Map<Serial, LeafStatus>()
  const apply = (what: LeafEvent, to: (serial: Serial, status: LeafStatus) => boolean): void => {
    for (const [serial, status] of leaves) {
      const after = to(serial, status) ? leafAfter(status, what) : undefined
      if (after !== undefined && after !== status) changes.set(serial, after)
    }
  }
  if (event === 'revoke') apply('revoke', () => true)
  else if ('issued' in event) {
    apply('replaced', (_, status) => status === 'issued')
    changes.set(event.issued, 'issued')
  } else if (leaves.get(event.accepted) === 'issued') {
    apply('successor-accepted', (_, status) => status === 'active')
    changes.set(event.accepted, 'active')
  }
  return changes
}

/** What is registered under a certificate that a caller has proven. */
export interface RegisteredLeaf {
  readonly grantId: string
  readonly x5t: string
  readonly status: LeafStatus
  /** When its successor was first accepted. */
  readonly supersededAt: Date | null
}

export interface PresentedLeaf {
  /** Looked up by serial number. */
  readonly registered: RegisteredLeaf | undefined
  readonly presented: { readonly grantId: string; readonly x5t: string }
  /** How long a superseded certificate is still good. */
  readonly overlapSeconds: number
  /** Milliseconds since 1970. */
  readonly now: number
}

/** The right CA's signature is worth nothing for a certificate that this gateway has not registered: others hold the provisioner's key, too. */
export const grantCertificate = guard<PresentedLeaf>(
  'grant.certificate',
  ['cert_unregistered', 'cert_other_grant', 'cert_superseded', 'cert_withdrawn'],
  ({ registered, presented, overlapSeconds, now }) => {
    if (registered?.x5t !== presented.x5t) return refused('forbidden', 'cert_unregistered')
    if (registered.grantId !== presented.grantId) return refused('forbidden', 'cert_other_grant')
    if (leafAfter(registered.status, 'accepted') === undefined) return refused('forbidden', 'cert_withdrawn')
    if (registered.status !== 'superseded') return undefined
    const end = (registered.supersededAt?.getTime() ?? 0) + overlapSeconds * 1000
    return now < end ? undefined : refused('forbidden', 'cert_superseded')
  },
)
