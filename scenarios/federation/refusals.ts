import { expect } from 'holdfast/vitest'
import type { Federation, Invited, Reply } from './federation.ts'

/** How a gateway refuses: what its caller is told, and what it writes down for itself. */
export interface Refusal {
  readonly status: number
  readonly error: string
  readonly guard: string
  readonly reason: string
}

/** Nobody waits for a refusal: the time of one request, as a client of federation has it. */
const boundMs = 10_000

/**
 * A gateway refuses for this reason, in time, and says the reason to nobody but its log; which the audit has as well, where there is a row.
 * `at`: which one; the lender, if none is named.
 */
export async function expectRefused(
  federation: Federation,
  reply: Reply<unknown>,
  { status, error, guard, reason }: Refusal,
  { at = 'b', audited = false, secrets = [] }: { at?: string; audited?: boolean; secrets?: readonly string[] } = {},
): Promise<void> {
  expect({ status: reply.status, error: reply.error?.code }).toEqual({ status, error })
  expect(reply.ms).toBeLessThan(federation.site.bound(boundMs))
  const decided = (await federation.decided(reply, at)).filter(({ requestId }) => requestId === reply.error!.requestId)
  expect(decided).toMatchObject([{ verdict: 'refused', layer: 'http', status, error, guard, reason }])
  const row = audited ? await federation.audited(reply, at) : undefined
  if (row) expect(row).toMatchObject({ outcome: status < 500 ? 'denied' : 'error', status, reason, cert_serial: null })
  expect(reply.body).not.toContain(reason)
  const told = `${JSON.stringify([decided, row])}${reply.body}${federation.site.node(`gateway-${at}`).logs().join('\n')}`
  expect(secrets.filter((secret) => told.includes(secret))).toEqual([])
}

/** Whoever has asked too often is told in whole seconds when to come again, by header and body alike. */
export function expectLimited(reply: Reply<unknown>): void {
  expect({ status: reply.status, error: reply.error?.code }).toEqual({ status: 429, error: 'rate_limited' })
  const seconds = Number(reply.header('retry-after'))
  expect(Number.isInteger(seconds) && seconds >= 1 && seconds <= 60, `Retry-After: ${seconds}`).toBe(true)
  expect(reply.error).toMatchObject({ retryAfterSeconds: seconds })
}

/** Of an enrolment: with its row in the audit, and without the token anywhere. */
export function expectNotEnrolled(
  federation: Federation,
  reply: Reply<unknown>,
  refusal: Refusal,
  { token }: Pick<Invited, 'token'>,
): Promise<void> {
  return expectRefused(federation, reply, refusal, { audited: true, secrets: [token] })
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
