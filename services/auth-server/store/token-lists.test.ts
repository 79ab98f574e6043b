import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StoredToken, TokenState } from '../model.ts'
import { databaseSchema } from './schema.ts'
import { openStore, type Store } from './store.ts'
import { listQuery } from './token-lists.ts'
import type { TokenFilter } from './tokens.ts'

const NOW = 1_800_000_000

const FILTERS: readonly TokenFilter[] = [
  {},
  { subject: 'node-1' },
  { x5t: 'x2' },
  { san: 'node-3.test' },
  { subject: 'node-1', san: 'node-1.test' },
  { subject: 'node-1', x5t: 'x2' },
  { san: 'of-all.test' },
]
const STATES: readonly (TokenState | undefined)[] = [undefined, 'active', 'revoked', 'expired']
const ALL = FILTERS.flatMap((filter) => STATES.map((state) => ({ ...filter, ...(state && { state }) })))

let folder: string
let store: Store

/** 120 tokens of five nodes: every third of an old key, every fourth revoked, ending from an hour ago to in an hour. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-lists-'))
  store = openStore(join(folder, 'auth.db'))
  store.keys.activate({ kid: 'old', alg: 'ES256', jwk: '{}' }, NOW - 7_200)
  store.keys.activate({ kid: 'new', alg: 'ES256', jwk: '{}' }, NOW - 3_600, NOW + 600)
  for (let node = 0; node < 5; node += 1) {
    store.clients.put({ clientId: `node-${node}`, method: 'tls_client_auth', pins: [], grants: [], introspects: [] })
  }
  const rows = Array.from({ length: 120 }, (_, index) =>
    store.tokens.record({
      jti: `jti-${index}`,
      use: 'node',
      clientId: `node-${index % 5}`,
      aud: ['https://a.test'],
      scope: 'node:read',
      x5t: `x${index % 4}`,
      sans: [`node-${index % 5}.test`, 'of-all.test'],
      trustedDomains: [],
      kid: index % 3 === 0 ? 'old' : 'new',
      iat: NOW - 3_600,
      exp: NOW + ((index * 37) % 7_200) - 3_600,
    }),
  )
  await Promise.all(rows)
  for (let index = 0; index < 120; index += 4) store.tokens.revoke({ jti: `jti-${index}` }, NOW - 3_600)
})
afterAll(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

/** By what each token says of itself when it is asked for alone: no index and no phase is behind that. */
function expected(filter: TokenFilter, all: readonly StoredToken[]): string[] {
  return all
    .filter(({ clientId }) => filter.subject === undefined || clientId === filter.subject)
    .filter(({ x5t }) => filter.x5t === undefined || x5t === filter.x5t)
    .filter(({ sans }) => filter.san === undefined || sans.includes(filter.san))
    .filter(({ state }) => filter.state === undefined || state === filter.state)
    .sort((one, other) => one.seq - other.seq)
    .map(({ jti }) => jti)
}

function listed(filter: TokenFilter, now: number, limit: number): string[] {
  const found: string[] = []
  let cursor: number | undefined = 0
  while (cursor !== undefined) {
    const page: ReturnType<Store['tokens']['list']> = store.tokens.list(filter, { limit, cursor }, now)
    found.push(...page.tokens.map(({ jti }) => jti))
    cursor = page.next
  }
  return found
}

function demandExact(now: number): void {
  const all = Array.from({ length: 120 }, (_, index) => store.tokens.find(`jti-${index}`, now)!)
  for (const filter of ALL) {
    for (const limit of [7, 1_000]) {
      expect(listed(filter, now, limit), JSON.stringify({ filter, limit })).toEqual(expected(filter, all))
    }
  }
}

test('lists are exact whether rows were settled or not, and when the clock goes back', () => {
  demandExact(NOW)
  while (store.tokens.settle(NOW, 50) === 50);
  demandExact(NOW)
  expect(store.tokens.settle(NOW, 50)).toBe(0)
  // The old key's grace is over.
  demandExact(NOW + 601)
  store.tokens.settle(NOW + 601, 5)
  demandExact(NOW + 601)
  while (store.tokens.settle(NOW + 3_000, 50) === 50);
  demandExact(NOW + 3_000)
  // Not before the grace: what is retired stays so.
  demandExact(NOW + 1_000)
  while (store.tokens.settle(NOW + 1_000, 50) === 50);
  demandExact(NOW + 1_000)
})

test.each(ALL.map((filter) => [JSON.stringify(filter), filter] as const))(
  'a list by %s walks indices in the order of its rows, and never the whole table',
  (_, filter) => {
    const database = new DatabaseSync(':memory:')
    for (const statement of databaseSchema.statements) database.exec(statement)
    const plan = database
      .prepare(`EXPLAIN QUERY PLAN ${listQuery(filter)}`)
      .all({ $now: 1, $cursor: 0, $limit: 10, ...named(filter) })
      .map(({ parent, detail }) => ({ parent, step: String(detail) }))
    database.close()

    expect(plan.filter(({ step }) => /^SCAN (tokens|held)/.test(step))).toEqual([])
    const sorted = plan.filter(({ step }) => step.startsWith('USE TEMP B-TREE')).map(({ parent }) => parent)
    // What is sorted are pages, which are short, and rows that ended since the last look at them, which are few.
    const walked = plan.filter(({ step }) => /^SEARCH (tokens|held) /.test(step) && !/tokens_by_(end|kid)/.test(step))
    expect(walked.length).toBeGreaterThan(0)
    expect(walked.filter(({ parent, step }) => sorted.includes(parent) && !/\(rowid=\?\)|EXISTS/.test(step))).toEqual(
      [],
    )
  },
)

function named(filter: TokenFilter): Record<string, string> {
  return Object.fromEntries(Object.entries(filter).map(([name, value]) => [`$${name}`, value]))
}
