import { randomBytes } from 'node:crypto'
import type { Decision } from '../../../shared/decision-log.ts'
import { isResource } from '../../scope/resources.ts'
import type { AuditRow, Outcome } from './rows.ts'

/**
 * What a decision record carries for the audit beside the members that every service has: a row can be made of the record alone, when its
 * own never came to the database.
 */
export interface AuditMembers {
  readonly direction: AuditRow['direction']
  readonly verb: string
  readonly resource?: string
  readonly queryHash?: string
  readonly tenantId?: string
  /** Where the verdict does not say it all. */
  readonly outcome?: Extract<Outcome, 'aborted' | 'failed'>
}

export type AuditedDecision = Decision & { readonly audit: AuditMembers; readonly rowsOut?: number }

/** What is known only once the answer was sent. */
export interface Sent {
  readonly bytesOut?: number
  readonly latencyMs?: number
  readonly isAborted?: boolean
}

/** @param at when it was decided, RFC 3339 */
export function auditRowOf(decision: AuditedDecision, at: string, sent: Sent = {}): AuditRow {
  const { audit, principal } = decision
  return {
    id: uuidOf(Date.parse(at)),
    at,
    requestId: decision.requestId,
    ...{ direction: audit.direction, verb: audit.verb, queryHash: audit.queryHash ?? null },
    // What a caller wrote for one is content.
    resource: audit.resource !== undefined && isResource(audit.resource) ? audit.resource : null,
    outcome: sent.isAborted === true ? 'aborted' : (audit.outcome ?? outcomeOf(decision)),
    ...{ status: decision.status, reason: decision.reason, traceId: decision.traceId ?? null },
    ...{ tenantId: audit.tenantId ?? null, grantId: principal.grantId ?? null, peerId: principal.peerId ?? null },
    ...{ subjectUserId: principal.subjectUserId ?? null, certSerial: principal.serial ?? null },
    ...{ rowsOut: decision.rowsOut ?? null, bytesOut: sent.bytesOut ?? null },
    latencyMs: sent.latencyMs ?? decision.ms,
  }
}

/** The row of a line of the decision log; undefined for one that has none. */
export function auditRowOfLine(line: string): AuditRow | undefined {
  const record = JSON.parse(line) as Partial<AuditedDecision> & { ts?: string }
  if (record.audit === undefined || record.ts === undefined) return undefined
  return auditRowOf(record as AuditedDecision, record.ts)
}

function outcomeOf({ verdict, status }: Decision): Outcome {
  if (verdict === 'accepted') return 'allowed'
  return status !== null && status >= 500 ? 'error' : 'denied'
}

/** UUIDv7 (RFC 9562 section 5.7) of a moment that may be over: rows that are made late lie where they belong. */
function uuidOf(ms: number): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(ms, 0, 6)
  bytes[6] = 0x70 | (bytes[6]! & 0x0f)
  bytes[8] = 0x80 | (bytes[8]! & 0x3f)
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
