import { appendFileSync, chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as asn1 from '@peculiar/asn1-x509'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { loadConfiguration } from '../../shared/configuration.ts'
import { formProgram } from '../config.ts'
import { Keyring } from '../sealing/keyring.ts'
import { LogFiles } from '../storage/audit/log-file.ts'
import type { AuditState } from '../storage/audit/writer.ts'
import { addOutboundPeer } from '../storage/outbound-peers.ts'
import { storePendingKey } from '../storage/peer-keys.ts'
import { databaseSalt, recordedRootPin, setSetting } from '../storage/settings.ts'
import { sql } from '../storage/statement.ts'
import type { TestDatabase } from '../storage/testing/cluster.ts'
import { databaseForEach } from '../storage/testing/for-each.ts'
import { makeTenant } from '../storage/testing/tenant.ts'
import { type LeafChanges, makeKeys, OIDS, type TestCa, uuidExtension } from '../testing/certificates.ts'
import { type Answer, holdServer, json, type LiveServer, liveRoot, liveServer, liveSub } from '../testing/live.ts'
import { makeProvisionerJwk } from '../testing/provisioner.ts'
import { draftOf } from '../testing/signing-ca.ts'
import { CHECK_IDS, type Check, type CheckId, doctorReportSchema } from '../wire/doctor.ts'
import { vector, version } from './database-checks.ts'
import { doctor } from './doctor.ts'
import type { DoctorDeps, Examined } from './examined.ts'

const SECRET = 'bbbbZk3mQ9xW1rT7yU2pL5sD8fG4hJ6cV0nA'
const NAME = 'gateway-b.example'
const HOUR = 3_600_000

// biome-ignore lint/suspicious/noExplicitAny: what is wrong with a configuration may be anything.
type Given = any

const folder = mkdtempSync(join(tmpdir(), 'gateway-doctor-'))
let root: TestCa
let issuing: TestCa
let ca: LiveServer
/** What the CA answers, by path. */
let answers: Record<string, Answer>
let provisioner: Given
let jwk: Awaited<ReturnType<typeof makeProvisionerJwk>>
let good: Record<string, Given>
let database: TestDatabase
let list: Buffer
let files = 0

function put(text: string | Uint8Array, mode = 0o600): string {
  files += 1
  const path = join(folder, `${files}`)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

databaseForEach((fresh) => {
  database = fresh
})

beforeAll(async () => {
  root = await liveRoot('root')
  issuing = await liveSub(root, 'issuing')
  jwk = await makeProvisionerJwk()
  const { cert, key: caKey } = await holdServer(root, ['localhost'])
  ca = await liveServer({ cert, key: caKey }, (request, response, body) => {
    const answer = answers[URL.parse(request.url!, ca.url)!.pathname]
    if (answer === undefined) json(response, 404, {})
    else answer(request, response, body)
  })
  const server = await holdServer(issuing, [NAME], { notAfter: new Date(Date.now() + 48 * HOUR) })
  good = {
    ...{ tier: 'federated', publicName: NAME, decisionLog: join(folder, 'decisions.jsonl') },
    sealing: { secretFile: put(SECRET) },
    stepCa: {
      ...{ url: ca.url, rootCertPath: put(String(root.certificate)), rootFingerprint: root.certificate.fingerprint256 },
      provisionerKeyFile: put(JSON.stringify(jwk)),
    },
    tls: { cert: put(server.cert + String(issuing.certificate)), key: put(server.key) },
    clientCa: put(`${root.certificate}\n${issuing.certificate}\n`),
    crl: { rootCrlFile: put(await root.crl({ point: undefined, ...live() })) },
  }
})
afterAll(async () => {
  await ca[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

function pointOf(url: string) {
  const fullName = [new asn1.GeneralName({ uniformResourceIdentifier: url })]
  return { distributionPoint: new asn1.DistributionPointName({ fullName }) }
}

function live() {
  return { thisUpdate: new Date(Date.now() - 60_000), nextUpdate: new Date(Date.now() + HOUR) }
}

beforeEach(async () => {
  provisioner = { type: 'JWK', name: 'mosaic-fed', key: { kid: jwk.kid }, claims: { disableRenewal: true } }
  list = await issuing.crl({ ...live(), point: pointOf(`${ca.url}/1.0/crl`) })
  answers = {
    '/health': (_, response) => json(response, 200, { status: 'ok' }),
    '/provisioners': (_, response) => json(response, 200, { provisioners: [provisioner], nextCursor: '' }),
    '/1.0/crl': (_, response) => void response.writeHead(200).end(list),
  }
})

const merged = (change: Record<string, Given>) =>
  Object.fromEntries(
    [...new Set([...Object.keys(good), ...Object.keys(change)])].map((key) => {
      const [from, to] = [good[key], change[key]]
      if (!(key in change)) return [key, from]
      return [key, to?.constructor === Object && from?.constructor === Object ? { ...from, ...to } : to]
    }),
  )

async function examine(change: Record<string, Given> = {}, deps: Partial<DoctorDeps> = {}) {
  const given = merged({ databaseUrl: database.url, ...change })
  const file = put(JSON.stringify(given))
  const report = await doctor({
    load: () => loadConfiguration(formProgram, { file, environment: {} }),
    ...deps,
  })
  expect(doctorReportSchema.parse(report)).toEqual(report)
  expect(report.checks.map(({ id }) => id)).toEqual(CHECK_IDS)
  const text = JSON.stringify(report)
  for (const secret of [SECRET, String(jwk.d)]) expect(text).not.toContain(secret)
  const by = (status: Check['status']) => report.checks.filter((check) => check.status === status)
  const find = (id: CheckId) => report.checks.find((check) => check.id === id)!
  return { report, by, find, failed: by('fail').map(({ id }) => id) }
}

test('a gateway that nothing is wrong with is told so, check by check', async () => {
  const { report, by } = await examine()

  expect(report).toMatchObject({ tier: 'federated', ok: true })
  const expected = {
    'postgres.vector': ['skip', /nothing needs it/],
    'seal.round-trip': ['skip', /before the first start/],
    'seal.rows-readable': ['skip', /before the first start/],
    'audit.lag': ['skip', /not there before the first start/],
  } as Record<CheckId, [string, RegExp]>
  expect(by('skip').map(({ id }) => id)).toEqual(Object.keys(expected))
  expect(by('ok')).toHaveLength(CHECK_IDS.length - 4)
  for (const { detail, remedy } of report.checks) expect([detail, remedy]).toEqual([expect.stringMatching(/./), null])
})

test('what is there after the first start is looked at, too', async () => {
  await sealed()
  await recordedRootPin(database.app, fingerprint())
  writeFileSync(good.decisionLog, '')

  const { by, find } = await examine()

  expect(by('fail')).toEqual([])
  expect(by('skip').map(({ id }) => id)).toEqual(['postgres.vector'])
  expect(find('seal.rows-readable').detail).toBe('1 keys of peers open')
  expect(find('ca.pin').detail).toContain('as configured and recorded')
  rmSync(good.decisionLog)
})

test.each(['local', 'standalone'])('in tier %s nothing of federation is looked at', async (tier) => {
  const { report, find } = await examine({
    ...{ tier, sealing: undefined, stepCa: undefined, crl: undefined },
    databaseUrl: tier === 'local' ? undefined : database.url,
    clientCa: good.clientCa,
  })
  expect(report).toMatchObject({ tier, ok: true })
  expect(find('ca.https')).toMatchObject({ status: 'skip', detail: `tier ${tier} has no federation` })
  expect(find('secret.strength').status).toBe('skip')
  expect(find('postgres.connect').status).toBe(tier === 'local' ? 'skip' : 'ok')
})

test('in tier local, what keeps its own PostgreSQL from being started fails postgres.connect', async () => {
  const local = { tier: 'local', sealing: undefined, stepCa: undefined, crl: undefined, databaseUrl: undefined }
  const program = put('', 0o755)
  const beside = join(folder, 'initdb')
  const look = (postgres: string) => examine({ ...local, postgres, dataDir: join(folder, 'none') })
  const [absent, bare, unexecutable] = [await look(join(folder, 'no')), await look(program), await look(put('', 0o644))]
  writeFileSync(beside, '', { mode: 0o755 })
  const whole = await look(program)
  rmSync(beside)

  const remedy = 'name the program of a PostgreSQL (postgres)'
  for (const [{ failed, find }, said] of [
    [absent, /\/no cannot be executed \(ENOENT\)$/],
    [bare, /\/initdb cannot be executed \(ENOENT\)$/],
    [unexecutable, /cannot be executed \(EACCES\)$/],
  ] as const) {
    expect(failed).toEqual(['postgres.connect'])
    expect(find('postgres.connect')).toMatchObject({ detail: expect.stringMatching(said), remedy })
  }
  expect(whole.find('postgres.connect')).toMatchObject({
    status: 'skip',
    detail: expect.stringContaining('does not run'),
  })
})

const fingerprint = () => root.certificate.fingerprint256.replaceAll(':', '').toLowerCase()

/** One peer, whose key is sealed as the configuration says. */
async function sealed(secret = SECRET): Promise<{ peerId: string; rowId: string }> {
  const { tenantId, alice } = await makeTenant(database.owner)
  const peer = await addOutboundPeer(database.app, {
    ...{ tenantId, ownerUserId: alice, commonName: 'b.example', enrollmentUrl: 'https://b.example/', caPem: null },
  })
  const keyring = new Keyring({ secret, salt: await databaseSalt(database.app) })
  const place = { rowId: crypto.randomUUID(), peerId: peer!.id }
  const sealedKey = keyring.seal(Buffer.from('a key'), place)
  await storePendingKey(database.app, { tenantId, peerId: peer!.id }, { id: place.rowId, sealedKey, csrPem: 'csr' })
  return place
}

/** What fails alone: all else is as it was, or rests on it. */
test.each<
  [
    what: string,
    id: CheckId,
    change: () => Record<string, Given> | Promise<Record<string, Given>>,
    detail: RegExp,
    remedy: RegExp,
  ]
>([
  ['a key that nobody knows', 'config.schema', () => ({ tire: 'x' }), /Unrecognized key: "tire"/, /gateway --help/],
  [
    'a secret that others can read',
    'config.schema',
    () => ({ sealing: { secretFile: put(SECRET, 0o644) } }),
    /can be read by others/,
    /make it 0600/,
  ],
  [
    'no list of the root',
    'tier.consistent',
    () => ({ crl: undefined }),
    /crl.rootCrlFile is missing/,
    /choose another tier/,
  ],
  [
    'a weak secret',
    'secret.strength',
    () => ({ sealing: { secretFile: put('short') } }),
    /less than 32 bytes/,
    /openssl rand/,
  ],
  [
    'a database that is not there',
    'postgres.connect',
    () => ({ databaseUrl: 'postgres://keeper@127.0.0.1:1/none' }),
    /none at 127.0.0.1:1 does not answer \(ECONNREFUSED\)/,
    /see that it runs/,
  ],
  [
    'a URL of something else',
    'postgres.connect',
    () => ({ databaseUrl: 'mysql://h/x' }),
    /no URL of a PostgreSQL/,
    /postgres:\/\//,
  ],
  [
    'a certificate of another name',
    'tls.server-certificate',
    async () => serverFiles(await holdServer(root, ['c.example'])),
    /no DNS SAN for gateway-b/,
    /get one that has/,
  ],
  [
    'a certificate without the CA between',
    'tls.server-certificate',
    async () => serverFiles(await holdServer(issuing, [NAME])),
    /does not lead to the root of the CA/,
    /put the certificates between behind it/,
  ],
  [
    'a certificate that has not begun',
    'tls.server-certificate',
    async () => serverFiles(await holdServer(root, [NAME], { notBefore: new Date(Date.now() + 60_000) })),
    /begins /,
    /see the clocks/,
  ],
  [
    'a chain in the wrong order',
    'tls.server-certificate',
    async () => {
      const { cert, key } = await holdServer(issuing, [NAME])
      return { tls: { cert: put(cert + String(root.certificate) + String(issuing.certificate)), key: put(key) } }
    },
    /certificate 2 in .* has not signed/,
    /put the certificate first/,
  ],
  [
    'a CA by plain http',
    'ca.https',
    () => ({ stepCa: { url: 'http://ca.example' } }),
    /not https/,
    /nothing is asked of a CA by any other way/,
  ],
  [
    'a CA that is not there',
    'ca.https',
    () => ({ stepCa: { url: 'https://localhost:1' } }),
    /cannot be reached/,
    /see that the CA runs/,
  ],
  [
    'a CA that hides its health',
    'ca.health',
    () => {
      answers['/health'] = (_, response) => json(response, 200, { status: 'starting' })
      return {}
    },
    /does not say that it is well/,
    /see its log/,
  ],
  [
    'another pin',
    'ca.pin',
    () => ({ stepCa: { rootFingerprint: 'a'.repeat(64) } }),
    /another root than the pinned one/,
    /or pin this one/,
  ],
  [
    'another recorded pin',
    'ca.pin',
    async () => {
      await recordedRootPin(database.app, 'b'.repeat(64))
      return { stepCa: { rootFingerprint: undefined } }
    },
    /and b{64} is recorded/,
    /gateway ca repin/,
  ],
  [
    'a provisioner that the CA does not have',
    'ca.provisioner',
    () => ({ stepCa: { provisionerName: 'other' } }),
    /no provisioner other/,
    /STEP_CA_PROVISIONER_NAME/,
  ],
  [
    'a provisioner of another key',
    'ca.provisioner',
    () => {
      provisioner.key.kid = 'k'.repeat(43)
      return {}
    },
    /has another key than/,
    /give the key of this provisioner/,
  ],
  [
    'a public provisioner key',
    'ca.provisioner',
    () => ({ stepCa: { provisionerKeyFile: put(JSON.stringify({ ...jwk, d: undefined })) } }),
    /public key/,
    /./,
  ],
  [
    'a list of another issuer',
    'ca.crl',
    async () => {
      list = await (await liveSub(root, 'other')).crl({ ...live(), point: pointOf(`${ca.url}/1.0/crl`) })
      return {}
    },
    /of another issuer/,
    /crl.enabled/,
  ],
  [
    'no list',
    'ca.crl',
    () => {
      delete answers['/1.0/crl']
      return {}
    },
    /answers 404 and no list/,
    /crl.enabled/,
  ],
  [
    'no file with the list of the root',
    'ca.crl',
    () => ({ crl: { rootCrlFile: join(folder, 'none') } }),
    /ENOENT/,
    /crl.rootCrlFile/,
  ],
])('%s fails %s alone, and the remedy is told', async (_, id, change, detail, remedy) => {
  const { find, failed, report } = await examine(await change())
  expect({ ok: report.ok, failed }).toEqual({ ok: false, failed: [id] })
  expect(find(id)).toMatchObject({ detail: expect.stringMatching(detail), remedy: expect.stringMatching(remedy) })
})

function serverFiles({ cert, key }: { cert: string; key: string }) {
  return { tls: { cert: put(cert), key: put(key) } }
}

test('a CA of another root is found at the handshake', async () => {
  const other = await liveRoot('other')
  const { failed, find } = await examine({
    stepCa: { rootCertPath: put(String(other.certificate)), rootFingerprint: undefined },
    clientCa: put(String(other.certificate)),
    ...serverFiles(await holdServer(other, [NAME])),
  })
  expect(failed).toEqual(['ca.https'])
  expect(find('ca.https').remedy).toContain('put the root of this CA')
  expect(find('ca.health')).toMatchObject({ status: 'skip', detail: 'see ca.https' })
})

test.each<[aheadSeconds: number, Check['status'], RegExp]>([
  [0, 'ok', /is right/],
  [20, 'ok', /(19|20) s ahead/],
  [45, 'warn', /4[45] s ahead/],
  [-45, 'warn', /4[45] s behind/],
  [65, 'fail', /6[45] s ahead: certificates are refused as not yet valid, or as expired/],
  [-65, 'fail', /6[45] s behind: certificates are refused/],
])('a CA whose clock is %i s ahead: ca.clock says %s', async (seconds, status, detail) => {
  answers['/health'] = (_, response) => {
    response.setHeader('date', new Date(Date.now() + seconds * 1_000).toUTCString())
    json(response, 200, { status: 'ok' })
  }
  const { find, report } = await examine()
  expect(report.ok).toBe(status !== 'fail')
  expect(find('ca.clock')).toMatchObject({ status, detail: expect.stringMatching(detail) })
  if (status !== 'ok') expect(find('ca.clock').remedy).toContain('NTP')
})

/** Servers that there are none of here. */
const serverWith = (row: object): Examined => ({ login: { query: async () => [row] } }) as never

test('a PostgreSQL older than 15 fails', async () => {
  expect(await version(serverWith({ number: 150_000, name: '15.0' }))).toMatchObject({ status: 'ok' })
  expect(await version(serverWith({ number: 149_999, name: '14.99' }))).toEqual({
    ...{ status: 'fail', detail: 'PostgreSQL 14.99 is too old', remedy: 'name one of version 15 or newer' },
  })
})

test('an extension that is there is told by its version', async () => {
  expect(await vector(serverWith({ version: '0.8.0' }))).toEqual({ status: 'ok', detail: 'vector 0.8.0' })
})

test('a CA that renews by itself, and a certificate that ends soon, are warned of', async () => {
  provisioner.claims = null
  const { cert, key } = await holdServer(issuing, [NAME])
  const { report, by } = await examine({ tls: { cert: put(cert + String(issuing.certificate)), key: put(key) } })
  expect(report.ok).toBe(true)
  expect(by('warn').map(({ id }) => id)).toEqual(['tls.server-certificate', 'ca.provisioner'])
})

test('a deep look has a certificate issued, judged and revoked', async () => {
  const signed: string[] = []
  const sign = (change: LeafChanges): Answer => {
    return async (_, response, body) => {
      const { claims: _claims, ...draft } = await draftOf(JSON.parse(body))
      const extensions = { ...draft.extensions, ...change.extensions }
      const leaf = await issuing.issue({ ...draft, ...change, extensions })
      signed.push(leaf.serialNumber)
      json(response, 201, { certChain: [String(leaf), String(issuing.certificate)] })
    }
  }
  const revoked: string[] = []
  answers['/1.0/revoke'] = (_, response, body) => {
    revoked.push(BigInt(JSON.parse(body).serial).toString(16).toUpperCase())
    json(response, 200, { status: 'ok' })
  }
  answers['/1.0/sign'] = sign({})
  expect((await examine()).find('ca.provisioner').status).toBe('ok')
  expect(signed).toEqual([])
  const { find, report } = await examine({}, { isDeep: true })
  expect([report.ok, find('ca.provisioner').detail]).toEqual([
    true,
    expect.stringContaining('has both extensions, and was revoked'),
  ])
  expect(revoked.map(numberOf)).toEqual(signed.map(numberOf))

  const defects: [LeafChanges, RegExp, RegExp][] = [
    [{ extensions: { grant: undefined } }, /does not name grant and subject/, /templateFile/],
    [
      { extensions: { subject: uuidExtension(OIDS.subject, crypto.randomUUID()) } },
      /does not name grant and subject/,
      /templateFile/,
    ],
    [{ extensions: { purpose: undefined } }, /is not one for clients alone/, /templateFile/],
    [{ subject: 'CN=other.example' }, /has other names/, /templateFile/],
    [{ keys: await makeKeys() }, /is for another key/, /stands between/],
    [{ notAfter: new Date(Date.now() + HOUR) }, /for longer than was asked for/, /claims of the provisioner/],
  ]
  for (const [change, detail, remedy] of defects) {
    answers['/1.0/sign'] = sign(change)
    const found = await examine({}, { isDeep: true })
    expect(found.failed).toEqual(['ca.provisioner'])
    expect(found.find('ca.provisioner')).toMatchObject({
      detail: expect.stringMatching(detail),
      remedy: expect.stringMatching(remedy),
    })
  }
  expect(revoked).toHaveLength(1 + defects.length)

  answers['/1.0/sign'] = (_, response) => json(response, 403, {})
  const refused = await examine({}, { isDeep: true })
  expect(refused.find('ca.provisioner')).toMatchObject({
    status: 'fail',
    remedy: expect.stringContaining('see the log of the CA'),
  })
})

const numberOf = (hex: string) => BigInt(`0x${hex}`)

test('a key that does not open is named by its peer, and one of a previous secret is for rotation', async () => {
  const { peerId } = await sealed()
  const other = `other-${SECRET}`
  const rotated = await examine({ sealing: { secretFile: put(other), previousFile: put(SECRET) } })
  expect(rotated.find('seal.rows-readable')).toMatchObject({ status: 'warn', remedy: 'run gateway keys rotate' })

  const dropped = await examine({ sealing: { secretFile: put(other) } })
  expect(dropped.failed).toEqual(['seal.rows-readable'])
  expect(dropped.find('seal.rows-readable')).toMatchObject({
    detail: expect.stringMatching(new RegExp(`^1 of 1 keys do not open: the sealed key of peer ${peerId}`)),
    remedy: expect.stringContaining('BETTER_AUTH_SECRET_PREVIOUS'),
  })
  expect(dropped.find('seal.round-trip').status).toBe('ok')
})

test.each<[CheckId, string, RegExp, RegExp]>([
  [
    'postgres.migrations',
    `INSERT INTO migrations (name, checksum) VALUES ('9999-later', 'x')`,
    /9999-later .* is not known here/,
    /start the version of the gateway that made it/,
  ],
  ['postgres.migrations', `DELETE FROM migrations WHERE name LIKE '0006%'`, /lacks 0006/, /run gateway migrate/],
  [
    'postgres.append-only',
    'ALTER TABLE federation_audit_log DISABLE TRIGGER federation_audit_is_append_only',
    /no trigger on federation_audit_log/,
    /put the trigger back/,
  ],
  [
    'postgres.append-only',
    'GRANT UPDATE ON federation_audit_log TO gateway_app',
    /UPDATE federation_audit_log/,
    /own nothing/,
  ],
])('%s fails after %s', async (id, statement, detail, remedy) => {
  await database.owner.query({ text: statement, values: [] })
  const { find, failed } = await examine()
  expect(failed).toEqual([id])
  expect(find(id)).toMatchObject({ detail: expect.stringMatching(detail), remedy: expect.stringMatching(remedy) })
})

const state: AuditState = {
  ...{ queued: 0, stored: 1, dropped: 0, refilled: 0, rejected: 0, isBehind: false, failingSince: undefined },
}

test.each<[string, Partial<AuditState>, Check['status'], RegExp]>([
  ['stores all', {}, 'ok', /^0 rows wait/],
  ['is behind', { isBehind: true, dropped: 7 }, 'warn', /7 were dropped/],
  ['lost a row', { rejected: 1 }, 'warn', /1 refused/],
  ['cannot store', { failingSince: new Date(0) }, 'fail', /nothing could be stored since 1970/],
])('a gateway that %s says so itself', async (_, change, status, detail) => {
  const { find } = await examine({}, { auditState: () => ({ ...state, ...change }) })
  expect(find('audit.lag')).toMatchObject({ status, detail: expect.stringMatching(detail) })
})

test('from outside, the audit lags by what the decision log has and the database does not', async () => {
  const line = (ts: string) =>
    `${JSON.stringify({ ts, audit: { direction: 'inbound', verb: 'list' }, requestId: ts, principal: {}, verdict: 'accepted' })}\n`
  const at = (ms: number) => new Date(Date.now() - ms).toISOString()
  const lag = async (text: string) => {
    writeFileSync(good.decisionLog, text)
    return (await examine()).find('audit.lag')
  }
  // What is no request of the audit may be as old as it wants.
  expect(await lag(`${JSON.stringify({ ts: at(HOUR), requestId: 'x' })}\n`)).toMatchObject({ status: 'ok' })
  expect(await lag(line(at(0)))).toMatchObject({ status: 'ok', detail: 'the last rows are on their way' })
  expect(await lag(line(at(20_000)))).toMatchObject({ status: 'warn' })
  const old = line(at(120_000))
  expect(await lag(old)).toMatchObject({ status: 'fail', remedy: expect.stringContaining('see that the gateway runs') })
  using log = new LogFiles(good.decisionLog)
  await setSetting(database.app, 'audit-position-gateway-b/gateway', log.position(old.length))
  expect(await lag(old)).toMatchObject({ status: 'ok', detail: 'every decision is in the audit' })
  // What was renamed counts no less than what came after it.
  renameSync(good.decisionLog, `${good.decisionLog}.1`)
  expect(await lag('')).toMatchObject({ status: 'ok' })
  appendFileSync(`${good.decisionLog}.1`, old)
  expect(await lag('')).toMatchObject({ status: 'fail' })
  rmSync(`${good.decisionLog}.1`)
  // Under the same path, and of the same length, there is another one.
  const other = line(at(121_000))
  expect(other).toHaveLength(old.length)
  expect(await lag(other)).toMatchObject({ status: 'fail' })
  rmSync(good.decisionLog)
})

test('a login that is no member fails postgres.roles alone', async () => {
  await database.owner.query(sql`CREATE ROLE stranger LOGIN`)
  const { failed, find } = await examine({ databaseUrl: database.url.replace('keeper', 'stranger') })
  expect(failed).toEqual(['postgres.roles'])
  expect(find('postgres.roles')).toMatchObject({
    detail: 'the login is no member of gateway_app and gateway_archiver',
    remedy: 'GRANT gateway_app, gateway_archiver TO the login',
  })
  expect(find('postgres.migrations')).toMatchObject({
    status: 'skip',
    detail: expect.stringContaining('postgres.roles'),
  })
})

test('a role that may log in fails postgres.roles alone', async () => {
  await database.owner.query(sql`ALTER ROLE gateway_archiver LOGIN`)
  try {
    const { failed, find } = await examine()
    expect(failed).toEqual(['postgres.roles'])
    expect(find('postgres.roles').detail).toBe('gateway_archiver may log in, or do more than a gateway may')
  } finally {
    // Roles are those of the server, and so of all tests here.
    await database.owner.query(sql`ALTER ROLE gateway_archiver NOLOGIN`)
  }
})

test('a database over a network without a proof of who it is, is warned of', async () => {
  const host = database.url.replace('127.0.0.1', '0.0.0.0')
  const { find } = await examine({ databaseUrl: host })
  expect(find('postgres.connect')).toMatchObject({ status: 'warn', remedy: 'add sslmode=verify-full to databaseUrl' })
})
