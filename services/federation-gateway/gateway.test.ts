import { createHash } from 'node:crypto'
import { chmodSync, chownSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { spawnService } from '../shared/testing/service-process.ts'
import { program } from './config.ts'
import { readScope } from './scope/document.ts'
import { discard, prepare, recordPin } from './start/prepare.ts'
import { type AuditRow, readAudit } from './storage/audit/rows.ts'
import { positionKey } from './storage/audit/writer.ts'
import { findBearer } from './storage/bearer-tokens.ts'
import { editScope, revokeGrant } from './storage/grants.ts'
import { setSetting } from './storage/settings.ts'
import { sql } from './storage/statement.ts'
import { type Cluster, startCluster, type TestDatabase } from './storage/testing/cluster.ts'
import { makeGrant, makeTenant, type TestGrant, type TestTenant } from './storage/testing/tenant.ts'
import {
  enrolledPeer,
  type GatewaySite,
  gatewaySite,
  NAME,
  type PeerLeaf,
  type RunningGateway,
  runGateway,
  startGateway,
} from './testing/gateway.ts'

// The real program, over a real PostgreSQL.

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster()
}, 120_000)
afterAll(() => cluster[Symbol.asyncDispose]())

/** As root every file can be read. */
const isRoot = process.getuid?.() === 0
const nobody = 65_534
const as = isRoot ? { uid: nobody, gid: nobody } : {}

const V1 = '/api/federation/v1'

describe('a gateway that lends', () => {
  let database: TestDatabase
  let site: GatewaySite
  let tenant: TestTenant
  let grant: TestGrant
  let peer: PeerLeaf
  let gateway: RunningGateway
  const tasks = ['first', 'second', 'third'].map((title) => ({ id: crypto.randomUUID(), title }))
  const secretRow = crypto.randomUUID()

  beforeAll(async () => {
    database = await cluster.database()
    site = await gatewaySite(database)
    tenant = await makeTenant(database.owner)
    for (const [at, { id, title }] of tasks.entries()) {
      await database.owner.query(sql`INSERT INTO tasks (id, tenant_id, owner_id, title, created_at)
        VALUES (${id}::uuid, ${tenant.tenantId}::uuid, ${tenant.alice}::uuid, ${title}, now() + make_interval(secs => ${at}))`)
    }
    await database.owner.query(sql`INSERT INTO tasks (id, tenant_id, owner_id, title)
      VALUES (${secretRow}::uuid, ${tenant.tenantId}::uuid, ${tenant.bob}::uuid, 'first of bob')`)
    grant = await makeGrant(database.app, tenant)
    peer = await enrolledPeer(site, grant, tenant.alice)
    gateway = await startGateway(site, {
      admin: { operatorTokenFile: site.put('operator', 'o'.repeat(32)) },
    })
  }, 60_000)
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await site[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })
  const ask = async (path: string, body?: object, method = 'POST') => {
    const answer = await gateway.federation(`${V1}${path}`, { as: peer, body, method })
    return { ...answer, json: answer.text && JSON.parse(answer.text) }
  }

  test('is ready, mirrors the list of revoked certificates, and knows its operator', async () => {
    expect((await gateway.public('/readyz', { method: 'GET' })).status).toBe(200)
    expect((await gateway.public('/api/federation/crl', { method: 'GET' })).headers['content-type']).toBe(
      'application/pkix-crl',
    )
    const sha256 = createHash('sha256').update('o'.repeat(32)).digest('hex')
    expect(await findBearer(database.app, sha256)).toMatchObject({ kind: 'operator', withdrawnAt: null })
  })

  test("lists its subject's rows page by page, newest first, and each says where it comes from", async () => {
    const first = await ask('/list/tasks', { limit: 2 })
    expect([first.status, first.json]).toEqual([
      200,
      {
        items: [
          expect.objectContaining({ id: tasks[2]!.id, title: 'third', _source: NAME }),
          expect.objectContaining({ id: tasks[1]!.id }),
        ],
        ...{ nextCursor: expect.any(String), _truncated: true, _partial: false },
      },
    ])
    const cursor = first.json.nextCursor
    const second = await ask('/list/tasks', { limit: 2, cursor })
    expect(second.json).toMatchObject({ items: [{ id: tasks[0]!.id }], nextCursor: null, _truncated: false })
    expect((await ask('/list/notes', { limit: 2, cursor })).status).toBe(400)
    expect(site.decisions().slice(-3)).toMatchObject([
      { verdict: 'accepted', guard: 'scope.cap', reason: 'row_cap', rowsOut: 2 },
      { verdict: 'accepted', guard: null, reason: null, rowsOut: 1 },
      { verdict: 'refused', guard: 'http.body', reason: 'cursor_invalid' },
    ])
  })

  test('gets a row that is lent, and answers every other id alike', async () => {
    const got = await ask(`/get/tasks/${tasks[0]!.id}`)
    expect([got.status, got.json]).toEqual([200, { item: expect.objectContaining({ title: 'first', _source: NAME }) }])
    const others = [await ask(`/get/tasks/${secretRow}`), await ask(`/get/tasks/${crypto.randomUUID()}`)]
    expect(others.map(({ status }) => status)).toEqual([404, 404])
    expect(site.decisions().slice(-2)).toMatchObject([{ reason: 'row_not_visible' }, { reason: 'row_absent' }])
  })

  test('finds what it lends, and nothing else', async () => {
    const found = await ask('/search', { q: 'first' })
    expect([found.status, found.json]).toEqual([
      200,
      {
        items: [{ resource: 'tasks', id: tasks[0]!.id, title: 'first', score: expect.any(Number), _source: NAME }],
        ...{ _truncated: false, _partial: false },
      },
    ])
    expect((await ask('/search', { q: 'first', resources: ['tasks', 'memory'] })).status).toBe(403)
    expect((await ask('/list/memory', {})).json.error.code).toBe('scope_violation')
    expect((await ask('/capabilities', undefined, 'GET')).json).toMatchObject({ resources: ['tasks', 'notes'] })
  })

  test('has one row in its audit for each request, within a second', async () => {
    await ask('/list/tasks', {})
    await gateway.federation(`${V1}/list/tasks`, { as: peer, body: {}, headers: { host: 'elsewhere' } })
    const ids = site
      .decisions()
      .slice(-2)
      .map(({ requestId }) => requestId)
    const stored = () => ids.map((id) => rows.filter(({ requestId }) => requestId === id))
    let rows: AuditRow[] = []
    await vi.waitFor(
      async () => {
        rows = await readAudit(database.app, { limit: 100 })
        expect(stored().map(({ length }) => length)).toEqual([1, 1])
      },
      { timeout: 1_000 },
    )
    const of = { direction: 'inbound', verb: 'list', resource: 'tasks' }
    const known = { grantId: grant.grantId, peerId: grant.peerId, subjectUserId: tenant.alice, certSerial: peer.serial }
    expect(stored().flat()).toMatchObject([
      { ...of, ...known, tenantId: tenant.tenantId, outcome: 'allowed', status: 200, rowsOut: 3 },
      { ...of, outcome: 'denied', status: 421, reason: 'authority_mismatch', grantId: null, queryHash: null },
    ])
  })

  test('goes on in a new decision log once the one that it has is renamed, with a row for each request', async () => {
    const { decisionLog } = site.configuration as { decisionLog: string }
    expect((await ask('/list/tasks', {})).status).toBe(200)
    const last = site.decisions().at(-1)!
    renameSync(decisionLog, `${decisionLog}.1`)
    expect([(await ask('/list/tasks', {})).status, (await ask('/list/memory', {})).status]).toEqual([200, 403])
    const decided = site.decisions()
    expect(decided.map(({ status }) => status)).toEqual([200, 403])
    expect(readFileSync(`${decisionLog}.1`, 'utf8')).toContain(last.requestId)
    const ids = [last, ...decided].map(({ requestId }) => requestId)
    await vi.waitFor(
      async () => {
        const rows = await readAudit(database.app, { limit: 100 })
        expect(rows.filter(({ requestId }) => ids.includes(requestId))).toHaveLength(3)
      },
      { timeout: 1_000 },
    )
  })

  test('lends by each of two grants of one peer and user as if there were no other', async () => {
    const { tenantId } = tenant
    const second = await makeGrant(database.app, tenant, { peerId: grant.peerId })
    const scope = readScope({ resources: ['notes'] }).scope!
    await editScope(database.app, { tenantId, id: second.grantId, scope })
    const again = await enrolledPeer(site, second, tenant.alice)
    const list = (as: PeerLeaf, resource: string) =>
      gateway.federation(`${V1}/list/${resource}`, { as, body: {} }).then(
        ({ status }) => status,
        // At TLS, once the list in force names it.
        () => 403,
      )
    const both = async () => [await list(peer, 'tasks'), await list(again, 'tasks'), await list(again, 'notes')]
    expect(await both()).toEqual([200, 403, 200])
    expect(site.decisions().slice(-3)).toMatchObject([
      { verdict: 'accepted', principal: { grantId: grant.grantId, peerId: grant.peerId } },
      { reason: 'resource_not_granted', principal: { grantId: second.grantId, peerId: grant.peerId } },
      { verdict: 'accepted', principal: { grantId: second.grantId, peerId: grant.peerId } },
    ])
    await revokeGrant(database.app, { tenantId, id: second.grantId, reason: 'a test says so' })
    expect(await both()).toEqual([200, 403, 403])
  })

  test('is administered by its operator: a grant that is revoked is refused at once, and the CA is told', async () => {
    const asked = async (method: string, path: string, body?: object) => {
      const headers = { authorization: `Bearer ${'o'.repeat(32)}` }
      const answer = await gateway.public(`/api/admin/federation${path}`, { method, headers, body })
      return { status: answer.status, json: JSON.parse(answer.text) }
    }
    const other = await makeGrant(database.app, tenant)
    const token = await asked('POST', `/grants/${other.grantId}/tokens`)
    expect([token.status, token.json.enrollmentUrl]).toEqual([
      201,
      expect.stringMatching(`^https://${NAME}:${site.ports.public}/api/federation/enrollment/[0-9a-f]{64}#ca=sha256:`),
    ])
    const status = await asked('GET', '/status')
    expect(status.json).toMatchObject({ tier: 'federated', publicName: NAME, crl: { failure: null }, alerts: [] })
    expect((await asked('GET', '/doctor')).json).toMatchObject({ tier: 'federated', checks: expect.any(Array) })
    expect((await asked('GET', '/audit')).json.items.length).toBeGreaterThan(0)
    const peerOfIts = await enrolledPeer(site, other, tenant.alice)
    const list = () => gateway.federation(`${V1}/list/tasks`, { as: peerOfIts, body: {} })
    expect((await list()).status).toBe(200)
    const revoked = await asked('PATCH', `/grants/${other.grantId}/revoke`)
    expect(revoked.json).toMatchObject({ status: 'revoked', certificateRevocation: 'queued' })
    // By its grant, or by its certificate once the list is in force.
    expect(
      await list().then(
        ({ status: refused }) => refused,
        () => 403,
      ),
    ).toBe(403)
    await vi.waitFor(
      async () => {
        const { json } = await asked('GET', `/grants/${other.grantId}`)
        expect(json.certificateRevocation).toBe('effective')
      },
      { timeout: 5_000 },
    )
    expect(site.ca.revoked).toContain(peerOfIts.serial)
  })

  test('has promoted the certificate with its first use', async () => {
    const [leaf] = await database.app.query<{ status: string }>(
      sql`SELECT status FROM federation_certificates WHERE serial = ${peer.serial}`,
    )
    expect(leaf).toEqual({ status: 'active' })
  })
})

describe('its commands', () => {
  let database: TestDatabase
  let site: GatewaySite
  beforeEach(async () => {
    database = await cluster.database({ empty: true })
    site = await gatewaySite(database)
    return async () => {
      await site[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    }
  })

  test('migrate and import an empty database, and a gateway starts on no other', async () => {
    expect(await runGateway(site, ['start'])).toMatchObject({
      code: 78,
      stderr: expect.stringMatching(/^gateway: store_unusable: [^\n]*run gateway migrate[^\n]*\n$/),
    })
    expect(site.decisions()).toMatchObject([{ guard: 'start.store', reason: 'store_unusable', layer: 'start-up' }])
    const migrated = await runGateway(site, ['migrate'])
    expect([migrated.code, JSON.parse(migrated.stdout).done.length]).toEqual([0, 6])
    expect(JSON.parse((await runGateway(site, ['migrate'])).stdout)).toEqual({ done: [] })
    const [id, user] = [crypto.randomUUID(), crypto.randomUUID()]
    const tenants = [{ id, name: 'acme', users: [{ id: user, name: 'alice', displayName: 'Alice' }] }]
    const seed = site.put('seed.json', JSON.stringify({ tenants }))
    expect(JSON.parse((await runGateway(site, ['import', seed])).stdout)).toEqual({ stored: 2 })
    expect(JSON.parse((await runGateway(site, ['import', seed])).stdout)).toEqual({ stored: 0 })
    const broken = site.put('broken.json', JSON.stringify({ tenants: [{ ...tenants[0], rows: 'marker' }] }))
    const refused = await runGateway(site, ['import', broken])
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/seed_unusable: .*tenants\.0/)])
  })

  test('a configuration that holds a secret and can be read by others is no start, also not for the doctor', async () => {
    const said = /federation-gateway-\d+\.json holds databaseUrl and can be read by others/
    const run = async (...command: string[]) => {
      const service = spawnService('federation-gateway', site.folder, site.configuration, command)
      // It has not been read by then.
      chmodSync(service.configFile, 0o644)
      return { code: await service.exited, told: service.stderr() + service.stdout() }
    }
    expect(await run('start')).toEqual({ code: 78, told: expect.stringMatching(said) })
    expect(await run('doctor', '--json')).toEqual({ code: 1, told: expect.stringMatching(said) })
  })

  test('a renamed log that it cannot read ends the start, and may be told by which of them', async () => {
    expect((await runGateway(site, ['migrate'])).code).toBe(0)
    // The last one that was stored is in no file that can be read.
    await setSetting(database.app, positionKey(`gateway-b/gateway`), { head: 'a'.repeat(64), offset: 0 })
    const renamed = site.put('decisions.jsonl.1', '{}\n')
    const start = async () => {
      const service = spawnService('federation-gateway', site.folder, site.configuration, ['start'], as)
      if (isRoot)
        for (const name of ['', ...readdirSync(site.folder)]) chownSync(join(site.folder, name), nobody, nobody)
      return service
    }
    chmodSync(renamed, 0)
    await using refused = await start()
    expect([await refused.exited, refused.stderr()]).toEqual([
      78,
      `gateway: config_invalid: ${renamed}, beside decisionLog ${site.configuration.decisionLog}, cannot be read (EACCES), and the audit may miss what it says; let this user read it, or move it elsewhere\n`,
    ])
    expect(site.decisions()).toMatchObject([{ guard: 'start.config', reason: 'config_invalid', layer: 'start-up' }])
    chmodSync(renamed, 0o600)
    await using started = await start()
    await expect.poll(() => started.stderr(), { timeout: 40_000 }).toContain('"started"')
  })

  test('an address that is taken is told as a mistake in the configuration, of either listener', async () => {
    expect((await runGateway(site, ['migrate'])).code).toBe(0)
    for (const port of Object.values(site.ports)) {
      const taken = createServer()
      await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve))
      const refused = await runGateway(site, ['start'])
      taken.close()
      expect([refused.code, refused.stderr]).toEqual([
        78,
        expect.stringMatching(`gateway: config_invalid: .*EADDRINUSE.*${port}; choose an address that is free`),
      ])
    }
  })

  test('a database knows one root, and a start with another is refused', async () => {
    expect((await runGateway(site, ['migrate'])).code).toBe(0)
    await using first = await startGateway(site)
    await first[Symbol.asyncDispose]()
    expect(await first.exited).toBe(0)
    await using other = await gatewaySite(database)
    expect(await runGateway(other, ['start'])).toMatchObject({
      code: 78,
      stderr: expect.stringMatching(/ca_root_pin: .*run gateway ca repin/),
    })
    expect(other.decisions()).toMatchObject([{ guard: 'start.ca', reason: 'ca_root_pin' }])
  })

  test('of two that are prepared before either has started, the first says which root counts', async () => {
    expect((await runGateway(site, ['migrate'])).code).toBe(0)
    await using other = await gatewaySite(database)
    const [one, two] = [
      await prepare(program.schema.parse(site.configuration)),
      await prepare(program.schema.parse(other.configuration)),
    ]
    await recordPin(database.app, one)
    await recordPin(database.app, one)
    await expect(recordPin(database.app, two)).rejects.toMatchObject({ reason: 'ca_root_pin' })
    await Promise.all([discard(one), discard(two)])
  })
})
