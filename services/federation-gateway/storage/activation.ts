import type { Purpose } from '../enrolment/token.ts'
import { type AuditRow, insertAudit } from './audit/rows.ts'
import { type GrantOfPeer, type IssuedLeaf, insertLeaf, isKnownLeaf } from './certificates.ts'
import { type Database, type Session, undo } from './database.ts'
import { enrolLockedPeer, lockInboundPeer } from './inbound-peers.ts'
import { closeRegistered, failIssuance } from './issuance.ts'
import { queueUnregistered, revokeLeaves } from './revocation.ts'
import { sql } from './statement.ts'
import { brokenUniqueness } from './unavailable.ts'

export interface Activation extends GrantOfPeer {
  readonly issuanceId: string
  readonly purpose: Purpose
  readonly leaf: IssuedLeaf
  /** The row that tells of it, in the same transaction. */
  readonly audit: AuditRow
}

/** `lost_race`: grant or peer are not any more what they were. `known_leaf`: its key or serial number is another one's. */
export type Activated = 'active' | 'lost_race' | 'known_leaf'

/**
 * One transaction: peer, grant, certificate, journal and audit, or nothing of it. What was issued for nothing is queued for revocation.
 */
export async function activate(database: Database, activation: Activation): Promise<Activated> {
  const outcome = await database
    .transaction<Activated>(async (session) =>
      (await tryActivate(session, activation)) ? 'active' : undo('lost_race'),
    )
    .catch((failure: unknown): Activated => {
      if (isKnownLeaf(brokenUniqueness(failure))) return 'known_leaf'
      throw failure
    })
  if (outcome !== 'active') {
    const reason = outcome === 'lost_race' ? 'activation_lost_race' : 'csr_key_reused'
    await giveUp(database, { ...activation, serial: activation.leaf.serial, reason })
  }
  return outcome
}

async function tryActivate(session: Session, activation: Activation): Promise<boolean> {
  const { tenantId, grantId, peerId, issuanceId, purpose, leaf, audit } = activation
  const peer = await lockInboundPeer(session, { tenantId, id: peerId })
  if (peer === undefined) return false
  if (!(await enrolLockedPeer(session, { tenantId, id: peerId }, peer.state))) return false
  const isGranted = purpose === 'enrolment' ? activateGrant : holdActiveGrant
  if (!(await isGranted(session, activation))) return false
  // A new beginning: whoever had the earlier certificates has them no more, without an overlap.
  if (purpose === 're-enrolment') await revokeLeaves(session, { tenantId, grantIds: [grantId], reason: 're-enrolled' })
  await insertLeaf(session, activation, leaf)
  if (!(await closeRegistered(session, { tenantId, id: issuanceId, serial: leaf.serial }))) return false
  await insertAudit(session, [audit])
  return true
}

async function activateGrant(session: Session, { tenantId, grantId, peerId }: GrantOfPeer): Promise<boolean> {
  const changed = await session.query(sql`
    UPDATE federation_grants SET status = 'active', activated_at = now()
    WHERE tenant_id = ${tenantId}::uuid AND id = ${grantId}::uuid AND peer_id = ${peerId}::uuid AND status = 'pending'
      AND (expires_at IS NULL OR expires_at > now()) RETURNING id`)
  return changed.length > 0
}

/** Holds the grant to the end of the transaction. */
export async function holdActiveGrant(session: Session, { tenantId, grantId, peerId }: GrantOfPeer): Promise<boolean> {
  const held = await session.query(sql`
    SELECT FROM federation_grants
    WHERE tenant_id = ${tenantId}::uuid AND id = ${grantId}::uuid AND peer_id = ${peerId}::uuid AND status = 'active'
      AND (expires_at IS NULL OR expires_at > now()) FOR NO KEY UPDATE`)
  return held.length > 0
}

/** A certificate was issued, or may have been, and is not taken. `serial`: of the one that was. */
export async function giveUp(
  database: Database,
  given: { tenantId: string; grantId: string; issuanceId: string; serial?: string; reason: string },
): Promise<void> {
  const { tenantId, grantId, issuanceId, serial, reason } = given
  await database.transaction(async (session) => {
    await failIssuance(session, { tenantId, id: issuanceId, reason, ...(serial !== undefined && { serial }) })
    if (serial !== undefined) await queueUnregistered(session, { tenantId, grantId, serial, reason })
  })
}
