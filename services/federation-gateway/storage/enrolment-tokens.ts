import type { MadeToken, Purpose } from '../enrolment/token.ts'
import type { StoredToken } from '../states/enrolment.ts'
import type { GrantStatus } from '../states/grant.ts'
import type { InboundPeerStatus } from '../states/peers.ts'
import { type Database, one, type Session, undo } from './database.ts'
import { sql } from './statement.ts'
import { brokenUniqueness } from './unavailable.ts'

/** Stores what may be stored of a token. Undefined: there is no such grant of this tenant. */
export function storeToken(
  session: Session,
  {
    tenantId,
    grantId,
    purpose,
    ttlSeconds,
    made,
  }: { tenantId: string; grantId: string; purpose: Purpose; ttlSeconds: number; made: MadeToken },
): Promise<{ id: string; expiresAt: Date } | undefined> {
  return one(
    session,
    sql`
      INSERT INTO federation_enrollment_tokens
        (id, tenant_id, grant_id, peer_id, purpose, token_sha256, prefix, expires_at)
      SELECT ${crypto.randomUUID()}::uuid, g.tenant_id, g.id, g.peer_id, ${purpose}, ${made.sha256}, ${made.prefix},
        now() + make_interval(secs => ${ttlSeconds}::int)
      FROM federation_grants g WHERE g.tenant_id = ${tenantId}::uuid AND g.id = ${grantId}::uuid
      RETURNING id, expires_at AS "expiresAt"`,
  )
}

/** What an enrolment finds under the hash of its token. The token says whose tenant it is. */
export interface FoundToken {
  readonly token: StoredToken & { readonly id: string }
  readonly tenantId: string
  readonly grant: {
    readonly id: string
    readonly subjectUserId: string
    readonly status: GrantStatus
    readonly expiresAt: Date | null
  }
  readonly peer: { readonly id: string; readonly commonName: string; readonly status: InboundPeerStatus }
}

export async function findToken(session: Session, sha256: string): Promise<FoundToken | undefined> {
  const row = await one<FoundRow>(
    session,
    sql`
      SELECT t.id, t.tenant_id, t.purpose, t.used_at, t.expires_at,
        g.id AS grant_id, g.subject_user_id, g.status AS grant_status, g.expires_at AS grant_expires_at,
        p.id AS peer_id, p.common_name, p.state
      FROM federation_enrollment_tokens t
        JOIN federation_grants g ON g.tenant_id = t.tenant_id AND g.id = t.grant_id
        JOIN federation_peers p ON p.tenant_id = t.tenant_id AND p.id = t.peer_id
      WHERE t.token_sha256 = ${sha256}`,
  )
  if (row === undefined) return undefined
  return {
    token: { id: row.id, purpose: row.purpose, usedAt: row.used_at, expiresAt: row.expires_at },
    tenantId: row.tenant_id,
    grant: {
      ...{ id: row.grant_id, subjectUserId: row.subject_user_id },
      ...{ status: row.grant_status, expiresAt: row.grant_expires_at },
    },
    peer: { id: row.peer_id, commonName: row.common_name, status: row.state },
  }
}

interface FoundRow {
  readonly id: string
  readonly tenant_id: string
  readonly purpose: Purpose
  readonly used_at: Date | null
  readonly expires_at: Date
  readonly grant_id: string
  readonly subject_user_id: string
  readonly grant_status: GrantStatus
  readonly grant_expires_at: Date | null
  readonly peer_id: string
  readonly common_name: string
  readonly state: InboundPeerStatus
}

export type Claimed =
  | { readonly issuanceId: string }
  /**
   * `used`: somebody was quicker, or its time is over. The others do not burn the token. `busy`: a certificate for this grant is on its way.
   * `moved`: the grant is no longer one that the token is for.
   */
  | { readonly issuanceId: undefined; readonly why: 'used' | 'busy' | 'moved' }

/**
 * The one claim of a token. It is used from the commit on, whatever comes of it; in the same moment the journal knows that a certificate
 * is on its way, so that a crash leaves no used token without a trace.
 */
export async function claimToken(
  database: Database,
  { sha256, requestId, csrSha256 }: { sha256: string; requestId: string; csrSha256: string },
): Promise<Claimed> {
  try {
    return await database.transaction<Claimed>(async (session) => {
      const claimed = await one<{ id: string; tenant_id: string; grant_id: string; purpose: Purpose }>(
        session,
        sql`UPDATE federation_enrollment_tokens SET used_at = now()
          WHERE token_sha256 = ${sha256} AND used_at IS NULL AND expires_at > now()
          RETURNING id, tenant_id, grant_id, purpose`,
      )
      if (claimed === undefined) return undo({ issuanceId: undefined, why: 'used' } satisfies Claimed)
      const { id: tokenId, tenant_id, grant_id, purpose } = claimed
      const issuanceId = crypto.randomUUID()
      await session.query(sql`
        INSERT INTO federation_issuance (id, tenant_id, grant_id, token_id, request_id, purpose, csr_sha256)
        VALUES (${issuanceId}::uuid, ${tenant_id}::uuid, ${grant_id}::uuid, ${tokenId}::uuid, ${requestId}, ${purpose},
          ${csrSha256})`)
      // After the insert: whoever activates the grant has the one open place in the journal, which is ours from here on. Before it, the
      // last one might still be about to.
      const isFor = await session.query(sql`
        SELECT FROM federation_grants
        WHERE tenant_id = ${tenant_id}::uuid AND id = ${grant_id}::uuid
          AND status::text = ${purpose === 'enrolment' ? 'pending' : 'active'} AND (expires_at IS NULL OR expires_at > now())`)
      return isFor.length > 0 ? { issuanceId } : undo({ issuanceId: undefined, why: 'moved' } satisfies Claimed)
    })
  } catch (failure) {
    if (brokenUniqueness(failure) === 'federation_issuance_open') return { issuanceId: undefined, why: 'busy' }
    throw failure
  }
}
