import { giveUp, holdActiveGrant } from './activation.ts'
import { type GrantOfPeer, type IssuedLeaf, insertLeaf, isKnownLeaf } from './certificates.ts'
import { type Database, one, undo } from './database.ts'
import { closeRegistered } from './issuance.ts'
import { sql } from './statement.ts'
import { brokenUniqueness } from './unavailable.ts'

export interface SameAgain {
  readonly serial: string
  readonly certPem: string
  readonly chainPem: string
  readonly notAfter: Date
}

export type Opened =
  | { readonly issuanceId: string }
  /** The same request again: its answer was lost, and is given once more. */
  | { readonly same: SameAgain }
  | { readonly why: 'renewal_in_progress' | 'lost_race' }

const QUIET_SECONDS = 30

/**
 * Begins a renewal, where no other is on its way: none at the CA, and none that was issued a moment ago and that its holder has not used.
 */
export async function openRenewal(
  database: Database,
  renewal: GrantOfPeer & { readonly requestId: string; readonly csrSha256: string },
): Promise<Opened> {
  const { tenantId, grantId, requestId, csrSha256 } = renewal
  try {
    return await database.transaction<Opened>(async (session) => {
      if (!(await holdActiveGrant(session, renewal))) return { why: 'lost_race' }
      const latest = await one<SameAgain & { csr: string; quiet: boolean; status: string }>(
        session,
        sql`
          SELECT serial, cert_pem AS "certPem", chain_pem AS "chainPem", not_after AS "notAfter", csr_sha256 AS csr,
            status, status = 'issued' AND issued_at > now() - make_interval(secs => ${QUIET_SECONDS}::int) AS quiet
          FROM federation_certificates
          WHERE tenant_id = ${tenantId}::uuid AND grant_id = ${grantId}::uuid AND status IN ('issued', 'active')
            AND not_after > now()
          ORDER BY issued_at DESC, status = 'issued' DESC LIMIT 1`,
      )
      if (latest?.csr === csrSha256) {
        const { serial, certPem, chainPem, notAfter } = latest
        return { same: { serial, certPem, chainPem, notAfter } }
      }
      if (latest?.quiet === true) return { why: 'renewal_in_progress' }
      const issuanceId = crypto.randomUUID()
      await session.query(sql`
        INSERT INTO federation_issuance (id, tenant_id, grant_id, request_id, purpose, csr_sha256)
        VALUES (${issuanceId}::uuid, ${tenantId}::uuid, ${grantId}::uuid, ${requestId}, 'renewal', ${csrSha256})`)
      return { issuanceId }
    })
  } catch (failure) {
    if (brokenUniqueness(failure) === 'federation_issuance_open') return { why: 'renewal_in_progress' }
    throw failure
  }
}

/** Registers a renewed certificate: one that nobody has used yet is abandoned for it. What is lost is queued for revocation. */
export async function registerRenewal(
  database: Database,
  renewal: GrantOfPeer & { readonly issuanceId: string; readonly leaf: IssuedLeaf },
): Promise<'issued' | 'lost_race' | 'known_leaf'> {
  const { tenantId, grantId, issuanceId, leaf } = renewal
  const outcome = await database
    .transaction<'issued' | 'lost_race' | 'known_leaf'>(async (session) => {
      if (!(await holdActiveGrant(session, renewal))) return undo('lost_race')
      await session.query(sql`
        UPDATE federation_certificates SET status = 'abandoned'
        WHERE tenant_id = ${tenantId}::uuid AND grant_id = ${grantId}::uuid AND status = 'issued'`)
      await insertLeaf(session, renewal, leaf)
      const isOurs = await closeRegistered(session, { tenantId, id: issuanceId, serial: leaf.serial })
      return isOurs ? 'issued' : undo('lost_race')
    })
    .catch((failure: unknown): 'known_leaf' => {
      if (isKnownLeaf(brokenUniqueness(failure))) return 'known_leaf'
      throw failure
    })
  if (outcome !== 'issued') {
    const reason = outcome === 'lost_race' ? 'renewal_lost_race' : 'csr_key_reused'
    await giveUp(database, { ...renewal, serial: leaf.serial, reason })
  }
  return outcome
}
