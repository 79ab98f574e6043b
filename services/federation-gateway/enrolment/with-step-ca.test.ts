import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { readUuid } from '../certificates/extension-values.ts'
import { type Leaf, readLeaf } from '../certificates/leaf.ts'
import type { AdmittedCall } from '../listeners/federation-listener.ts'
import { findAdmission } from '../storage/admission.ts'
import { acceptLeaf } from '../storage/certificates.ts'
import { revokeGrant } from '../storage/grants.ts'
import { failAbandoned } from '../storage/issuance.ts'
import { Patience } from '../storage/patience.ts'
import { sql } from '../storage/statement.ts'
import { type Cluster, startCluster, type TestDatabase } from '../storage/testing/cluster.ts'
import { MANY, many } from '../storage/testing/for-each.ts'
import { makeGrant, makeTenant, type TestGrant, type TestTenant } from '../storage/testing/tenant.ts'
import { OIDS } from '../testing/certificates.ts'
import { csrOf, type EnrolmentDesk, issuerAt, leftBy, nameOf, openDesk, tokenOf } from '../testing/enrolment.ts'
import { makeSite, type Site } from '../testing/federation.ts'
import { Killed, Process } from '../testing/mortal.ts'
import { type StepCa, stepCa } from '../testing/step-ca.ts'
import type { Issuer } from './issuing.ts'
import { renewing } from './renew.ts'

// The real step-ca, which counts what it issues: races, crashes, and what becomes of a CA that ends or hangs.

let cluster: Cluster
let database: TestDatabase
let site: Site
let ca: StepCa
let issuer: Issuer
let tenant: TestTenant
let desk: EnrolmentDesk

/** Given back in the other order, also where one of them fails. */
const owned = new AsyncDisposableStack()
beforeAll(async () => {
  cluster = owned.use(await startCluster())
  database = owned.use(await cluster.database())
  site = await makeSite()
  ca = owned.use(await stepCa())
  issuer = issuerAt(ca, ca.key)
}, 120_000)
afterAll(() => owned.disposeAsync())
beforeEach(async () => {
  tenant = await makeTenant(database.owner)
  desk = await open(issuer)
  return () => desk[Symbol.asyncDispose]()
})

const open = (by: Issuer) => openDesk({ site, database: database.app, issuer: by })
const redeem = async (token: string, grant: TestGrant, at = desk) =>
  at.redeem(token, { csrPem: await csrOf(database.app, grant) })
const grantOf = () => makeGrant(database.app, tenant)
/** How many certificates the CA issues meanwhile. */
async function issuedBy(act: () => Promise<unknown>): Promise<number> {
  const before = ca.issued()
  await act()
  return ca.issued() - before
}
const statuses = (answers: readonly { status: number }[]) => answers.map(({ status }) => status).toSorted()

async function enrolled(): Promise<TestGrant> {
  const grant = await grantOf()
  expect((await redeem(await tokenOf(database.app, grant), grant)).status).toBe(200)
  return grant
}

test('a certificate of the real CA names its grant and its subject, and nothing that the request chose', async () => {
  const grant = await grantOf()
  const answer = await redeem(await tokenOf(database.app, grant), grant)
  const leaf = readLeaf(new X509Certificate(answer.json.certPem as string)) as Leaf
  expect(readUuid(leaf.extensions, OIDS.grant).value).toBe(grant.grantId)
  expect(readUuid(leaf.extensions, OIDS.subject).value).toBe(tenant.alice)
  expect(leaf.commonNames).toEqual([await nameOf(database.app, grant)])
})

describe('at once', () => {
  test('one token comes to one certificate, however often it is redeemed', async () => {
    for (let round = 0; round < 3; round += 1) {
      const grant = await grantOf()
      const token = await tokenOf(database.app, grant)
      let answers: { status: number }[] = []
      expect(
        await issuedBy(async () => {
          answers = await many(() => redeem(token, grant))
        }),
      ).toBe(1)
      expect(statuses(answers)).toEqual([200, ...Array(MANY - 1).fill(410)])
      expect(await leftBy(database.app, grant)).toMatchObject({ status: 'active', leaves: ['issued'], queued: [] })
    }
  })

  test('many tokens of one grant come to one certificate', async () => {
    for (let round = 0; round < 3; round += 1) {
      const grant = await grantOf()
      const tokens = await many(() => tokenOf(database.app, grant))
      let answers: { status: number }[] = []
      expect(
        await issuedBy(async () => {
          answers = await Promise.all(tokens.map((token) => redeem(token, grant)))
        }),
      ).toBe(1)
      expect(statuses(answers)).toEqual([200, ...Array(MANY - 1).fill(409)])
      // Only one was spent.
      expect(await leftBy(database.app, grant)).toMatchObject({
        status: 'active',
        leaves: ['issued'],
        queued: [],
        used: 1,
      })
    }
  })

  test('many new beginnings of one grant leave one certificate, and the CA is to revoke every other', async () => {
    const grant = await enrolled()
    const tokens = await many(() => tokenOf(database.app, grant, { purpose: 're-enrolment' }))
    let answers: { status: number }[] = []
    const issued = await issuedBy(async () => {
      answers = await Promise.all(tokens.map((token) => redeem(token, grant)))
    })
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(issued)
    expect(new Set(statuses(answers))).toEqual(new Set([200, 409]))
    const { leaves, queued } = await leftBy(database.app, grant)
    expect(leaves.toSorted()).toEqual(['issued', ...Array(issued).fill('revoked')])
    expect(queued).toHaveLength(issued)
  })

  test('with the end of its grant a certificate is revoked or was never issued', async () => {
    const grants = await many(() => grantOf())
    const tokens = await Promise.all(grants.map((grant) => tokenOf(database.app, grant)))
    const end = ({ tenantId, grantId: id }: TestGrant) => revokeGrant(database.app, { tenantId, id, reason: 'r' })
    const issued = await issuedBy(() =>
      Promise.all(
        grants.flatMap((grant, at) => [redeem(tokens[at]!, grant), at % 2 ? end(grant) : later(() => end(grant))]),
      ),
    )
    const left = await Promise.all(grants.map((grant) => leftBy(database.app, grant)))
    expect(left.map(({ status }) => status)).toEqual(Array(MANY).fill('revoked'))
    expect(left.flatMap(({ queued }) => queued)).toHaveLength(issued)
    expect(left.flatMap(({ leaves }) => leaves).filter((status) => status !== 'revoked')).toEqual([])
  })

  test('many renewals of one grant come to one certificate', async () => {
    const grant = await enrolled()
    const call = await callOf(grant)
    const renew = renewing(renewalOf())
    const requests = await many(() => csrOf(database.app, grant))
    let outcomes: PromiseSettledResult<{ status: number }>[] = []
    expect(
      await issuedBy(async () => {
        outcomes = await Promise.allSettled(
          requests.map((csrPem) => renew({ ...call, requestId: crypto.randomUUID() }, { csrPem })),
        )
      }),
    ).toBe(1)
    const refusals = outcomes.filter((one) => one.status === 'rejected').map(({ reason }) => reason)
    expect(refusals).toHaveLength(MANY - 1)
    for (const refusal of refusals) expect(refusal).toMatchObject({ guard: 'renew.single', refusal: { status: 409 } })
    expect(await leftBy(database.app, grant)).toMatchObject({ leaves: ['active', 'issued'], queued: [] })
  })
})

/** When the first enrolment is on its way. */
async function later(act: () => Promise<unknown>): Promise<unknown> {
  await vi.waitFor(() => expect(desk.decisions.length).toBeGreaterThan(0), { interval: 5 })
  return act()
}

/** As the listener of peers would hand it over, with the newest certificate, which it has accepted. */
async function callOf({ grantId }: TestGrant): Promise<AdmittedCall> {
  const [leaf] = await database.app.query<{ serial: string; x5t: string; tenant_id: string; common_name: string }>(sql`
    SELECT c.serial, c.x5t, c.tenant_id, p.common_name FROM federation_certificates c
      JOIN federation_peers p ON p.id = c.peer_id
    WHERE c.grant_id = ${grantId}::uuid AND c.status IN ('issued', 'active') ORDER BY c.status LIMIT 1`)
  const { serial, x5t, common_name: commonName, tenant_id: tenantId } = leaf!
  await acceptLeaf(database.app, { tenantId, grantId, serial })
  const { grant } = await findAdmission(database.app, { grantId, serial })
  const identity = { x5t, serial, commonName, grantId, subjectUserId: grant!.subjectUserId }
  const about = { requestId: crypto.randomUUID(), queryHash: '', patience: new Patience(10_000) }
  return { ...about, identity, grant: grant!, signal: new AbortController().signal }
}

function renewalOf(process = new Process()) {
  const mortal = process.database(database.app)
  const nothing = () => {}
  return {
    ...{ database: mortal, issuer: process.issuer(issuer), overlapSeconds: 60 },
    store: { admission: (presented: AdmittedCall['identity']) => findAdmission(mortal, presented) },
    log: { info: nothing, warn: nothing, error: nothing },
  }
}

describe('a CA', () => {
  test('that was started anew signs with a token that is younger than its start', async () => {
    await ca.stop()
    await ca.start()
    expect(await issuedBy(enrolled)).toBe(1)
  })

  test('that hangs while it signs has issued what nobody accepts, and the token is burnt', async () => {
    const grant = await grantOf()
    const token = await tokenOf(database.app, grant)
    await using impatient = await open(issuerAt(ca, ca.key, { connectMs: 500, deadlineMs: 800 }))
    // It was well a moment ago.
    await redeem('0'.repeat(64), grant, impatient)
    const first = await grantOf()
    expect((await redeem(await tokenOf(database.app, first), first, impatient)).status).toBe(200)
    const before = ca.issued()
    ca.signal('SIGSTOP')
    expect((await redeem(token, grant, impatient)).status).toBe(503)
    expect(impatient.decisions.at(-1)).toMatchObject({ guard: 'enr.ca-sign', reason: 'ca_timeout' })
    ca.signal('SIGCONT')
    await vi.waitFor(async () => expect(await ca.client().isReady()).toBe(true))
    expect(ca.issued() - before).toBeLessThanOrEqual(1)
    expect(await leftBy(database.app, grant)).toMatchObject({
      status: 'pending',
      leaves: [],
      issuances: ['failed ca_timeout'],
    })
    expect((await redeem(token, grant)).status).toBe(410)
    expect((await redeem(await tokenOf(database.app, grant), grant)).status).toBe(200)
  })

  test('that is down is known to be, and the token works when it is up again', async () => {
    const grant = await grantOf()
    const token = await tokenOf(database.app, grant)
    await ca.stop()
    await using fresh = await open(issuerAt(ca, ca.key))
    expect((await redeem(token, grant, fresh)).status).toBe(503)
    expect(fresh.decisions.at(-1)).toMatchObject({ guard: 'enr.ca-ready', reason: 'ca_unreachable' })
    await ca.start()
    expect((await redeem(token, grant, fresh)).status).toBe(200)
  })
})

describe('a gateway that is killed', () => {
  /** No active grant without a certificate that is registered, and none that is registered for a grant that is not active. */
  async function expectSound(grant: TestGrant) {
    const left = await leftBy(database.app, grant)
    const usable = left.leaves.filter((status) => status === 'issued' || status === 'active')
    expect(usable.length > 0).toBe(left.status === 'active')
    return left
  }

  test('at any point of an enrolment leaves a grant that can be enrolled, and no certificate that is good for it', async () => {
    const ends: string[] = []
    for (let at = 1; ; at += 1) {
      const grant = await grantOf()
      const token = await tokenOf(database.app, grant)
      const process = new Process(at)
      const dying = await openDesk({
        site,
        database: database.app,
        issuer: process.issuer(issuer),
        changes: { database: process.database(database.app) },
      })
      const answer = await redeem(token, grant, dying)
      await dying[Symbol.asyncDispose]()
      if (!process.isDead) {
        expect(answer.status).toBe(200)
        break
      }
      const left = await expectSound(grant)
      // Nobody waits for what the process began: a new one says that it came to nothing.
      await failAbandoned(database.app, { olderThanSeconds: 0, reason: 'abandoned' })
      const again = await redeem(token, grant)
      const used = left.used > 0
      expect([at, again.status]).toEqual([at, used ? 410 : 200])
      if (used && left.status === 'pending') {
        expect((await leftBy(database.app, grant)).issuances).toEqual(['failed abandoned'])
        expect((await redeem(await tokenOf(database.app, grant), grant)).status).toBe(200)
      } else if (used) {
        const anew = await tokenOf(database.app, grant, { purpose: 're-enrolment' })
        expect((await redeem(anew, grant)).status).toBe(200)
      }
      const { status, leaves } = await expectSound(grant)
      expect([status, leaves.filter((one) => one === 'issued')]).toEqual(['active', ['issued']])
      ends.push(used ? left.status : 'fresh')
    }
    // It was killed before its claim, after it, and after its activation.
    expect(new Set(ends)).toEqual(new Set(['fresh', 'pending', 'active']))
  })

  test('at any point of a renewal answers the same request with a certificate, and the old one is good all the time', async () => {
    const ends: string[] = []
    for (let at = 1; ; at += 1) {
      const grant = await enrolled()
      const call = await callOf(grant)
      const csrPem = await csrOf(database.app, grant)
      const process = new Process(at)
      const outcome = await renewing(renewalOf(process))(call, { csrPem }).catch((failure: unknown) => failure)
      if (!process.isDead) {
        expect(outcome).toMatchObject({ status: 200 })
        break
      }
      expect(outcome).toBeInstanceOf(Killed)
      const before = await expectSound(grant)
      expect(before.leaves).toContain('active')
      await failAbandoned(database.app, { olderThanSeconds: 0, reason: 'abandoned' })
      const issued = await issuedBy(async () => {
        const again = await renewing(renewalOf())({ ...call, requestId: crypto.randomUUID() }, { csrPem })
        expect([at, again.status]).toEqual([at, 200])
      })
      // The same again where it was registered, and a fresh one otherwise.
      expect(issued).toBe(before.leaves.includes('issued') ? 0 : 1)
      expect((await expectSound(grant)).leaves.toSorted()).toEqual(['active', 'issued'])
      ends.push(issued === 0 ? 'same' : 'fresh')
    }
    expect(new Set(ends)).toEqual(new Set(['fresh', 'same']))
  })
})
