import { one, type Session } from './database.ts'
import { sql } from './statement.ts'

/** What the database says of a bearer token. Who is asked for another kind of it refuses this one for that. */
export type Bearer = {
  readonly id: string
  readonly expiresAt: Date | null
  readonly withdrawnAt: Date | null
} & (
  | { readonly kind: 'operator' }
  | { readonly kind: 'tenant'; readonly tenantId: string }
  | { readonly kind: 'user'; readonly tenantId: string; readonly userId: string }
)

/** Looked up by hash, so that what is stored opens nothing. */
export function findBearer(session: Session, sha256: string): Promise<Bearer | undefined> {
  return one(
    session,
    sql`
      SELECT id, role AS kind, tenant_id AS "tenantId", NULL::uuid AS "userId", expires_at AS "expiresAt",
        withdrawn_at AS "withdrawnAt"
      FROM admin_tokens WHERE token_sha256 = ${sha256}
      UNION ALL
      SELECT id, 'user', tenant_id, user_id, expires_at, withdrawn_at FROM user_tokens WHERE token_sha256 = ${sha256}`,
  )
}

export interface NewBearer {
  readonly sha256: string
  readonly expiresAt: Date | null
}

/** For all tenants where none is named. */
export async function storeAdminToken(
  session: Session,
  { tenantId, name, sha256, expiresAt }: NewBearer & { readonly tenantId?: string; readonly name: string },
): Promise<string> {
  const id = crypto.randomUUID()
  await session.query(sql`
    INSERT INTO admin_tokens (id, tenant_id, role, name, token_sha256, expires_at)
    VALUES (${id}::uuid, ${tenantId ?? null}::uuid, ${tenantId === undefined ? 'operator' : 'tenant'}, ${name},
      ${sha256}, ${expiresAt}::timestamptz)`)
  return id
}

/** The operator token of the configuration, once a gateway has started with it. */
const BOOTSTRAP = 'bootstrap'
/** One of a start that is under way or came to nothing, or that stands in the configuration no more. It comes back with its file. */
const SET_ASIDE = 'bootstrap, set aside'

/** The operator token of the configuration counts from now on. False: it was withdrawn or replaced, and stays so. */
export async function admitBootstrapToken(session: Session, sha256: string): Promise<boolean> {
  await session.query(sql`
    INSERT INTO admin_tokens (id, role, name, token_sha256)
    VALUES (${crypto.randomUUID()}::uuid, 'operator', ${SET_ASIDE}, ${sha256})
    ON CONFLICT (token_sha256) DO UPDATE SET withdrawn_at = NULL
    WHERE admin_tokens.role = 'operator' AND admin_tokens.name = ${SET_ASIDE}`)
  return (await findBearer(session, sha256))?.withdrawnAt === null
}

/**
 * Once a start has come to its end: whatever else stood in the configuration counts no more. One that is replaced stays out of use, and one
 * in whose place there is none is set aside. Answers whether there was any.
 */
export async function endOtherBootstrapTokens(session: Session, sha256: string | undefined): Promise<boolean> {
  await session.query(sql`
    UPDATE admin_tokens SET name = ${BOOTSTRAP}
    WHERE token_sha256 = ${sha256 ?? null} AND role = 'operator' AND name = ${SET_ASIDE} AND withdrawn_at IS NULL`)
  const ended = await session.query(sql`
    UPDATE admin_tokens SET withdrawn_at = now(),
      name = CASE WHEN ${sha256 ?? null}::text IS NULL THEN ${SET_ASIDE} ELSE name END
    WHERE role = 'operator' AND name IN (${BOOTSTRAP}, ${SET_ASIDE}) AND withdrawn_at IS NULL
      AND token_sha256 IS DISTINCT FROM ${sha256 ?? null}::text RETURNING id`)
  return ended.length > 0
}

/** Undefined: this tenant has no such user. */
export async function storeUserToken(
  session: Session,
  { tenantId, userId, sha256, expiresAt }: NewBearer & { readonly tenantId: string; readonly userId: string },
): Promise<string | undefined> {
  const [stored] = await session.query<{ id: string }>(sql`
    INSERT INTO user_tokens (id, tenant_id, user_id, token_sha256, expires_at)
    SELECT ${crypto.randomUUID()}::uuid, tenant_id, id, ${sha256}, ${expiresAt}::timestamptz FROM users
    WHERE tenant_id = ${tenantId}::uuid AND id = ${userId}::uuid AND deleted_at IS NULL
    RETURNING id`)
  return stored?.id
}

/** An administrator's token, of whatever tenant. Undefined: there is none. */
export function findAdminToken(session: Session, id: string): Promise<{ tenantId: string | null } | undefined> {
  return one(session, sql`SELECT tenant_id AS "tenantId" FROM admin_tokens WHERE id = ${id}::uuid`)
}

/** False: this user has no such token. */
export async function withdrawUserToken(
  session: Session,
  { tenantId, userId, id }: { tenantId: string; userId: string; id: string },
): Promise<boolean> {
  const withdrawn = await session.query(sql`
    UPDATE user_tokens SET withdrawn_at = coalesce(withdrawn_at, now())
    WHERE id = ${id}::uuid AND tenant_id = ${tenantId}::uuid AND user_id = ${userId}::uuid RETURNING id`)
  return withdrawn.length > 0
}

/** Of this tenant, or of an operator where none is named. It stays so: also one that was set aside comes back no more. */
export async function withdrawToken(
  session: Session,
  { tenantId, id }: { tenantId?: string; id: string },
): Promise<boolean> {
  const tenant = tenantId ?? null
  const withdrawn = await session.query(sql`
    WITH admin AS (
      UPDATE admin_tokens SET withdrawn_at = coalesce(withdrawn_at, now()),
        name = CASE WHEN role = 'operator' AND name = ${SET_ASIDE} THEN ${BOOTSTRAP} ELSE name END
      WHERE id = ${id}::uuid AND tenant_id IS NOT DISTINCT FROM ${tenant}::uuid RETURNING id
    ), own AS (
      UPDATE user_tokens SET withdrawn_at = coalesce(withdrawn_at, now())
      WHERE id = ${id}::uuid AND tenant_id = ${tenant}::uuid RETURNING id
    )
    SELECT id FROM admin UNION ALL SELECT id FROM own`)
  return withdrawn.length > 0
}
