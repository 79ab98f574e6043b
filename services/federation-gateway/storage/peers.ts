import { X509Certificate } from 'node:crypto'
import { thumbprint } from '../../shared/peer-certificate.ts'
import { instantIn } from '../scope/tables.ts'
import type { LeafStatus } from '../states/leaf.ts'
import type { OutboundPeerStatus } from '../states/peers.ts'
import type { Instant } from '../wire/instant.ts'
import { one, type Session } from './database.ts'
import type { PeerPlace } from './inbound-peers.ts'
import type { Slot } from './peer-keys.ts'

/** What is public of a certificate. Of one that we gave, `state` is its status, of one that we hold, its slot. */
export interface PeerCertificate {
  readonly x5t: string
  readonly serial: string
  readonly state: LeafStatus | Exclude<Slot, 'pending'>
  readonly notAfter: Date
  /** Of those that we gave. */
  readonly grantId: string | null
}

/** A peer of either direction, as administrators see it. What only those that are called have is null for others. */
export interface Peer {
  readonly id: string
  readonly direction: 'inbound' | 'outbound'
  readonly commonName: string
  readonly state: OutboundPeerStatus
  readonly stateReason: string | null
  readonly createdAt: Instant
  readonly ownerUserId: string | null
  readonly federationUrl: string | null
  readonly remoteGrantId: string | null
  readonly remoteSubjectUserId: string | null
  readonly lastSuccessAt: Date | null
  readonly lastFailureAt: Date | null
  readonly lastFailureReason: string | null
  /** In use, the newest first: those that are good for a call, or were for the last one. */
  readonly certificates: readonly PeerCertificate[]
}

const MEMBERS = `
  p.id, p.direction, p.common_name AS "commonName", p.state, p.state_reason AS "stateReason",
  ${instantIn('p.created_at')} AS "createdAt",
  p.owner_user_id AS "ownerUserId", p.federation_url AS "federationUrl", p.remote_grant_id AS "remoteGrantId",
  p.remote_subject_user_id AS "remoteSubjectUserId", p.last_success_at AS "lastSuccessAt",
  p.last_failure_at AS "lastFailureAt", p.last_failure_reason AS "lastFailureReason",
  coalesce((
    SELECT json_agg(json_build_object('serial', c.serial, 'state', c.status, 'notAfter', c.not_after, 'x5t', c.x5t,
      'grantId', c.grant_id) ORDER BY c.issued_at DESC, c.serial)
    FROM federation_certificates c WHERE c.tenant_id = p.tenant_id AND c.peer_id = p.id
      AND c.status IN ('issued', 'active', 'superseded') AND c.not_after > now()), '[]') AS given,
  coalesce((
    SELECT json_agg(json_build_object('serial', k.serial, 'state', k.slot, 'notAfter', k.not_after, 'certPem', k.cert_pem)
      ORDER BY k.created_at DESC, k.id)
    FROM federation_peer_credentials k WHERE k.tenant_id = p.tenant_id AND k.peer_id = p.id
      AND k.slot <> 'pending'), '[]') AS held`

interface Row extends Omit<Peer, 'certificates'> {
  readonly given: { serial: string; state: LeafStatus; notAfter: string; x5t: string; grantId: string }[]
  readonly held: { serial: string; state: 'current' | 'previous'; notAfter: string; certPem: string }[]
}

function peerOf({ given, held, ...row }: Row): Peer {
  const certificates: PeerCertificate[] = [
    ...given.map((one) => ({ ...one, notAfter: new Date(one.notAfter) })),
    ...held.map(({ certPem, notAfter, ...one }) => ({
      ...one,
      ...{ x5t: thumbprint(new X509Certificate(certPem)), notAfter: new Date(notAfter), grantId: null },
    })),
  ]
  return { ...row, certificates }
}

export async function getPeer(session: Session, { tenantId, id }: PeerPlace): Promise<Peer | undefined> {
  const row = await one<Row>(session, {
    text: `SELECT ${MEMBERS} FROM federation_peers p WHERE p.tenant_id = $1::uuid AND p.id = $2::uuid`,
    values: [tenantId, id],
  })
  return row && peerOf(row)
}

export interface PeerQuery {
  readonly tenantId: string
  readonly limit: number
  readonly below?: { readonly createdAt: Instant; readonly id: string }
}

/** Newest first. */
export async function listPeers(session: Session, { tenantId, limit, below }: PeerQuery): Promise<Peer[]> {
  const rows = await session.query<Row>({
    text: `SELECT ${MEMBERS} FROM federation_peers p
      WHERE p.tenant_id = $1::uuid AND ($2::timestamptz IS NULL OR (p.created_at, p.id) < ($2::timestamptz, $3::uuid))
      ORDER BY p.created_at DESC, p.id DESC LIMIT $4::int`,
    values: [tenantId, below?.createdAt ?? null, below?.id ?? null, limit],
  })
  return rows.map(peerOf)
}
