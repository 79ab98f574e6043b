import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Site } from '../backends/backend.ts'
import { KnownSecrets } from '../credentials/known-secrets.ts'
import { leaksIn, redact, redactJson } from '../credentials/secrets.ts'
import type { DecisionRecord } from './decision.ts'
import type { SiteEvent } from './event.ts'
import { evidenceName, recordCall, writeHistory } from './history.ts'

const token = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJub2RlLWIiLCJqdGkiOiJhYmMifQ.c2lnbmF0dXJlLXRoYXQtbm9ib2R5LWtub3dz'
const key = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----\n'
const certificate = '-----BEGIN CERTIFICATE-----\nMIIBBjCBrAIB\n-----END CERTIFICATE-----\n'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-evidence-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('tokens keep eight characters, private keys nothing, certificates everything', () => {
  expect(redact(`Bearer ${token}, then`)).toBe('Bearer eyJhbGci…, then')
  expect(redact(token.slice(0, 60))).toBe('eyJhbGci…')
  expect(redact(key + certificate)).toBe(`[PRIVATE KEY removed]\n${certificate}`)
  expect(redact(key.slice(0, 40))).not.toContain('MIG')
  expect(redact(JSON.stringify({ kty: 'EC', x: 'a'.repeat(43), d: 'b'.repeat(43) }))).toBe(
    JSON.stringify({ kty: 'EC', x: 'a'.repeat(43), d: '[removed]' }),
  )
  const logged = { line: JSON.stringify({ kty: 'EC', d: 'b'.repeat(43) }) }
  expect(redactJson(logged)).toEqual({ line: JSON.stringify({ kty: 'EC', d: '[removed]' }) })
  expect(redactJson({ pem: key, tokens: [token] })).toEqual({ pem: '[PRIVATE KEY removed]\n', tokens: ['eyJhbGci…'] })
})

test('a secret is found where a log holds it whole or cut', () => {
  expect(leaksIn(`refused ${token.slice(0, 8)}`, [token])).toEqual([])
  expect(leaksIn(`refused ${token}`, [token])).toEqual([
    'a secret that begins with eyJzdWIi…',
    'a secret that begins with c2lnbmF0…',
  ])
  expect(leaksIn(`refused …${token.slice(21, 60)}`, [token])).toEqual(['a secret that begins with eyJzdWIi…'])
  expect(leaksIn(key, [])).toEqual(['a private key'])
  expect(leaksIn(certificate, [token])).toEqual([])
})

test('the history holds events, decisions and calls in order of time, without secrets, for the owner only', async () => {
  const events: SiteEvent[] = [
    { at: '2026-01-01T00:00:01.000Z', node: 'a', event: 'log', unit: 'u', stream: 'stdout', line: `got ${token}` },
    { at: '2026-01-01T00:00:04.000Z', node: 'a', event: 'agent-gone', code: 0, signal: null },
  ]
  const decision = { ts: '2026-01-01T00:00:03.000Z', verdict: 'accepted' } as DecisionRecord
  const nodes = new Map([['a', { decisions: async () => [decision] }]])
  recordCall({ evidence: folder, secrets: new KnownSecrets() }, '2026-01-01T00:00:02.000Z', { token })
  const file = await writeHistory({ events: () => events, nodes, evidence: folder } as unknown as Site)

  const text = await readFile(file, 'utf8')
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { at: string; kind: string })
  expect(lines.map(({ kind }) => kind)).toEqual(['event', 'call', 'decision', 'event'])
  expect(lines.map(({ at }) => at)).toEqual(lines.map(({ at }) => at).toSorted())
  expect(leaksIn(text, [token])).toEqual([])
  expect((await stat(file)).mode & 0o777).toBe(0o600)
})

test('names of evidence are readable and do not collide', () => {
  expect(evidenceName("B's token over cA")).toMatch(/^b-s-token-over-ca-[0-9a-f]{6}$/)
  expect(evidenceName('a b')).not.toBe(evidenceName('a-b'))
})
