import { type InboundPeerStatus, inboundPeerAfter } from '../states/peers.ts'
import { type Database, one, type Session } from './database.ts'
import { lockLiveGrants, revokeLeaves, revokeLocked } from './revocation.ts'
import { sql } from './statement.ts'
import { brokenUniqueness } from './unavailable.ts'

export interface InboundPeer {
  readonly id: string
  readonly commonName: string
  readonly state: InboundPeerStatus
}

export interface PeerPlace {
  readonly tenantId: string
  readonly id: string
}

/** A peer that may call once one of its grants is enrolled; undefined where the tenant has one of this name that is not revoked. */
export async function registerPeer(
  session: Session,
  { tenantId, commonName }: { tenantId: string; commonName: string },
): Promise<InboundPeer | undefined> {
  try {
    return await one(
      session,
      sql`
        INSERT INTO federation_peers (id, tenant_id, direction, common_name)
        VALUES (${crypto.randomUUID()}::uuid, ${tenantId}::uuid, 'inbound', ${commonName})
        RETURNING id, common_name AS "commonName", state`,
    )
  } catch (failure) {
    if (brokenUniqueness(failure) === 'federation_peers_inbound') return undefined
    throw failure
  }
}

export function getInboundPeer(session: Session, { tenantId, id }: PeerPlace): Promise<InboundPeer | undefined> {
  return one(
    session,
    sql`SELECT id, common_name AS "commonName", state FROM federation_peers
      WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid AND direction = 'inbound'`,
  )
}

/** Ends a peer and every grant of it, with all their certificates. Undefined: there is none of this tenant. */
export function revokeInboundPeer(
  database: Database,
  { tenantId, id, reason }: PeerPlace & { readonly reason: string },
): Promise<InboundPeer | undefined> {
  return database.transaction(async (session) => {
    const found = await lockInboundPeer(session, { tenantId, id })
    if (found === undefined) return undefined
    if (found.state !== 'revoked') {
      await setState(session, { tenantId, id }, inboundPeerAfter(found.state, 'revoke')!)
      const grantIds = await lockLiveGrants(session, { tenantId, peerId: id })
      await revokeLocked(session, { tenantId, grantIds, reason })
      // Of a grant that ran out, a certificate may still be good for a handshake.
      await revokeLeaves(session, { tenantId, grantIds: await grantsOf(session, { tenantId, id }), reason })
    }
    return { ...found, state: 'revoked' }
  })
}

/** Whoever changes a peer and its grants locks the peer first. */
export function lockInboundPeer(session: Session, { tenantId, id }: PeerPlace): Promise<InboundPeer | undefined> {
  return one(
    session,
    sql`SELECT id, common_name AS "commonName", state FROM federation_peers
      WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid AND direction = 'inbound' FOR NO KEY UPDATE`,
  )
}

/** A certificate was registered for one of its grants. False: it is not one that may be enrolled. */
export async function enrolLockedPeer(session: Session, place: PeerPlace, state: InboundPeerStatus): Promise<boolean> {
  const after = inboundPeerAfter(state, 'enrol')
  if (after !== undefined && after !== state) await setState(session, place, after)
  return after !== undefined
}

async function setState(session: Session, { tenantId, id }: PeerPlace, state: InboundPeerStatus): Promise<void> {
  await session.query(sql`
    UPDATE federation_peers SET state = ${state}::peer_state, changed_at = now()
    WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid`)
}

async function grantsOf(session: Session, { tenantId, id }: PeerPlace): Promise<string[]> {
  const rows = await session.query<{ id: string }>(
    sql`SELECT id FROM federation_grants WHERE tenant_id = ${tenantId}::uuid AND peer_id = ${id}::uuid ORDER BY id`,
  )
  return rows.map((row) => row.id)
}
