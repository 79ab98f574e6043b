import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { ENROLMENT_PATH } from './enrolment/url.ts'
import { readAudit } from './storage/audit/rows.ts'
import { type Cluster, startCluster, type TestDatabase } from './storage/testing/cluster.ts'
import { makeGrant, makeTenant, type TestGrant, type TestTenant } from './storage/testing/tenant.ts'
import { makeKeys } from './testing/certificates.ts'
import { csrOf, leftBy, tokenOf } from './testing/enrolment.ts'
import { type GatewaySite, gatewaySite, NAME, type RunningGateway, startGateway } from './testing/gateway.ts'
import { holdServer, keyPem } from './testing/live.ts'
import { type StepCa, stepCa } from './testing/step-ca.ts'

// The real program beside the real step-ca: a peer from its token to its second certificate, and to its third.

let cluster: Cluster
let database: TestDatabase
let ca: StepCa
let site: GatewaySite
let tenant: TestTenant
let gateway: RunningGateway

/** Given back in the other order, also where one of them fails. */
const owned = new AsyncDisposableStack()
beforeAll(async () => {
  cluster = owned.use(await startCluster())
  database = owned.use(await cluster.database())
  tenant = await makeTenant(database.owner)
  ca = owned.use(await stepCa())
  const fake = owned.use(await gatewaySite(database))
  site = { ...fake, ca: { ...fake.ca, root: ca.root, issuing: ca.issuing } }
  gateway = owned.use(await startGateway(site, await besides(site)))
}, 120_000)
afterAll(() => owned.disposeAsync())

/** What of its configuration is about the CA. */
async function besides({ put }: GatewaySite): Promise<object> {
  const server = await holdServer(ca.root, [NAME])
  const { kid, key } = ca.key
  const times = { thisUpdate: new Date(Date.now() - 60_000), nextUpdate: new Date(Date.now() + 600_000) }
  return {
    stepCa: {
      ...{ url: ca.url, rootCertPath: put('step-root.pem', String(ca.root.certificate)) },
      provisionerKeyFile: put('step.json', JSON.stringify({ ...key.export({ format: 'jwk' }), kid })),
    },
    clientCa: put('step-clients.pem', `${ca.root.certificate}${ca.issuing.certificate}`),
    tls: { cert: put('step-server.pem', server.cert), key: put('step-server.key', server.key) },
    crl: { rootCrlFile: put('step-root.crl', await ca.root.crl({ ...times, point: undefined })), refreshSeconds: 1 },
  }
}

interface Leaf {
  readonly cert: string
  readonly key: string
  readonly serial: string
}

const json = (text: string) => (text === '' ? undefined : JSON.parse(text))

/** Has a certificate issued for a new key by whatever endpoint takes a request for one. */
async function issued(
  grant: TestGrant,
  send: (body: object) => Promise<{ status: number; text: string }>,
): Promise<Leaf> {
  const keys = await makeKeys()
  const { status, text } = await send({ csrPem: await csrOf(database.app, grant, { keys }) })
  expect([status, text]).toEqual([200, expect.stringContaining('certChainPem')])
  const { certChainPem: cert, serial } = json(text)
  return { cert, key: await keyPem(keys), serial }
}
const enrol = (grant: TestGrant, token: string) =>
  issued(grant, (body) => gateway.public(`${ENROLMENT_PATH}${token}`, { body }))
const renew = (grant: TestGrant, as: Leaf) =>
  issued(grant, (body) => gateway.federation('/api/federation/v1/renew', { as, body }))
const list = (as: Leaf) => gateway.federation('/api/federation/v1/list/tasks', { as, body: {} })

test('a peer enrols, lists, renews, and begins anew, and each certificate is good for its time', async () => {
  const grant = await makeGrant(database.app, tenant)
  const first = await enrol(grant, await tokenOf(database.app, grant))
  expect((await list(first)).status).toBe(200)

  const second = await renew(grant, first)
  // The old one is in force until the new one is used, and for a while after that.
  expect([(await list(first)).status, (await list(second)).status, (await list(first)).status]).toEqual([200, 200, 200])
  expect((await leftBy(database.app, grant)).leaves).toEqual(['superseded', 'active'])

  const third = await enrol(grant, await tokenOf(database.app, grant, { purpose: 're-enrolment' }))
  expect((await list(third)).status).toBe(200)
  for (const ended of [first, second]) {
    // By the database at once, and by TLS when the list says so.
    const answer = await list(ended).catch(() => undefined)
    expect([undefined, 403]).toContain(answer?.status)
    await vi.waitFor(async () => expect(await list(ended).catch(() => 'refused')).toBe('refused'), { timeout: 10_000 })
  }
  expect((await list(third)).status).toBe(200)

  const rows = async () =>
    (await readAudit(database.app, { grantId: grant.grantId, limit: 100 }))
      .filter(({ verb }) => verb !== 'list')
      .map(({ verb, outcome, certSerial }) => [verb, outcome, certSerial])
  await vi.waitFor(async () => expect(await rows()).toHaveLength(3))
  expect((await rows()).toReversed()).toEqual([
    ['enrol', 'allowed', first.serial],
    ['renew', 'allowed', first.serial],
    ['enrol', 'allowed', third.serial],
  ])
})
