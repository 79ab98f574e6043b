import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { makeToken } from './enrolment/token.ts'
import { storeAdminToken } from './storage/bearer-tokens.ts'
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
import { ADMIN_ROUTES, type AdminAction, type AdminAnswer, adminPath } from './wire/admin.ts'

// The real program as administrators meet it: what their routes are given is what the gateway has.

let cluster: Cluster
let database: TestDatabase
let site: GatewaySite
let tenant: TestTenant
let grant: TestGrant
let peer: PeerLeaf
let gateway: RunningGateway
let token: string
beforeAll(async () => {
  cluster = await startCluster()
  database = await cluster.database()
  site = await gatewaySite(database)
  tenant = await makeTenant(database.owner)
  grant = await makeGrant(database.app, tenant)
  peer = await enrolledPeer(site, grant, tenant.alice)
  const made = makeToken()
  token = made.token
  const { tenantId } = tenant
  await storeAdminToken(database.app, { tenantId, name: 'test', sha256: made.sha256, expiresAt: null })
  gateway = await start()
}, 120_000)
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
})

/** `null`: without a file of it. */
function start(operator: string | null = 'o'.repeat(32)): Promise<RunningGateway> {
  const admin = operator === null ? {} : { operatorTokenFile: site.put('operator', operator) }
  return startGateway(site, { admin, rateLimit: { perGrant: 7 } })
}

async function ask<Action extends AdminAction>(
  action: Action,
  { at = {}, body, as = token }: { at?: Record<string, string>; body?: object; as?: string } = {},
): Promise<AdminAnswer<Action>> {
  const { method, answer, status } = ADMIN_ROUTES[action]
  const headers = { authorization: `Bearer ${as}` }
  const answered = await gateway.public(adminPath(action, at), { method, headers, ...(body && { body }) })
  expect([answered.status, answered.text]).toEqual([status, expect.any(String)])
  return answer.parse(JSON.parse(answered.text)) as AdminAnswer<Action>
}

test('status tells of this gateway: its tier and name, its audit, its list', async () => {
  expect(await ask('status:read')).toMatchObject({
    ...{ tier: 'federated', publicName: NAME, alerts: [] },
    audit: { dropped: 0, failingSince: null },
    crl: { ageSeconds: expect.any(Number), failure: null },
  })
})

test('the operator of the configuration has it look at itself', async () => {
  const { tier, checks } = await ask('doctor:run', { as: 'o'.repeat(32) })
  expect(tier).toBe('federated')
  // This CA has no list of its provisioners.
  expect(checks.filter(({ status }) => status === 'fail').map(({ id }) => id)).toEqual(['ca.provisioner'])
  expect(checks.find(({ id }) => id === 'audit.lag')).toMatchObject({ status: 'ok' })
})

test('a new grant has the rate limit of the configuration, and its invitation leads here', async () => {
  const { id: peerId } = await ask('peer:register', { body: { commonName: 'gateway-c.example' } })
  const scope = { resources: ['tasks'] }
  const made = await ask('grant:create', { body: { subjectUserId: tenant.bob, peerId, scope } })
  expect(made.rateLimit).toBe(7)
  const { enrollmentUrl } = await ask('grant:token', { at: { id: made.id }, body: {} })
  expect(enrollmentUrl).toMatch(`https://${NAME}:${site.ports.public}/api/federation/enrollment/`)
  expect(enrollmentUrl).toContain(
    `#ca=sha256:${site.ca.root.certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`,
  )
})

test('a grant that is revoked over the network is refused at once, and told to the CA', async () => {
  const list = () => gateway.federation('/api/federation/v1/list/tasks', { as: peer, body: {} })
  expect((await list()).status).toBe(200)
  const at = { id: grant.grantId }
  expect((await ask('grant:revoke', { at, body: {} })).certificateRevocation).toBe('queued')
  await vi.waitFor(async () => expect((await ask('grant:show', { at })).certificateRevocation).toBe('effective'), {
    timeout: 5_000,
  })
  await expect(list()).rejects.toMatchObject({ code: 'ECONNRESET' })
  expect(site.ca.revoked).toEqual([peer.serial])
})

test('an operator token that was withdrawn opens nothing after a restart, and the start says so; another one does', async () => {
  const old = 'o'.repeat(32)
  const read = async (as: string) => {
    const headers = { authorization: `Bearer ${as}` }
    return (await gateway.public(adminPath('status:read'), { method: 'GET', headers })).status
  }
  expect(await read(old)).toBe(200)
  const id = site.decisions().at(-1)!.principal.adminId!
  await ask('admin:withdraw', { at: { id }, as: old })
  expect(await read(old)).toBe(401)
  for (const [operator, status] of [
    [old, 401],
    ['n'.repeat(32), 200],
  ] as const) {
    await gateway[Symbol.asyncDispose]()
    gateway = await start(operator)
    expect(await read(operator)).toBe(status)
    expect(site.decisions().at(-1)?.reason).toBe(status === 401 ? 'bearer_withdrawn' : null)
    expect(/"event":"operator-token-withdrawn"/.test(gateway.stderr())).toBe(status === 401)
  }
}, 60_000)

test('an operator token outlives a start that is refused, and comes back after one without its file, which says so', async () => {
  const token = 'p'.repeat(32)
  const read = async () => {
    const headers = { authorization: `Bearer ${token}` }
    return (await gateway.public(adminPath('status:read'), { method: 'GET', headers })).status
  }
  const ended = () => /"event":"operator-token-ended"[^\n]*name its file again/.test(gateway.stderr())
  const restart = async (operator: string | null) => {
    await gateway[Symbol.asyncDispose]()
    gateway = await start(operator)
  }
  await restart(token)
  expect(await read()).toBe(200)
  // The addresses of the first one are taken.
  expect((await runGateway(site, ['start'])).code).toBe(78)
  expect(await read()).toBe(200)
  await restart(null)
  expect([await read(), ended()]).toEqual([401, true])
  await restart(null)
  expect([await read(), ended()]).toEqual([401, false])
  await restart(token)
  expect([await read(), ended()]).toEqual([200, false])
}, 60_000)
