import { expect, test } from 'vitest'
import type { Site } from '../backends/backend.ts'
import { KnownSecrets } from '../credentials/known-secrets.ts'
import { guessedBy, redact } from '../credentials/secrets.ts'
import { leaksSince } from './far-end.ts'

const signature = 'c2lnbmF0dXJlLXRoYXQtbm9ib2R5LWtub3dz'
const token = `eyJhbGciOiJFUzI1NiJ9.e30.${signature}`

const secrets = new KnownSecrets()
secrets.add(guessedBy(token))

/** A node that wrote these log lines, as its agent passes them on, and these records. */
const siteWith = (logs: readonly string[], records: readonly unknown[] = []): Site =>
  ({
    node: () => ({ logs: () => logs.map((line) => redact(line, secrets)), decisions: async () => records }),
  }) as unknown as Site
const begin = { logged: 0, decided: 0 }
const looked = { tokens: [token], lines: [] }

test.each([
  ['its log', siteWith([`{"event":"refused","token":"${token}"}`]), 'token eyJhbGci…'],
  ['its log, the last part alone', siteWith([`refused ${signature}`]), 'a secret that begins with c2lnbmF0…'],
  ['its decision log', siteWith([], [{ reason: token }]), 'a secret that begins with c2lnbmF0…'],
])('a token that a node writes into %s is found there', async (_, site, found) => {
  expect(await leaksSince(site, 'node', begin, looked)).toEqual([found])
})

test('what was written before the call, or holds no token, is no leak', async () => {
  const site = siteWith([token, '{"event":"ready"}'], [{ reason: 'token_missing' }])

  expect(await leaksSince(site, 'node', { logged: 1, decided: 0 }, looked)).toEqual([])
})
