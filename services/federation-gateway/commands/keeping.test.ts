import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { bareEnvironment } from '../../shared/testing/environment.ts'
import { type Output, outputOf } from '../../shared/testing/output.ts'
import { Keyring } from '../sealing/keyring.ts'
import { addOutboundPeer } from '../storage/outbound-peers.ts'
import { readKey, storePendingKey } from '../storage/peer-keys.ts'
import { changeRootPin, databaseSalt, rootPin } from '../storage/settings.ts'
import { sql } from '../storage/statement.ts'
import type { TestDatabase } from '../storage/testing/cluster.ts'
import { databaseForEach } from '../storage/testing/for-each.ts'
import { makeTenant } from '../storage/testing/tenant.ts'
import { liveRoot } from '../testing/live.ts'

const OLD = 'ooooZk3mQ9xW1rT7yU2pL5sD8fG4hJ6cV0nA'
const NEW = 'nnnnZk3mQ9xW1rT7yU2pL5sD8fG4hJ6cV0nA'

const folder = mkdtempSync(join(tmpdir(), 'gateway-keeping-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let database: TestDatabase
let rootFile: string
let fingerprint: string
databaseForEach((fresh) => {
  database = fresh
})
beforeAll(async () => {
  const { certificate } = await liveRoot('root')
  rootFile = put('root.pem', String(certificate))
  fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase()
})

function put(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  chmodSync(path, 0o600)
  return path
}

function begin(args: readonly string[], change: object = {}): { child: ChildProcess } & Output {
  const configuration = {
    ...{ publicName: 'gateway-a.example', tier: 'standalone', databaseUrl: database.url },
    ...{ decisionLog: join(folder, 'log'), tls: { cert: 'cert', key: 'key' } },
    sealing: { secretFile: put('new', NEW), previousFile: put('old', OLD) },
    ...change,
  }
  const config = put('config.json', JSON.stringify(configuration))
  const flags = ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning']
  const main = join(import.meta.dirname, '../main.ts')
  const child = spawn(process.execPath, [...flags, main, ...args, '--config', config], { env: bareEnvironment })
  return { child, ...outputOf(child) }
}

const gateway = (args: readonly string[], change?: object) => begin(args, change).ended

test('keys rotate seals anew what a previous secret has sealed, tells what nothing opens, and keys status counts', async () => {
  const { tenantId, alice } = await makeTenant(database.owner)
  const salt = await databaseSalt(database.app)
  const [old, next] = [new Keyring({ secret: OLD, salt }), new Keyring({ secret: NEW, previous: [OLD], salt })]
  const strange = new Keyring({ secret: `x${OLD}`, salt })
  const place = async (name: string, by: Keyring) => {
    const peer = await addOutboundPeer(database.app, {
      ...{ tenantId, ownerUserId: alice, commonName: name, enrollmentUrl: 'https://b.example/', caPem: null },
    })
    const at = { rowId: crypto.randomUUID(), peerId: peer!.id }
    const sealedKey = by.seal(Buffer.from(name), at)
    await storePendingKey(database.app, { tenantId, peerId: at.peerId }, { id: at.rowId, sealedKey, csrPem: 'csr' })
    return at
  }
  const [mine, lost] = [await place('b.example', old), await place('c.example', strange)]

  const before = await gateway(['keys', 'status'])
  expect(JSON.parse(before.stdout)).toEqual({
    ...{ current: next.kid, previous: [old.kid], rows: { [old.kid]: 1, [strange.kid]: 1 }, outdated: 2 },
  })
  const rotated = await gateway(['keys', 'rotate'])
  expect(rotated).toMatchObject({ code: 1, stderr: '' })
  expect(JSON.parse(rotated.stdout)).toEqual({
    ...{ resealed: 1, unopened: [{ tenantId, ...lost, code: 'SEAL_KEY_UNKNOWN' }] },
  })
  const stored = await readKey(database.app, { tenantId, peerId: mine.peerId, slot: 'pending' })
  expect(new Keyring({ secret: NEW, salt }).open(stored!.sealedKey, mine).toString()).toBe('b.example')
  const after = await gateway(['keys', 'status'])
  expect(JSON.parse(after.stdout)).toMatchObject({ rows: { [next.kid]: 1, [strange.kid]: 1 }, outdated: 1 })

  await database.owner.query(sql`DELETE FROM federation_peer_credentials WHERE id = ${lost.rowId}::uuid`)
  expect(await gateway(['keys', 'rotate'])).toMatchObject({ code: 0, stdout: '{"resealed":0,"unopened":[]}\n' })
})

test('keys rotate without a secret, or with a weak one, says so and does nothing', async () => {
  expect(await gateway(['keys', 'rotate'], { sealing: undefined })).toMatchObject({
    ...{ code: 1, stderr: expect.stringMatching(/^gateway: secret_missing: sealing.secret/) },
  })
  expect(await gateway(['keys', 'rotate'], { sealing: { secretFile: put('weak', 'short') } })).toMatchObject({
    ...{ code: 78, stderr: expect.stringMatching(/^gateway: secret_weak: /) },
  })
})

test('ca repin takes the root in the file, unless another one is configured', async () => {
  await changeRootPin(database.app, 'b'.repeat(64))
  const stepCa = { url: 'https://ca.example', rootCertPath: rootFile }
  const wrong = await gateway(['ca', 'repin'], { stepCa: { ...stepCa, rootFingerprint: 'c'.repeat(64) } })
  expect(wrong).toMatchObject({ code: 78, stderr: expect.stringMatching(/^gateway: ca_root_pin: /) })
  expect(await rootPin(database.app)).toBe('b'.repeat(64))

  const pinned = await gateway(['ca', 'repin'], { stepCa })
  expect(pinned).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(pinned.stdout)).toEqual({ before: 'b'.repeat(64), rootSha256: fingerprint })
  expect(await rootPin(database.app)).toBe(fingerprint)
  expect(await gateway(['ca', 'repin'])).toMatchObject({ code: 1, stderr: expect.stringContaining('ca_missing') })
})

const ROWS = 2_500

test('audit archive ends by SIGINT after its portion, and goes on where it ended', async () => {
  await database.owner.query(sql`
    INSERT INTO federation_audit_log (id, at, request_id, direction, verb, outcome)
    SELECT gen_random_uuid(), timestamptz '2026-01-01Z' + make_interval(secs => n), n::text, 'inbound', 'list', 'allowed'
    FROM generate_series(1, ${ROWS}::int) n`)
  const count = async () =>
    (await database.owner.query<{ n: number }>(sql`SELECT count(*) AS n FROM federation_audit_archive`))[0]!.n
  // The second portion waits for somebody.
  const holder = new pg.Client({ connectionString: database.url })
  await holder.connect()
  await holder.query(`BEGIN; SELECT FROM federation_audit_log WHERE request_id = '1500' FOR UPDATE`)

  const { child, ended, stderr } = begin(['audit', 'archive', '--before', '2026-01-02'])
  await vi.waitFor(async () => expect(await count()).toBe(1_000), { timeout: 20_000, interval: 50 })
  child.kill('SIGINT')
  await vi.waitFor(() => expect(stderr()).toContain('ends after this portion'), { timeout: 10_000, interval: 20 })
  expect(child.exitCode).toBe(null)
  await holder.end()

  expect(await ended).toMatchObject({
    ...{ code: 130, stdout: '' },
    stderr: expect.stringMatching(
      /gateway: interrupted: audit archive ended after 2000 of 2500 rows \(80 %\); what was done stays done: run this again/,
    ),
  })
  expect(await count()).toBe(2_000)
  expect(await gateway(['audit', 'archive', '--before', '2026-01-02'])).toMatchObject({
    code: 0,
    stdout: '{"moved":500}\n',
  })
  expect(await count()).toBe(ROWS)
})

test.each(['2026-02-31', 'yesterday', '2026-1-1', '2026-01-01T10:00'])(
  '%s is no date to archive by',
  async (before) => {
    expect(await gateway(['audit', 'archive', '--before', before])).toMatchObject({
      ...{ code: 2, stderr: expect.stringContaining('must be a day such as 2026-01-31') },
    })
  },
)

test('doctor ends with 1 and one JSON value where something fails, and its table names what to do', async () => {
  const told = await gateway(['doctor', '--json'], { tls: { cert: join(folder, 'none'), key: join(folder, 'none') } })
  expect(told.code).toBe(1)
  const report = JSON.parse(told.stdout) as { ok: boolean; checks: { id: string; status: string }[] }
  expect(report.ok).toBe(false)
  expect(report.checks.filter(({ status }) => status === 'fail').map(({ id }) => id)).toEqual([
    'tls.server-certificate',
  ])

  const table = await gateway(['doctor'], { unknown: 1 })
  expect(table).toMatchObject({ code: 1, stderr: '' })
  expect(table.stdout).toMatch(/^fail +config\.schema +\d+ +.*Unrecognized key: "unknown"; see gateway --help/m)
  expect(table.stdout).toMatch(/something failed, tier not known: 0 ok · 0 warn · 1 fail · 18 skip\n$/)
})

test('schema prints the JSON Schema of the configuration', async () => {
  const { code, stdout } = await gateway(['schema'])
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({
    title: 'gateway.json',
    additionalProperties: false,
    required: ['publicName', 'tls', 'decisionLog'],
  })
})
