import { expect } from 'holdfast/vitest'
import type { Federation, RawExtension, Reply } from './federation.ts'
import { storedOf } from './refusals.ts'

// What is demanded of a refusal at the listener of peers, beside its status.

/** By which guard, for which reason, and what the caller is told. */
export interface Refusal {
  /** Null: the connection ended before a byte of HTTP. */
  readonly status: number | null
  readonly code?: string
  readonly guard: string
  readonly reason: string
}

export const refusal = (status: number, code: string) => (guard: string, reason: string) => ({
  status,
  code,
  guard,
  reason,
})

export const atTls = (reason: string, guard = 'tls.chain'): Refusal => ({ status: null, guard, reason })
export const unauthorized = refusal(401, 'unauthorized')
export const forbidden = refusal(403, 'forbidden')
export const outOfScope = refusal(403, 'scope_violation')
export const invalid = refusal(400, 'invalid_request')
export const notFound = refusal(404, 'not_found')

/** A guard that does not answer at once has waited for something, or was not asked. */
const boundMs = 5_000

/**
 * It was refused for this reason and for no other, which one record says and one row of the audit (of what ended at TLS none), in
 * bounded time, and the answer holds nothing of the lender's.
 */
export async function expectRefused(federation: Federation, reply: Reply<unknown>, expected: Refusal, what = '') {
  const { status, code, guard, reason } = expected
  expect({ status: reply.status, code: reply.error?.code }, what).toEqual({ status, code })
  const records = await federation.decided(reply)
  expect(
    records.map((one) => ({ verdict: one.verdict, status: one.status, guard: one.guard, reason: one.reason })),
    what,
  ).toEqual([{ verdict: 'refused', status, guard, reason }])
  const requestId = records[0]!.requestId
  if (status === null) expect(await rowsOf(federation, requestId), what).toEqual([])
  else {
    expect(reply.error!.requestId, what).toBe(requestId)
    const { outcome, reason: audited, rows_out: rows, status: told } = await federation.audited(reply)
    expect({ outcome, audited, rows, told }, what).toEqual({
      outcome: 'denied',
      audited: reason,
      rows: null,
      told: status,
    })
    expect(await rowsOf(federation, requestId), what).toHaveLength(1)
  }
  expect(leaked(federation, reply), what).toEqual([])
  expect(
    federation.site.measured(`${what || reason} is refused`, reply.ms, federation.site.bound(boundMs)),
  ).toBeLessThan(federation.site.bound(boundMs))
}

/** Markers of the lender's rows that an answer holds. */
export function leaked(federation: Federation, { body, headers }: Reply<unknown>): string[] {
  return federation.seed('b').markersIn(body + JSON.stringify(headers))
}

/** All that the lender keeps of grants: what refusals must leave as it is. */
export async function stateOf(federation: Federation, grantIds: readonly string[]): Promise<unknown> {
  const all = []
  for (const grantId of grantIds) all.push(await storedOf(federation, { grantId }))
  return all
}

/** An answer but for what differs in each: the number of its request, and the time. */
export function likeness({ status, body, headers, error }: Reply<unknown>): unknown {
  const lines = headers.filter(([name]) => !['date', 'x-request-id'].includes(name.toLowerCase()))
  return {
    status,
    body: body.replaceAll(error?.requestId ?? '\0', '-'),
    lines: lines.map(([name, value]) => [name, value]),
  }
}

async function rowsOf(federation: Federation, requestId: string): Promise<unknown[]> {
  return (await federation.database('b')).query('SELECT id FROM federation_audit_all WHERE request_id = $1', [
    requestId,
  ])
}

/** Where certificates name their grant and its user. */
export const oids = { grant: '1.3.6.1.4.1.99999.1', subject: '1.3.6.1.4.1.99999.2' } as const

/** The list of extensions with these in the place of what is there under the same OIDs. */
export function rewritten(...said: readonly RawExtension[]) {
  const replaced = new Set(said.map(({ oid }) => oid))
  return (all: readonly RawExtension[]) => [...all.filter(({ oid }) => !replaced.has(oid)), ...said]
}
