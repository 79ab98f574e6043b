import { type Guard, guard } from '../../shared/guard.ts'
import { refused } from '../wire/errors.ts'
import { type GrantStatus, statusAt } from './grant.ts'
import { grantCertificate, type RegisteredLeaf } from './leaf.ts'
import type { InboundPeerStatus } from './peers.ts'

/** What the database says, at this request, of the grant that a proven certificate names. Nothing of it is kept for another request. */
export interface GrantFacts {
  readonly id: string
  readonly tenantId: string
  readonly subjectUserId: string
  readonly status: GrantStatus
  readonly expiresAt: Date | null
  readonly peer: {
    readonly commonName: string
    readonly direction: 'inbound' | 'outbound'
    readonly status: InboundPeerStatus
  }
  /** Undefined where there is no such user. */
  readonly subject:
    | { readonly tenantId: string; readonly disabledAt: Date | null; readonly deletedAt: Date | null }
    | undefined
}

export interface Admission {
  /** Read from the certificate of this connection, after its guards. */
  readonly presented: {
    readonly grantId: string
    readonly subjectUserId: string
    readonly commonName: string
    readonly x5t: string
  }
  /** Undefined: there is no such grant. */
  readonly grant: GrantFacts | undefined
  /** What is registered under the serial number of the certificate. */
  readonly registered: RegisteredLeaf | undefined
  readonly overlapSeconds: number
  /** Milliseconds since 1970. */
  readonly now: number
}

// One answer for all of them, so that nobody learns which grants there are.
const forbidden = (reason: string) => refused('forbidden', reason)

export const grantKnown = guard<Admission>('grant.known', ['grant_unknown'], ({ grant }) =>
  grant === undefined ? forbidden('grant_unknown') : undefined,
)

export const grantStatus = guard<Admission>(
  'grant.status',
  ['grant_pending', 'grant_revoked', 'grant_expired'],
  ({ grant, now }) => {
    const status = grant && statusAt(grant, now)
    return status === undefined || status === 'active' ? undefined : forbidden(`grant_${status}`)
  },
)

export const grantSubject = guard<Admission>('grant.subject', ['subject_mismatch'], ({ grant, presented }) =>
  grant !== undefined && grant.subjectUserId !== presented.subjectUserId ? forbidden('subject_mismatch') : undefined,
)

export const grantPeer = guard<Admission>(
  'grant.peer',
  ['peer_inactive', 'peer_name_mismatch'],
  ({ grant, presented }) => {
    if (grant === undefined) return undefined
    const { commonName, direction, status } = grant.peer
    if (direction !== 'inbound' || status !== 'active') return forbidden('peer_inactive')
    return commonName === presented.commonName ? undefined : forbidden('peer_name_mismatch')
  },
)

export const grantUser = guard<Admission>(
  'grant.user',
  ['subject_missing', 'subject_disabled', 'subject_other_tenant'],
  ({ grant }) => {
    if (grant === undefined) return undefined
    const { subject, tenantId } = grant
    if (subject === undefined || subject.deletedAt !== null) return forbidden('subject_missing')
    if (subject.disabledAt !== null) return forbidden('subject_disabled')
    return subject.tenantId === tenantId ? undefined : forbidden('subject_other_tenant')
  },
)

/** Whether a proven caller may ask at all, in the order of evaluation. */
export const ADMISSION_GUARDS: readonly Guard<Admission>[] = [
  grantKnown,
  grantStatus,
  grantSubject,
  grantPeer,
  grantCertificate,
  grantUser,
]
