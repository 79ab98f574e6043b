import { type OutboundPeerEvent, type OutboundPeerStatus, outboundPeerAfter } from '../states/peers.ts'
import { type Database, one, type Session } from './database.ts'
import type { PeerPlace } from './inbound-peers.ts'
import { sql } from './statement.ts'
import { brokenUniqueness } from './unavailable.ts'

/** A peer that is called for its owner, and for nobody else. */
export interface OutboundPeer {
  readonly id: string
  readonly ownerUserId: string
  readonly commonName: string
  readonly state: OutboundPeerStatus
  readonly stateReason: string | null
  readonly enrollmentUrl: string | null
  readonly federationUrl: string | null
  readonly caPem: string | null
  readonly remoteGrantId: string | null
  readonly remoteSubjectUserId: string | null
  readonly lastSuccessAt: Date | null
  readonly lastFailureAt: Date | null
  readonly lastFailureReason: string | null
}

const MEMBERS = `
  id, owner_user_id AS "ownerUserId", common_name AS "commonName", state, state_reason AS "stateReason",
  enrollment_url AS "enrollmentUrl", federation_url AS "federationUrl", ca_pem AS "caPem",
  remote_grant_id AS "remoteGrantId", remote_subject_user_id AS "remoteSubjectUserId",
  last_success_at AS "lastSuccessAt", last_failure_at AS "lastFailureAt", last_failure_reason AS "lastFailureReason"`

export interface NewOutboundPeer {
  readonly tenantId: string
  readonly ownerUserId: string
  readonly commonName: string
  /** Without the token: that is no business of a database. */
  readonly enrollmentUrl: string
  readonly caPem: string | null
}

/** Pending; undefined where this owner has one of the name that is pending or can be called. */
export async function addOutboundPeer(session: Session, peer: NewOutboundPeer): Promise<OutboundPeer | undefined> {
  const { tenantId, ownerUserId, commonName, enrollmentUrl, caPem } = peer
  try {
    return await one(session, {
      text: `INSERT INTO federation_peers
          (id, tenant_id, direction, owner_user_id, common_name, enrollment_url, ca_pem)
        VALUES ($1::uuid, $2::uuid, 'outbound', $3::uuid, $4, $5, $6) RETURNING ${MEMBERS}`,
      values: [crypto.randomUUID(), tenantId, ownerUserId, commonName, enrollmentUrl, caPem],
    })
  } catch (failure) {
    if (brokenUniqueness(failure) === 'federation_peers_outbound') return undefined
    throw failure
  }
}

export function getOutboundPeer(session: Session, { tenantId, id }: PeerPlace): Promise<OutboundPeer | undefined> {
  return one(session, {
    text: `SELECT ${MEMBERS} FROM federation_peers
      WHERE tenant_id = $1::uuid AND id = $2::uuid AND direction = 'outbound'`,
    values: [tenantId, id],
  })
}

/** Those of one owner, by name; of one name, the one that can be called first, then the newest. */
export function outboundPeersOf(
  session: Session,
  { tenantId, ownerUserId, commonName }: { tenantId: string; ownerUserId: string; commonName?: string },
): Promise<OutboundPeer[]> {
  return session.query({
    text: `SELECT ${MEMBERS} FROM federation_peers
      WHERE tenant_id = $1::uuid AND direction = 'outbound' AND owner_user_id = $2::uuid
        AND ($3::text IS NULL OR common_name = $3)
      ORDER BY common_name, state NOT IN ('pending', 'active', 'degraded'), created_at DESC, id DESC`,
    values: [tenantId, ownerUserId, commonName ?? null],
  })
}

/** A peer with what is needed to call it. */
export interface CallablePeer extends OutboundPeer {
  readonly tenantId: string
  /** Which key is the current one: another process may have renewed it. */
  readonly currentKeyId: string | null
}

const TO_CALL = `${MEMBERS}, tenant_id AS "tenantId", (
  SELECT c.id FROM federation_peer_credentials c WHERE c.peer_id = federation_peers.id AND c.slot = 'current')
  AS "currentKeyId"`

/** Of one owner, by name, each name once: the one that can be called, else the newest. */
export function peersToAsk(
  session: Session,
  { tenantId, ownerUserId, commonName }: { tenantId: string; ownerUserId: string; commonName?: string },
): Promise<CallablePeer[]> {
  return session.query({
    text: `SELECT DISTINCT ON (common_name) ${TO_CALL} FROM federation_peers
      WHERE tenant_id = $1::uuid AND direction = 'outbound' AND owner_user_id = $2::uuid
        AND ($3::text IS NULL OR common_name = $3)
      ORDER BY common_name, state NOT IN ('pending', 'active', 'degraded'), created_at DESC, id DESC`,
    values: [tenantId, ownerUserId, commonName ?? null],
  })
}

/** Over all tenants: those that can be called; or the one of this id, whatever its state. */
export function callablePeers(session: Session, { id }: { id?: string } = {}): Promise<CallablePeer[]> {
  return session.query({
    text: `SELECT ${TO_CALL} FROM federation_peers
      WHERE direction = 'outbound' AND CASE WHEN $1::uuid IS NULL THEN state IN ('active', 'degraded') ELSE id = $1 END`,
    values: [id ?? null],
  })
}

/** What a certificate of an enrolment tells of the lender. */
export interface EnrolledAt {
  readonly federationUrl: string
  readonly remoteGrantId: string
  readonly remoteSubjectUserId: string
}

export type Moved =
  | { readonly state: OutboundPeerStatus; readonly changed: boolean }
  | { readonly state: undefined; readonly why: 'absent' | 'peer_state' | 'peer_exists' }

/** Takes a peer where an event leads, and nowhere else. */
export async function moveOutboundPeer(
  database: Database,
  place: PeerPlace & { readonly event: OutboundPeerEvent; readonly reason?: string; readonly enrolledAt?: EnrolledAt },
): Promise<Moved> {
  try {
    return await database.transaction((session) => moveLocked(session, place))
  } catch (failure) {
    if (brokenUniqueness(failure) === 'federation_peers_outbound') return { state: undefined, why: 'peer_exists' }
    throw failure
  }
}

/** The same within a transaction that does more. */
export async function moveLocked(session: Session, place: Parameters<typeof moveOutboundPeer>[1]): Promise<Moved> {
  const { tenantId, id, event, reason = null, enrolledAt } = place
  const found = await one<{ state: OutboundPeerStatus }>(
    session,
    sql`SELECT state FROM federation_peers
      WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid AND direction = 'outbound' FOR NO KEY UPDATE`,
  )
  if (found === undefined) return { state: undefined, why: 'absent' }
  const state = outboundPeerAfter(found.state, event)
  if (state === undefined) return { state: undefined, why: 'peer_state' }
  await session.query(sql`
    UPDATE federation_peers SET state = ${state}::peer_state, state_reason = ${reason},
      changed_at = CASE WHEN state = ${state}::peer_state THEN changed_at ELSE now() END,
      federation_url = coalesce(${enrolledAt?.federationUrl ?? null}, federation_url),
      remote_grant_id = coalesce(${enrolledAt?.remoteGrantId ?? null}::uuid, remote_grant_id),
      remote_subject_user_id = coalesce(${enrolledAt?.remoteSubjectUserId ?? null}::uuid, remote_subject_user_id)
    WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid`)
  return { state, changed: state !== found.state }
}

/** How the last call went. `failure`: its reason. */
export async function noteContact(
  session: Session,
  { tenantId, id, failure }: PeerPlace & { readonly failure?: string },
): Promise<void> {
  await session.query(
    failure === undefined
      ? sql`UPDATE federation_peers SET last_success_at = now()
          WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid`
      : sql`UPDATE federation_peers SET last_failure_at = now(), last_failure_reason = ${failure}
          WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid`,
  )
}

/** With its keys. False: there is none of this tenant. */
export async function removeOutboundPeer(session: Session, { tenantId, id }: PeerPlace): Promise<boolean> {
  const removed = await session.query(sql`
    DELETE FROM federation_peers
    WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid AND direction = 'outbound' RETURNING id`)
  return removed.length > 0
}
