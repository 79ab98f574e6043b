import { expect } from 'holdfast/vitest'
import type { AuditedRow, Federation, Invited, Reply } from './federation.ts'

/** How a gateway refuses: what its caller is told, and what it writes down for itself. */
export interface Refusal {
  /** Null: the connection ended before a byte of HTTP. */
  readonly status: number | null
  readonly error?: string
  readonly guard: string
  readonly reason: string
}

export interface RefusedCall {
  /** Whose refusal it is. Default: the lender's. */
  readonly at?: string
  /** What was tried, for people. Default: the reason. */
  readonly what?: string
  /** What is repeated nowhere. */
  readonly secrets?: readonly string[]
}

type DecisionRecord = Awaited<ReturnType<Federation['decided']>>[number]

/** Whoever is refused for what he has sent waits for nobody; where something else has failed, it had the time of one request. */
const boundMs = (status: number | null) => (status !== null && status >= 500 ? 10_000 : 5_000)

/**
 * It was refused for this reason and for no other, in bounded time, and the reason is told to nobody but the gateway's own records: one in
 * its log, and one row of the audit where there is to be one. The answer holds nothing of the lender's.
 */
export async function expectRefused(
  federation: Federation,
  reply: Reply<unknown>,
  { status, error, guard, reason }: Refusal,
  { at = 'b', what = reason, secrets = [] }: RefusedCall = {},
): Promise<void> {
  const { site } = federation
  expect({ status: reply.status, error: reply.error?.code }, what).toEqual({ status, error })
  const records = await federation.decided(reply, at)
  expect(records, what).toMatchObject([{ verdict: 'refused', status, error: error ?? null, guard, reason }])
  const [record] = records as [DecisionRecord]
  if (status !== null) expect(record.requestId, what).toBe(reply.error!.requestId)
  const rows = await rowsOf(federation, { reply, record, at })
  const outcome = status !== null && status >= 500 ? 'error' : 'denied'
  expect(rows, what).toMatchObject(isAudited(record) ? [{ outcome, status, reason, rows_out: null }] : [])
  expect(reply.body, what).not.toContain(reason)
  expect(leaked(federation, reply), what).toEqual([])
  if (secrets.length > 0) {
    const told = JSON.stringify([reply.body, records, rows, site.node(`gateway-${at}`).logs()])
    expect(secrets.filter((secret) => told.includes(secret))).toEqual([])
  }
  const bound = site.bound(boundMs(status))
  expect(site.measured(`${what} is refused`, reply.ms, bound), what).toBeLessThan(bound)
}

/** Whatever peers ask, and whoever enrols; but what ended before a byte of HTTP asked nothing. */
function isAudited({ status, listener, action }: DecisionRecord): boolean {
  return status !== null && (listener === 'federation' || action === 'federation:enrol')
}

/** All rows of the audit about a call: where there is to be one, once it is there, and else once there can come none. */
async function rowsOf(
  federation: Federation,
  { reply, record, at }: { reply: Reply<unknown>; record: DecisionRecord; at: string },
): Promise<AuditedRow[]> {
  if (isAudited(record)) await federation.audited(reply, at)
  else await federation.auditedUntilNow(at)
  const database = await federation.database(at)
  return database.query<AuditedRow>('SELECT * FROM federation_audit_all WHERE request_id = $1', [record.requestId])
}

/** Markers of the lender's rows that an answer holds. */
export function leaked(federation: Federation, { body, headers }: Reply<unknown>): string[] {
  return federation.seed('b').markersIn(body + JSON.stringify(headers))
}

/** Whoever has asked too often is told in whole seconds when to come again, by header and body alike. */
export function expectLimited(reply: Reply<unknown>): void {
  expect({ status: reply.status, error: reply.error?.code }).toEqual({ status: 429, error: 'rate_limited' })
  const seconds = Number(reply.header('retry-after'))
  expect(Number.isInteger(seconds) && seconds >= 1 && seconds <= 60, `Retry-After: ${seconds}`).toBe(true)
  expect(reply.error).toMatchObject({ retryAfterSeconds: seconds })
}

/** Of an enrolment: no certificate came of it, and its token is repeated nowhere. */
export async function expectNotEnrolled(
  federation: Federation,
  reply: Reply<unknown>,
  refusal: Refusal,
  { token }: Pick<Invited, 'token'>,
): Promise<void> {
  await expectRefused(federation, reply, refusal, { secrets: [token] })
  expect((await federation.audited(reply)).cert_serial).toBe(null)
}

/** All that a lender has stored about a grant: the same texts before and after what must change nothing. */
export async function storedOf(federation: Federation, { grantId }: Pick<Invited, 'grantId'>) {
  const database = await federation.database('b')
  const of = async (table: string, where = 'grant_id = $1') => {
    const text = `SELECT to_jsonb(t)::text AS row FROM ${table} t WHERE ${where} ORDER BY 1`
    return (await database.query(text, [grantId])).map(({ row }) => String(row))
  }
  const ofIts = 'serial IN (SELECT serial FROM federation_certificates WHERE grant_id = $1)'
  return {
    grant: await of('federation_grants', 'id = $1'),
    peer: await of('federation_peers', 'id = (SELECT peer_id FROM federation_grants WHERE id = $1)'),
    tokens: await of('federation_enrollment_tokens'),
    issuance: await of('federation_issuance'),
    certificates: await of('federation_certificates'),
    revocations: await of('federation_revocation_outbox', `grant_id = $1 OR ${ofIts}`),
  }
}

/** What the CA has written down until now of calls to sign, but of those for somebody else. */
export async function signedFor(federation: Federation, { commonName }: Pick<Invited, 'commonName'>) {
  const calls = (await federation.certifier().calls()).filter(({ path }) => path === '/1.0/sign')
  return calls.filter(({ status, subject }) => (status === 201 ? subject === commonName : true))
}
