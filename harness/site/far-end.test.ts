import { expect, test } from 'vitest'
import type { Site } from '../backends/backend.ts'
import { redact } from '../evidence/redact.ts'
import { leaksSince } from './far-end.ts'

const token = `eyJhbGciOiJFUzI1NiJ9.${'p'.repeat(40)}.${'s'.repeat(40)}`

/** A node that wrote these log lines, as its agent passes them on, and these records. */
const siteWith = (logs: readonly string[], records: readonly unknown[] = []): Site =>
  ({ node: () => ({ logs: () => logs.map(redact), decisions: async () => records }) }) as unknown as Site
const begin = { logged: 0, decided: 0 }
const looked = { tokens: [token], lines: [] }

test.each([
  ['its log', siteWith([`{"event":"refused","token":"${token}"}`])],
  ['its decision log', siteWith([], [{ reason: token }])],
])('a token that a node writes into %s is found there', async (_, site) => {
  expect(await leaksSince(site, 'node', begin, looked)).toEqual(['token eyJhbGci…'])
})

test('what was written before the call, or holds no token, is no leak', async () => {
  const site = siteWith([token, '{"event":"ready"}'], [{ reason: 'token_missing' }])

  expect(await leaksSince(site, 'node', { logged: 1, decided: 0 }, looked)).toEqual([])
})
