import { once } from 'node:events'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { connect } from 'node:tls'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { readAudit } from '../storage/audit/rows.ts'
import { getGrant, revokeGrant } from '../storage/grants.ts'
import { sql } from '../storage/statement.ts'
import { type Cluster, startCluster, type TestDatabase } from '../storage/testing/cluster.ts'
import { makeGrant, makeTenant, type TestGrant, type TestTenant } from '../storage/testing/tenant.ts'
import {
  enrolledPeer,
  type GatewaySite,
  gatewaySite,
  NAME,
  type PeerLeaf,
  type RunningGateway,
  startGateway,
} from '../testing/gateway.ts'
import { holdServer } from '../testing/live.ts'
import { makeProvisionerJwk } from '../testing/provisioner.ts'

// What changes while the real program runs: revocation, lists, certificates, time, and its end.

let cluster: Cluster
let database: TestDatabase
let site: GatewaySite
let tenant: TestTenant
beforeAll(async () => {
  cluster = await startCluster()
}, 120_000)
afterAll(() => cluster[Symbol.asyncDispose]())
beforeEach(async () => {
  database = await cluster.database()
  site = await gatewaySite(database)
  tenant = await makeTenant(database.owner)
  return async () => {
    await site[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  }
})

const LIST = '/api/federation/v1/list/tasks'
const WITHIN = { timeout: 5_000, interval: 20 }

interface Peer {
  readonly grant: TestGrant
  readonly leaf: PeerLeaf
  readonly agent: Agent
}

/** A peer that keeps one connection. */
async function aPeer(): Promise<Peer> {
  const grant = await makeGrant(database.app, tenant)
  return {
    grant,
    leaf: await enrolledPeer(site, grant, tenant.alice),
    agent: new Agent({ keepAlive: true, maxSockets: 1 }),
  }
}

const list = (gateway: RunningGateway, { leaf, agent }: Peer) =>
  gateway.federation(LIST, { as: leaf, agent, body: {} }).then(
    ({ status }) => status as number | string,
    (failure: NodeJS.ErrnoException) => failure.code ?? failure.message,
  )
const fresh = (gateway: RunningGateway, peer: Peer) => list(gateway, { ...peer, agent: new Agent() })
const readiness = async (gateway: RunningGateway) => {
  const { status, text } = await gateway.public('/readyz', { method: 'GET' })
  return [status, JSON.parse(text).reason]
}
const revoke = ({ grant }: Peer) =>
  revokeGrant(database.app, { tenantId: grant.tenantId, id: grant.grantId, reason: 'a test says so' })
const revocationOf = async ({ grant }: Peer) =>
  (await getGrant(database.app, { tenantId: grant.tenantId, id: grant.grantId }))?.certificateRevocation

test('a revoked grant is refused at the next request, told to the CA, and refused at TLS within seconds', async () => {
  const [peer, other] = [await aPeer(), await aPeer()]
  await using gateway = await startGateway(site)
  expect([await list(gateway, peer), await list(gateway, other)]).toEqual([200, 200])
  site.ca.isDown = true
  await revoke(peer)
  expect(await list(gateway, peer)).toBe(403)
  await vi.waitFor(
    async () =>
      expect(
        await database.app.query(sql`SELECT state, last_failure AS failure FROM federation_revocation_outbox`),
      ).toEqual([{ state: 'queued', failure: 'CA_REFUSED' }]),
    WITHIN,
  )
  expect([await fresh(gateway, peer), await revocationOf(peer)]).toEqual([403, 'queued'])
  site.ca.isDown = false
  await vi.waitFor(async () => expect(await revocationOf(peer)).toBe('effective'), WITHIN)
  expect(site.ca.revoked).toEqual([peer.leaf.serial])
  expect(await fresh(gateway, peer)).toBe('ECONNRESET')
  // Its own connection was ended, so this is a handshake, too.
  expect(await list(gateway, peer)).toBe('ECONNRESET')
  await vi.waitFor(() => expect(site.decisions().at(-1)).toMatchObject({ guard: 'tls.crl', reason: 'cert_revoked' }))
  expect(await list(gateway, other)).toBe(200)
})

test('without a list peers find nobody, and with one they are let in by itself', async () => {
  const peer = await aPeer()
  site.ca.isDown = true
  await using gateway = await startGateway(site, { crl: { ...(site.configuration.crl as object), refreshSeconds: 1 } })
  expect(await readiness(gateway)).toEqual([503, 'crl_missing'])
  expect((await gateway.public('/api/federation/crl', { method: 'GET' })).status).toBe(503)
  expect((await gateway.public('/healthz', { method: 'GET' })).status).toBe(200)
  expect(await fresh(gateway, peer)).toBe('ECONNREFUSED')
  site.ca.isDown = false
  await vi.waitFor(async () => expect(await readiness(gateway)).toEqual([200, undefined]), WITHIN)
  expect(await fresh(gateway, peer)).toBe(200)
})

test('a list that ends takes readiness and new handshakes with it, until there is a better one', async () => {
  const peer = await aPeer()
  await using gateway = await startGateway(site, { crl: { ...(site.configuration.crl as object), refreshSeconds: 1 } })
  expect([await readiness(gateway), await fresh(gateway, peer)]).toEqual([[200, undefined], 200])
  const fetched = () => site.ca.server.heard.filter(({ url }) => url === '/1.0/crl').length
  site.ca.listEndsAt = new Date(Date.now() + 4_000)
  const before = fetched()
  await vi.waitFor(() => expect(fetched()).toBeGreaterThan(before), WITHIN)
  site.ca.isDown = true
  await vi.waitFor(async () => expect(await readiness(gateway)).toEqual([503, 'crl_stale']), { timeout: 8_000 })
  await vi.waitFor(() => expect(gateway.stderr()).toMatch(/"crl-unusable","reason":"crl_stale"/), WITHIN)
  expect(await fresh(gateway, peer)).toBe('ECONNRESET')
  site.ca.listEndsAt = new Date(Date.now() + 600_000)
  site.ca.isDown = false
  await vi.waitFor(async () => expect(await readiness(gateway)).toEqual([200, undefined]), WITHIN)
  expect(await fresh(gateway, peer)).toBe(200)
})

test('while the key of its provisioner is changed, certificates by the other one are taken where it is named', async () => {
  const peer = await aPeer()
  const jwk = JSON.stringify(await makeProvisionerJwk())
  const stepCa = { ...(site.configuration.stepCa as object), provisionerKeyFile: site.put('next.json', jwk) }
  {
    await using changing = await startGateway(site, { stepCa: { ...stepCa, provisionerKids: [site.kid] } })
    expect(await list(changing, peer)).toBe(200)
  }
  await using changed = await startGateway(site, { stepCa })
  expect(await list(changed, peer)).toBe(401)
  expect(site.decisions().at(-1)).toMatchObject({ guard: 'cert.provisioner', reason: 'cert_provisioner' })
})

test('time alone ends grants, and closes what a process that is gone had begun', async () => {
  const [late, begun] = [await makeGrant(database.app, tenant), await makeGrant(database.app, tenant)]
  const requestId = crypto.randomUUID()
  await database.owner.query(sql`UPDATE federation_grants SET expires_at = now() WHERE id = ${late.grantId}::uuid`)
  await database.owner.query(sql`
    INSERT INTO federation_issuance (id, tenant_id, grant_id, request_id, purpose, csr_sha256, started_at)
    VALUES (${crypto.randomUUID()}::uuid, ${begun.tenantId}::uuid, ${begun.grantId}::uuid, ${requestId}, 'enrolment', 'c',
      now() - interval '16 s')`)
  await using _ = await startGateway(site)
  await vi.waitFor(async () => {
    const stored = await database.app.query(sql`SELECT status FROM federation_grants WHERE id = ${late.grantId}::uuid`)
    expect(stored).toEqual([{ status: 'expired' }])
    expect(await readAudit(database.app, { limit: 9 })).toMatchObject([
      {
        requestId,
        verb: 'enrol',
        outcome: 'failed',
        reason: 'issuance_abandoned',
        grantId: begun.grantId,
        status: null,
      },
    ])
  }, WITHIN)
})

test('both listeners take a new certificate, and keep the old one where the pair does not fit', async () => {
  await using gateway = await startGateway(site)
  const { cert, key } = site.configuration.tls as { cert: string; key: string }
  const next = await holdServer(site.ca.root, [NAME])
  const shown = async (port: number): Promise<string> => {
    const socket = connect({ host: '127.0.0.1', port, servername: NAME, ca: String(site.ca.root.certificate) })
    await once(socket, 'secureConnect')
    const { raw } = socket.getPeerX509Certificate()!
    socket.destroy()
    return raw.toString('hex')
  }
  const both = async () => [...new Set(await Promise.all([shown(site.ports.public), shown(site.ports.federation)]))]
  const [before] = await both()
  writeFileSync(cert, next.cert)
  await vi.waitFor(() => expect(gateway.stderr()).toContain('server-certificate-refused'), WITHIN)
  expect(await both()).toEqual([before])
  writeFileSync(key, next.key)
  await vi.waitFor(async () => expect(await both()).toEqual([next.certificate.raw.toString('hex')]), WITHIN)
  // The next key of the same name can be read by others: what a start refuses is not taken later either.
  const last = await holdServer(site.ca.root, [NAME])
  chmodSync(key, 0o640)
  writeFileSync(key, last.key)
  writeFileSync(cert, last.cert)
  await vi.waitFor(
    () => expect(gateway.stderr()).toMatch(/server-certificate-refused[^\n]*can be read by others/),
    WITHIN,
  )
  expect(await both()).toEqual([next.certificate.raw.toString('hex')])
  chmodSync(key, 0o600)
  await vi.waitFor(async () => expect(await both()).toEqual([last.certificate.raw.toString('hex')]), WITHIN)
})

test('it ends with what was asked before, drains its audit, and closes kept connections', async () => {
  const peer = await aPeer()
  await using gateway = await startGateway(site)
  expect(await list(gateway, peer)).toBe(200)
  let asked: Promise<number | string> | undefined
  await database.owner.transaction(async (session) => {
    await session.query(sql`LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE`)
    asked = list(gateway, peer)
    const waiting = sql`SELECT FROM pg_locks WHERE NOT granted AND relation = 'tasks'::regclass`
    await vi.waitFor(async () => expect(await database.owner.query(waiting)).toHaveLength(1), WITHIN)
    gateway.process.kill('SIGTERM')
    await vi.waitFor(async () => expect(await fresh(gateway, peer)).toBe('ECONNREFUSED'), WITHIN)
  })
  const began = performance.now()
  expect([await asked, await gateway.exited]).toEqual([200, 0])
  expect(performance.now() - began).toBeLessThan(3_000)
  expect((await readAudit(database.app, { limit: 9 })).filter(({ verb }) => verb === 'list')).toHaveLength(2)
})

test('a database that is gone is 503 on every listener, and is used again once it answers', async () => {
  const peer = await aPeer()
  await using gateway = await startGateway(site)
  expect(await list(gateway, peer)).toBe(200)
  await cluster.kill()
  try {
    const began = performance.now()
    expect([await list(gateway, peer), await readiness(gateway)]).toEqual([503, [503, 'database_unavailable']])
    expect(performance.now() - began).toBeLessThan(5_500)
  } finally {
    await cluster.start()
  }
  await vi.waitFor(
    async () => expect([await list(gateway, peer), await readiness(gateway)]).toEqual([200, [200, undefined]]),
    WITHIN,
  )
})

test('nothing of a secret is in its log or in its records', async () => {
  const peer = await aPeer()
  await using gateway = await startGateway(site)
  await list(gateway, peer)
  const key = JSON.parse(
    readFileSync((site.configuration.stepCa as { provisionerKeyFile: string }).provisionerKeyFile, 'utf8'),
  )
  const told = [gateway.stderr(), gateway.stdout(), JSON.stringify(site.decisions())].join('\n')
  for (const secret of [
    readFileSync((site.configuration.sealing as { secretFile: string }).secretFile, 'utf8'),
    key.d,
  ]) {
    expect(told).not.toContain(secret)
  }
})
