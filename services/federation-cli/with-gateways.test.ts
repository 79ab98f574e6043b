import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../federation-gateway/storage/testing/cluster.ts'
import { makeTenant, type TestTenant } from '../federation-gateway/storage/testing/tenant.ts'
import { type GatewaySite, gatewaySite, startGateway } from '../federation-gateway/testing/gateway.ts'
import { holdServer } from '../federation-gateway/testing/live.ts'
import { type StepCa, stepCa } from '../federation-gateway/testing/step-ca.ts'
import type { DoctorReport } from '../federation-gateway/wire/doctor.ts'
import { bareEnvironment } from '../shared/testing/environment.ts'
import { outputOf, type Ran } from '../shared/testing/output.ts'

// Two real gateways over a database each, and the real step-ca: from nothing to a peer that can be asked, and to its end.

const OPERATOR = 'operator-token-of-more-than-32-bytes-for-both'
const NAMES = new URL('../shared/testing/loopback-names.ts', import.meta.url).href

interface Place extends GatewaySite {
  readonly name: string
  readonly tenant: TestTenant
  /** What `federation` says there, to the administrator of it. */
  federation(...args: string[]): Promise<Ran>
}

const owned = new AsyncDisposableStack()
let ca: StepCa
let a: Place
let b: Place
beforeAll(async () => {
  const cluster = owned.use(await startCluster())
  ca = owned.use(await stepCa())
  a = await place(cluster, 'gateway-a.somebiz.local.io')
  b = await place(cluster, 'gateway-b.somebiz.local.io')
}, 180_000)
afterAll(() => owned.disposeAsync())

async function place(cluster: Cluster, name: string): Promise<Place> {
  const database = owned.use(await cluster.database())
  const tenant = await makeTenant(database.owner)
  const site = owned.use(await gatewaySite(database))
  const { put } = site
  const server = await holdServer(ca.root, [name])
  const times = { thisUpdate: new Date(Date.now() - 60_000), nextUpdate: new Date(Date.now() + 600_000) }
  const { kid, key } = ca.key
  owned.use(
    await startGateway(site, {
      publicName: name,
      admin: { operatorTokenFile: put('operator', OPERATOR) },
      stepCa: {
        ...{ url: ca.url, rootCertPath: put('step-root.pem', String(ca.root.certificate)) },
        provisionerKeyFile: put('step.json', JSON.stringify({ ...key.export({ format: 'jwk' }), kid })),
      },
      clientCa: put('step-clients.pem', `${ca.root.certificate}${ca.issuing.certificate}`),
      tls: { cert: put('step-server.pem', server.cert), key: put('step-server.key', server.key) },
      crl: { rootCrlFile: put('step-root.crl', await ca.root.crl({ ...times, point: undefined })), refreshSeconds: 1 },
    }),
  )
  const env = {
    ...bareEnvironment,
    FEDERATION_URL: `https://${name}:${site.ports.public}`,
    FEDERATION_ADMIN_TOKEN_FILE: put('operator', OPERATOR),
    FEDERATION_CA: put('step-root.pem', String(ca.root.certificate)),
    FEDERATION_TENANT: tenant.tenantId,
  }
  return { ...site, name, tenant, federation: (...args) => runFederation(args, env, site.folder) }
}

async function runFederation(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<Ran> {
  const flags = ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning', '--import', NAMES]
  const child = spawn(process.execPath, [...flags, join(import.meta.dirname, 'main.ts'), ...args], { cwd, env })
  return outputOf(child).ended
}

/** The one JSON value of a command that is done. */
// biome-ignore lint/suspicious/noExplicitAny: the schemas of the wire have judged it.
async function done(ran: Promise<Ran>): Promise<any> {
  const { code, stdout, stderr } = await ran
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(stdout)
}

/** From B's grant to A's peer. */
async function lend(subject: 'alice' | 'bob'): Promise<{ grantId: string; peerId: string }> {
  const peers = await done(b.federation('peer', 'list', '--json'))
  if (peers.peers.length === 0) await done(b.federation('peer', 'register', a.name, '--json'))
  const scope = b.put('scope.json', JSON.stringify({ resources: ['tasks', 'notes'] }))
  const parties = ['--user', subject, '--peer', a.name, '--scope', scope]
  const grant = await done(b.federation('grant', 'create', ...parties, '--json'))
  expect(grant).toMatchObject({
    status: 'pending',
    effectiveScope: expect.stringMatching(new RegExp(`^${subject}: own tasks`)),
  })
  const invitation = join(b.folder, `${grant.id}.json`)
  await done(b.federation('grant', 'token', grant.id, '--out', invitation, '--json'))
  const peer = await done(a.federation('peer', 'add', '--invitation', invitation, '--for', subject, '--json'))
  expect(peer).toMatchObject({ direction: 'outbound', commonName: b.name, state: 'active', remoteGrantId: grant.id })
  return { grantId: grant.id, peerId: peer.id }
}

test('both are well, by their own doctors', async () => {
  for (const at of [a, b]) {
    const { code, stdout } = await at.federation('doctor', '--json')
    const report = JSON.parse(stdout) as DoctorReport
    expect(report.checks.filter(({ status }) => status === 'fail')).toEqual([])
    expect([code, report.ok]).toEqual([0, true])
  }
})

test('a peer is invited, added, renewed and revoked by the command line alone', async () => {
  const { grantId, peerId } = await lend('alice')
  expect(await done(b.federation('grant', 'show', grantId, '--json'))).toMatchObject({
    ...{ status: 'active', certificates: [{ state: 'issued' }] },
  })
  const before = await done(a.federation('peer', 'show', peerId, '--json'))
  const renewed = await done(a.federation('peer', 'renew', peerId, '--json'))
  const serials = [before, renewed].map(({ certificates }) => {
    return certificates.find(({ state }: { state: string }) => state === 'current').serial
  })
  expect(new Set(serials).size).toBe(2)

  const revoked = await done(b.federation('grant', 'revoke', grantId, '--reason', 'left us', '--json'))
  expect(revoked).toMatchObject({ status: 'revoked', certificateRevocation: 'effective', endReason: 'left us' })
  const again = await done(b.federation('grant', 'revoke', grantId, '--json'))
  expect(again).toMatchObject({ status: 'revoked', endReason: 'left us' })
  // A revoked grant takes no token, and leaves no file.
  const token = await b.federation('grant', 'token', grantId, '--out', join(b.folder, 'late.json'))
  expect(token).toMatchObject({ code: 1, stderr: expect.stringContaining('409 conflict') })

  const { items } = await done(b.federation('audit', '--grant', grantId, '--json'))
  expect(items.map(({ verb }: { verb: string }) => verb)).toEqual(expect.arrayContaining(['enrol', 'renew']))
  const status = await b.federation('status')
  expect(status).toMatchObject({ code: 0, stdout: expect.stringContaining(`gateway      ${b.name}, tier federated`) })
  const removed = await done(a.federation('peer', 'remove', peerId, '--json'))
  expect(removed).toEqual({ id: peerId, direction: 'outbound', state: 'removed' })
})

test('a token that was used is no invitation any more, and the peer that was begun takes the next one', async () => {
  const scope = b.put('scope.json', JSON.stringify({ resources: ['tasks'] }))
  const grant = await done(
    b.federation('grant', 'create', '--user', 'bob', '--peer', a.name, '--scope', scope, '--json'),
  )
  const first = await done(b.federation('grant', 'token', grant.id, '--json'))
  const file = a.put('first.json', JSON.stringify(first))
  const peer = await done(a.federation('peer', 'add', '--invitation', file, '--for', 'bob', '--json'))
  await done(a.federation('peer', 'remove', peer.id, '--json'))

  const used = await a.federation('peer', 'add', '--invitation', file, '--for', 'bob')
  expect(used).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/410 gone.*--re-enrol.*--resume [0-9a-f-]{36} with it/),
  })
  const [, begun = ''] = /--resume ([0-9a-f-]{36})/.exec(used.stderr) ?? []
  const next = join(b.folder, 'next.json')
  await done(b.federation('grant', 'token', grant.id, '--re-enrol', '--out', next, '--json'))
  const added = await done(a.federation('peer', 'add', '--resume', begun, '--invitation', next, '--json'))
  expect(added).toMatchObject({ id: begun, state: 'active', remoteGrantId: grant.id })
})

test('a scope that is none is refused with each mistake, and a peer that is there with its conflict', async () => {
  const scope = b.put('bad.json', JSON.stringify({ resources: ['tasks', 'everything'], more: 1 }))
  const { items } = { items: (await done(b.federation('peer', 'list', '--json'))).peers }
  const bad = await b.federation('grant', 'create', '--user', 'alice', '--peer', items[0].id, '--scope', scope)
  expect(bad).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/422 invalid_scope.*resources\.1: must be one of .*more: is not known/),
  })
  const twice = await b.federation('peer', 'register', a.name)
  expect(twice).toMatchObject({ code: 1, stderr: expect.stringContaining('409 conflict') })
})

test('without its CA a revoke ends with 1 after 10 s, refused already; and an invitation stays good for when the CA is back', async () => {
  const { grantId, peerId } = await lend('alice')
  const scope = b.put('scope.json', JSON.stringify({ resources: ['tasks'] }))
  await done(b.federation('peer', 'register', 'gateway-c.example', '--json'))
  const parties = ['--user', 'bob', '--peer', 'gateway-c.example', '--scope', scope]
  const other = await done(b.federation('grant', 'create', ...parties, '--json'))
  await ca.stop()
  const started = performance.now()

  const revoked = await b.federation('grant', 'revoke', grantId, '--json')
  const tookMs = performance.now() - started
  expect([revoked.code, JSON.parse(revoked.stdout)]).toMatchObject([
    1,
    { status: 'revoked', certificateRevocation: 'queued' },
  ])
  expect(revoked.stderr).toMatch(/every request is refused already; its certificates are not in the list .* after 10 s/)
  expect(tookMs).toBeGreaterThan(10_000)
  expect(tookMs).toBeLessThan(20_000)
  // Of a grant that never had a certificate the CA need not hear.
  expect(await done(b.federation('grant', 'revoke', other.id, '--json'))).toMatchObject({
    certificateRevocation: 'none',
  })

  const grant = await done(
    b.federation('grant', 'create', '--user', 'alice', '--peer', a.name, '--scope', scope, '--json'),
  )
  const invitation = join(b.folder, 'without-ca.json')
  await done(b.federation('grant', 'token', grant.id, '--out', invitation, '--json'))
  const add = ['peer', 'add', '--invitation', invitation]
  const twice = await a.federation(...add, '--for', 'alice')
  expect(twice).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/409 conflict.*has that user a peer at gateway-b\..* already/),
  })
  await done(a.federation('peer', 'remove', peerId, '--json'))
  const refused = await a.federation(...add, '--for', 'alice')
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/503 dependency_unavailable.*and the same URL or invitation/),
  })
  const [, begun = ''] = /--resume ([0-9a-f-]{36})/.exec(refused.stderr) ?? []
  const doctor = await b.federation('doctor')
  expect(doctor).toMatchObject({ code: 1, stdout: expect.stringMatching(/^fail +ca\.https .*see that the CA runs/m) })
  await ca.start()
  expect(await done(a.federation(...add, '--resume', begun, '--json'))).toMatchObject({ id: begun, state: 'active' })
})
