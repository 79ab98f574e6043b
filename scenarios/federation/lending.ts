import type { Federation, RawExtension, Reply } from './federation.ts'
import { type Refusal, storedOf } from './refusals.ts'

// Refusals at the listener of peers, and what is held against them.

export const refusal = (status: number, error: string) => (guard: string, reason: string) => ({
  status,
  error,
  guard,
  reason,
})

export const atTls = (reason: string, guard = 'tls.chain'): Refusal => ({ status: null, guard, reason })
export const unauthorized = refusal(401, 'unauthorized')
export const forbidden = refusal(403, 'forbidden')
export const outOfScope = refusal(403, 'scope_violation')
export const invalid = refusal(400, 'invalid_request')
export const notFound = refusal(404, 'not_found')

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

/** Where certificates name their grant and its user. */
export const oids = { grant: '1.3.6.1.4.1.99999.1', subject: '1.3.6.1.4.1.99999.2' } as const

/** The list of extensions with these in the place of what is there under the same OIDs. */
export function rewritten(...said: readonly RawExtension[]) {
  const replaced = new Set(said.map(({ oid }) => oid))
  return (all: readonly RawExtension[]) => [...all.filter(({ oid }) => !replaced.has(oid)), ...said]
}
