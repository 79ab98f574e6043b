import type { LeafStatus } from '../states/leaf.ts'
import { type Asking, one, type Session } from './database.ts'
import { sql } from './statement.ts'

/** A certificate that was issued and has passed its check, as it is registered. */
export interface IssuedLeaf {
  readonly serial: string
  readonly x5t: string
  /** RFC 7638 thumbprint of its public key. */
  readonly spkiSha256: string
  /** SHA-256 of the request it came by. */
  readonly csrSha256: string
  readonly certPem: string
  readonly chainPem: string
  readonly notAfter: Date
}

export interface GrantOfPeer {
  readonly tenantId: string
  readonly grantId: string
  readonly peerId: string
}

export async function insertLeaf(session: Session, of: GrantOfPeer, leaf: IssuedLeaf): Promise<void> {
  await session.query(sql`
    INSERT INTO federation_certificates
      (serial, tenant_id, grant_id, peer_id, x5t, spki_sha256, csr_sha256, cert_pem, chain_pem, not_after)
    VALUES (${leaf.serial}, ${of.tenantId}::uuid, ${of.grantId}::uuid, ${of.peerId}::uuid, ${leaf.x5t},
      ${leaf.spkiSha256}, ${leaf.csrSha256}, ${leaf.certPem}, ${leaf.chainPem}, ${leaf.notAfter}::timestamptz)`)
}

/** Rules that a leaf breaks whose key or serial number another one has, of whatever tenant. */
const OF_A_LEAF = /^federation_certificates_(?:pkey|x5t_key|spki_sha256_key)$/

export function isKnownLeaf(constraint: string | undefined): boolean {
  return constraint !== undefined && OF_A_LEAF.test(constraint)
}

/** Whether a key is in an earlier certificate, of anybody. */
export async function wasKeyUsed(session: Session, spkiSha256: string): Promise<boolean> {
  const found = await session.query(sql`SELECT FROM federation_certificates WHERE spki_sha256 = ${spkiSha256} LIMIT 1`)
  return found.length > 0
}

/** The same, but for a certificate of this grant that can be used and that came by this very request: it is asked for once more. */
export async function wasKeyUsedOtherwise(
  session: Session,
  spkiSha256: string,
  { grantId, csrSha256 }: { grantId: string; csrSha256: string },
): Promise<boolean> {
  const found = await session.query(sql`
    SELECT FROM federation_certificates
    WHERE spki_sha256 = ${spkiSha256} AND NOT (grant_id = ${grantId}::uuid AND csr_sha256 = ${csrSha256}
      AND status IN ('issued', 'active') AND not_after > now()) LIMIT 1`)
  return found.length > 0
}

/** Whether a serial number is that of a certificate that is registered, or that the CA was or is to be asked to revoke. */
export async function isSerialKnown(session: Session, serial: string): Promise<boolean> {
  const found = await session.query(sql`
    SELECT FROM federation_certificates WHERE serial = ${serial}
    UNION ALL SELECT FROM federation_revocation_outbox WHERE serial = ${serial} LIMIT 1`)
  return found.length > 0
}

/**
 * The first request with an issued certificate was let in: it takes the place of the active one, which is superseded. Answers what it is
 * now; undefined where there is none, or its grant is not active any more.
 */
export function acceptLeaf(
  database: Asking,
  { tenantId, grantId, serial }: { tenantId: string; grantId: string; serial: string },
): Promise<LeafStatus | undefined> {
  return database.transaction(async (session) => {
    const grant = await session.query(sql`
      SELECT FROM federation_grants WHERE tenant_id = ${tenantId}::uuid AND id = ${grantId}::uuid AND status = 'active'
        AND (expires_at IS NULL OR expires_at > now()) FOR NO KEY UPDATE`)
    if (grant.length === 0) return undefined
    const leaf = await one<{ status: LeafStatus }>(
      session,
      sql`SELECT status FROM federation_certificates
        WHERE tenant_id = ${tenantId}::uuid AND grant_id = ${grantId}::uuid AND serial = ${serial} FOR NO KEY UPDATE`,
    )
    if (leaf?.status !== 'issued') return leaf?.status
    await session.query(sql`
      UPDATE federation_certificates SET status = 'superseded', superseded_at = now()
      WHERE tenant_id = ${tenantId}::uuid AND grant_id = ${grantId}::uuid AND status = 'active'`)
    await session.query(sql`
      UPDATE federation_certificates SET status = 'active', activated_at = now()
      WHERE tenant_id = ${tenantId}::uuid AND grant_id = ${grantId}::uuid AND serial = ${serial}`)
    return 'active'
  })
}

export interface ListedLeaf {
  readonly serial: string
  readonly x5t: string
  readonly status: LeafStatus
  readonly notAfter: Date
}

/** Newest first, for administrators. */
export function listLeaves(
  session: Session,
  { tenantId, grantId }: { tenantId: string; grantId: string },
): Promise<ListedLeaf[]> {
  return session.query(sql`
    SELECT serial, x5t, status, not_after AS "notAfter" FROM federation_certificates
    WHERE tenant_id = ${tenantId}::uuid AND grant_id = ${grantId}::uuid ORDER BY issued_at DESC, serial`)
}
