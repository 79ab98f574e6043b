import type { Session } from '../database.ts'
import { sql } from '../statement.ts'

export const OUTCOMES = ['allowed', 'denied', 'error', 'aborted', 'failed'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** What is kept of a request. Ids that were not known are null, and there is no content. */
export interface AuditRow {
  /** UUIDv7, so that rows lie in the order of their time. */
  readonly id: string
  /** RFC 3339. */
  readonly at: string
  readonly requestId: string
  readonly direction: 'inbound' | 'outbound'
  readonly verb: string
  /** One of those that can be lent; null for what nobody knows. */
  readonly resource: string | null
  readonly queryHash: string | null
  readonly outcome: Outcome
  readonly status: number | null
  readonly reason: string | null
  readonly tenantId: string | null
  readonly grantId: string | null
  readonly peerId: string | null
  readonly subjectUserId: string | null
  readonly certSerial: string | null
  readonly rowsOut: number | null
  readonly bytesOut: number | null
  readonly latencyMs: number | null
  readonly traceId: string | null
}

/** Of one request there is one row: what is there already, also in the archive, stays. Answers how many were new. */
export async function insertAudit(session: Session, rows: readonly AuditRow[]): Promise<number> {
  if (rows.length === 0) return 0
  const inserted = await session.query(sql`
    INSERT INTO federation_audit_log (id, at, request_id, direction, verb, resource, query_hash, outcome, status, reason,
      tenant_id, grant_id, peer_id, subject_user_id, cert_serial, rows_out, bytes_out, latency_ms, trace_id)
    SELECT r.id, r.at, r."requestId", r.direction, r.verb, r.resource, r."queryHash", r.outcome, r.status, r.reason,
      r."tenantId", r."grantId", r."peerId", r."subjectUserId", r."certSerial", r."rowsOut", r."bytesOut",
      r."latencyMs", r."traceId"
    FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS r(id uuid, at timestamptz, "requestId" text,
      direction text, verb text, resource text, "queryHash" text, outcome text, status integer, reason text,
      "tenantId" uuid, "grantId" uuid, "peerId" uuid, "subjectUserId" uuid, "certSerial" text, "rowsOut" integer,
      "bytesOut" bigint, "latencyMs" real, "traceId" text)
    WHERE NOT EXISTS (SELECT FROM federation_audit_archive a WHERE a.request_id = r."requestId")
    ON CONFLICT DO NOTHING RETURNING id`)
  return inserted.length
}

export interface AuditQuery {
  /** Absent: of every tenant, and of none. For operators only. */
  readonly tenantId?: string
  readonly grantId?: string
  readonly peerId?: string
  readonly since?: string
  readonly limit: number
  readonly below?: { readonly at: string; readonly id: string }
}

export type AuditEntry = AuditRow & { readonly archived: boolean }

/** Newest first, of log and archive. */
export function readAudit(session: Session, query: AuditQuery): Promise<AuditEntry[]> {
  const { tenantId = null, grantId = null, peerId = null, since = null, limit, below } = query
  return session.query(sql`
    SELECT id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, request_id AS "requestId",
      direction, verb, resource, query_hash AS "queryHash", outcome, status, reason, tenant_id AS "tenantId",
      grant_id AS "grantId", peer_id AS "peerId", subject_user_id AS "subjectUserId", cert_serial AS "certSerial",
      rows_out AS "rowsOut", bytes_out AS "bytesOut", latency_ms AS "latencyMs", trace_id AS "traceId", archived
    FROM federation_audit_all a
    WHERE (${tenantId}::uuid IS NULL OR tenant_id = ${tenantId}::uuid)
      AND (${grantId}::uuid IS NULL OR grant_id = ${grantId}::uuid)
      AND (${peerId}::uuid IS NULL OR peer_id = ${peerId}::uuid)
      AND (${since}::timestamptz IS NULL OR a.at >= ${since}::timestamptz)
      AND (${below?.at ?? null}::timestamptz IS NULL
        OR (a.at, id) < (${below?.at ?? null}::timestamptz, ${below?.id ?? null}::uuid))
    ORDER BY a.at DESC, id DESC LIMIT ${limit}::int`)
}
