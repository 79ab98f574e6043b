import { randomBytes } from 'node:crypto'
import { Agent } from 'node:https'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { derInPem, pemOf } from '../certificates/pem.ts'
import { serialFromHex } from '../serial.ts'
import { readAudit } from '../storage/audit/rows.ts'
import { Database } from '../storage/database.ts'
import { findToken } from '../storage/enrolment-tokens.ts'
import { revokeGrant } from '../storage/grants.ts'
import { revokeInboundPeer } from '../storage/inbound-peers.ts'
import { failAbandoned } from '../storage/issuance.ts'
import { sql } from '../storage/statement.ts'
import { type Cluster, startCluster, type TestDatabase } from '../storage/testing/cluster.ts'
import { makeGrant, makeTenant, type TestGrant, type TestTenant } from '../storage/testing/tenant.ts'
import {
  ED25519,
  makeCsr,
  makeKeys,
  namesExtension,
  OIDS,
  rsa,
  type TestCa,
  uuidExtension,
  x509,
} from '../testing/certificates.ts'
import {
  csrOf,
  type EnrolmentDesk,
  FEDERATION_URL,
  issuerAt,
  leftBy,
  nameOf,
  openDesk,
  tokenOf,
} from '../testing/enrolment.ts'
import { makeSite, type Site } from '../testing/federation.ts'
import { holdServer, json, liveRoot, liveServer } from '../testing/live.ts'
import { makeProvisionerKey } from '../testing/provisioner.ts'
import { type Draft, type SigningCa, signingCa, together } from '../testing/signing-ca.ts'
import { enrolmentAnswer } from '../wire/answers.ts'
import type { Issuer } from './issuing.ts'
import type { ProvisionerKey } from './provisioner-key.ts'
import { lookupOf, makeToken } from './token.ts'

// Each guard with each of its reasons, beside an enrolment that succeeds. The CA signs what a test wants.

let database: TestDatabase
let tenant: TestTenant
let site: Site
let ca: SigningCa
let key: ProvisionerKey
let issuer: Issuer
let desk: EnrolmentDesk

let cluster: Cluster

/** Given back in the other order, also where one of them fails. */
const owned = new AsyncDisposableStack()
beforeAll(async () => {
  cluster = owned.use(await startCluster())
  database = owned.use(await cluster.database())
  site = await makeSite()
  ca = owned.use(await signingCa())
  key = await makeProvisionerKey()
  issuer = issuerAt({ url: ca.server.url, root: ca.root }, key)
}, 120_000)
afterAll(() => owned.disposeAsync())
beforeEach(async () => {
  Object.assign(ca, {
    defect: undefined,
    signsWith: undefined,
    answer: undefined,
    onSign: undefined,
    onHealth: undefined,
    isWell: true,
  })
  ca.issued.length = 0
  ca.server.heard.length = 0
  tenant = await makeTenant(database.owner)
  desk = await open()
  return () => desk[Symbol.asyncDispose]()
})
const more: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of more.splice(0)) await one[Symbol.asyncDispose]()
})

function open(changes: Partial<Parameters<typeof openDesk>[0]> = {}) {
  return openDesk({ site, database: database.app, issuer, ...changes })
}

/** A grant with a token and a good CSR. */
async function invited(options: Parameters<typeof makeGrant>[2] & Parameters<typeof tokenOf>[2] = {}) {
  const grant = await makeGrant(database.app, tenant, options)
  return { grant, token: await tokenOf(database.app, grant, options), csrPem: await csrOf(database.app, grant) }
}
const last = () => desk.decisions.at(-1)
const signs = () => ca.server.heard.filter(({ url }) => url === '/1.0/sign').length
/** The grant is as it was: nothing was issued, or the one token was burnt. */
const UNTOUCHED = { status: 'pending', peer: 'pending', leaves: [], queued: [], issuances: [], used: 0 }

/** The positive control: what was refused before succeeds once what was wrong with it is not. */
async function succeeds(token: string, csrPem: string, grant: TestGrant): Promise<void> {
  expect((await desk.redeem(token, { csrPem })).status).toBe(200)
  expect(await leftBy(database.app, grant)).toMatchObject({ status: 'active', peer: 'active', leaves: ['issued'] })
}

test('a token becomes a certificate that is registered, for a grant and a peer that are active, with one row in the audit', async () => {
  const { grant, token, csrPem } = await invited()
  const answer = await desk.redeem(token, { csrPem })
  expect(answer.status).toBe(200)
  const read = enrolmentAnswer.parse(answer.json)
  const [leaf] = ca.issued
  const serial = serialFromHex(leaf!.serialNumber)!
  expect(read).toEqual({
    ...{ certPem: String(leaf), certChainPem: `${leaf}${ca.issuing.certificate}`, serial },
    ...{ notAfter: leaf!.validToDate.toISOString(), grantId: grant.grantId, subjectUserId: tenant.alice },
    ...{ peerId: grant.peerId, federationUrl: FEDERATION_URL },
  })
  expect(await leftBy(database.app, grant)).toEqual({
    ...{ status: 'active', peer: 'active', leaves: ['issued'], queued: [], issuances: ['registered'], used: 1 },
  })
  const principal = { grantId: grant.grantId, peerId: grant.peerId, subjectUserId: tenant.alice, serial }
  expect(desk.decisions).toMatchObject([
    { verdict: 'accepted', status: 200, action: 'federation:enrol', guard: null, reason: null, principal },
  ])
  const rows = await desk.audit()
  expect(rows).toMatchObject([
    {
      ...{ direction: 'inbound', verb: 'enrol', outcome: 'allowed', status: 200, reason: null },
      ...{ tenantId: grant.tenantId, grantId: grant.grantId, peerId: grant.peerId, subjectUserId: tenant.alice },
      ...{ certSerial: serial, requestId: desk.decisions[0]!.requestId, bytesOut: Buffer.byteLength(answer.text) },
    },
  ])
  expect(JSON.stringify([desk.decisions, desk.log, rows])).not.toContain(token)
})

test('a certificate does not outlive its grant', async () => {
  const { token, csrPem } = await invited({ expiresAt: new Date(Date.now() + 100_000) })
  expect((await desk.redeem(token, { csrPem })).status).toBe(200)
  const { notAfter } = JSON.parse(ca.server.heard.at(-1)!.body)
  expect(Number.parseInt(notAfter, 10)).toBeGreaterThan(90)
  expect(Number.parseInt(notAfter, 10)).toBeLessThanOrEqual(100)
})

test('nor is it asked for longer because its grant has much time left', async () => {
  const { token, csrPem } = await invited({ expiresAt: new Date(Date.now() + 86_400_000) })
  expect((await desk.redeem(token, { csrPem })).status).toBe(200)
  expect(JSON.parse(ca.server.heard.at(-1)!.body).notAfter).toBe('300s')
})

describe('enr.rate', () => {
  test('counts all that an address sends, before anything else is looked at, and then all addresses', async () => {
    more.push(desk)
    desk = await open({ changes: { limits: { perAddress: 3, all: 10_000 } } })
    const { grant, token, csrPem } = await invited()
    const sent = [await desk.redeem('nothing', 'no JSON'), await desk.redeem(makeToken().token, { csrPem })]
    expect(sent.map(({ status }) => status)).toEqual([400, 404])
    await succeeds(token, csrPem, grant)
    const refused = await desk.redeem(token, { csrPem }, { headers: { 'x-forwarded-for': '192.0.2.1' } })
    expect([refused.status, Number(refused.headers['retry-after'])]).toEqual([429, expect.any(Number)])
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(50)
    expect((refused.json.error as { retryAfterSeconds: number }).retryAfterSeconds).toBe(
      Number(refused.headers['retry-after']),
    )
    expect(last()).toMatchObject({ guard: 'enr.rate', reason: 'rate_enrolment' })
    expect((await desk.audit()).at(-1)).toMatchObject({ outcome: 'denied', status: 429, grantId: null })

    await desk[Symbol.asyncDispose]()
    desk = await open({ changes: { limits: { perAddress: 100, all: 2 } } })
    const statuses = [1, 2, 3].map(() => desk.redeem(makeToken().token, { csrPem }))
    expect((await Promise.all(statuses)).map(({ status }) => status).toSorted()).toEqual([404, 404, 429])
  })
})

describe('store.available', () => {
  test('without a database nobody is asked, and nothing is known from before', async () => {
    more.push(desk)
    await using away = new Database({ url: 'postgres://nobody@127.0.0.1:1/none', withinMs: 500 })
    desk = await open({ changes: { database: away } })
    const { grant, token, csrPem } = await invited()
    const { status, headers } = await desk.redeem(token, { csrPem })
    expect([status, headers['retry-after']]).toEqual([503, '5'])
    expect(last()).toMatchObject({ guard: 'store.available', reason: 'database_unavailable' })
    expect(ca.server.heard).toEqual([])
    await desk[Symbol.asyncDispose]()
    desk = await open()
    await succeeds(token, csrPem, grant)
  })

  test('one that is lost while the CA signs leaves the token spent, and a line in the log for what was issued', async () => {
    more.push(desk)
    const lost = database.open({ role: 'gateway_app', withinMs: 400 })
    desk = await open({ changes: { database: lost } })
    const { grant, token, csrPem } = await invited()
    const { promise: isOver, resolve: over } = Promise.withResolvers<void>()
    let holding: Promise<unknown> = Promise.resolve()
    ca.onSign = async () => {
      const { promise: isHeld, resolve: held } = Promise.withResolvers<void>()
      holding = database.owner.transaction(async (session) => {
        await session.query(sql`LOCK TABLE federation_issuance IN ACCESS EXCLUSIVE MODE`)
        held()
        await isOver
      })
      await isHeld
    }
    expect((await desk.redeem(token, { csrPem })).status).toBe(503)
    expect(last()).toMatchObject({ guard: 'store.available' })
    const serial = serialFromHex(ca.issued[0]!.serialNumber)
    expect(desk.log).toMatchObject([['issuance-left-open', { grantId: grant.grantId, serial }]])
    over()
    await holding
    expect(await leftBy(database.app, grant)).toMatchObject({
      status: 'pending',
      leaves: [],
      issuances: ['open'],
      used: 1,
    })
    // Whoever sweeps closes it, and the next token is as good as any.
    const next = await tokenOf(database.app, grant)
    await desk[Symbol.asyncDispose]()
    desk = await open()
    ca.onSign = undefined
    expect((await desk.redeem(next, { csrPem })).status).toBe(409)
    await failAbandoned(database.app, { olderThanSeconds: 0, reason: 'abandoned' })
    await succeeds(next, csrPem, grant)
  })
})

describe('enr.body', () => {
  test.each<[what: string, reason: string, status: number, body: unknown, headers?: Record<string, string>]>([
    ['no JSON', 'enrolment_body', 400, '{"csrPem"'],
    ['nothing', 'enrolment_body', 400, ''],
    ['another member', 'enrolment_body', 400, { csrPem: 'x', subjectUserId: 'somebody' }],
    ['a CSR that is no text', 'enrolment_body', 400, { csrPem: 7 }],
    ['no CSR', 'enrolment_body', 400, {}],
    ['a member twice', 'enrolment_body', 400, '{"csrPem":"x","csrPem":"y"}'],
    ['a form', 'enrolment_content_type', 415, 'csrPem=x', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['too much', 'enrolment_too_large', 413, { csrPem: 'x'.repeat(16 * 1024) }],
  ])('%s is %s, and nothing is spent', async (_, reason, status, body, headers = {}) => {
    const { grant, token, csrPem } = await invited()
    const refused = await desk.redeem(token, body, { headers })
    expect(refused.status).toBe(status)
    expect(last()).toMatchObject({ guard: 'enr.body', reason, status })
    expect(await leftBy(database.app, grant)).toEqual(UNTOUCHED)
    await succeeds(token, csrPem, grant)
    expect((await desk.audit()).map(({ reason }) => reason)).toEqual([reason, null])
  })

  test('a body of 16 KiB is taken, and not one byte more', async () => {
    const { grant, token, csrPem } = await invited()
    const body = JSON.stringify({ csrPem })
    const padded = (length: number) => `${body}${' '.repeat(length - body.length)}`
    expect((await desk.redeem(token, padded(16 * 1024 + 1))).status).toBe(413)
    expect((await desk.redeem(token, padded(16 * 1024))).status).toBe(200)
    expect(await leftBy(database.app, grant)).toMatchObject({ status: 'active' })
  })

  test('what is wrong with which member is told', async () => {
    const { token } = await invited()
    const { json: told } = await desk.redeem(token, { csrPem: 7 })
    expect((told.error as { details: unknown }).details).toEqual([{ path: 'csrPem', message: expect.any(String) }])
  })
})

describe('enr.token-known', () => {
  test('what nobody knows and what is no token at all is answered with the same bytes', async () => {
    const { grant, token, csrPem } = await invited()
    const forms = {
      unknown: randomBytes(32).toString('hex'),
      short: token.slice(0, 63),
      long: `${token}0`,
      capitals: token.toUpperCase(),
      encoded: `%${token.charCodeAt(0).toString(16)}${token.slice(1)}`,
      digest: 'sha256',
      quoted: `${token}'`,
    }
    const texts = new Set<string>()
    for (const form of Object.values(forms)) {
      const { status, text, json: told } = await desk.redeem(form, { csrPem })
      expect(status).toBe(404)
      expect(last()).toMatchObject({ guard: 'enr.token-known', reason: 'token_unknown' })
      texts.add(text.replace((told.error as { requestId: string }).requestId, ''))
    }
    // Another path is another thing, and says as little.
    for (const path of [`${token}/`, `x/../y/${token}`, `/${token}`]) {
      const { status, text, json: told } = await desk.redeem(path, { csrPem })
      expect(status).toBe(404)
      texts.add(text.replace((told.error as { requestId: string }).requestId, ''))
    }
    expect(texts.size).toBe(1)
    expect(await leftBy(database.app, grant)).toEqual(UNTOUCHED)
    await succeeds(token, csrPem, grant)
  })

  test('other methods are none', async () => {
    const { token } = await invited()
    for (const method of ['GET', 'PUT', 'DELETE']) {
      expect((await desk.redeem(token, undefined, { method })).status).toBe(405)
    }
    expect((await desk.audit()).map(({ verb, reason }) => [verb, reason])).toEqual(
      Array(3).fill(['enrol', 'method_unknown']),
    )
  })
})

test('enr.token-unused: a token works once, also with the same request again', async () => {
  const { grant, token, csrPem } = await invited()
  await succeeds(token, csrPem, grant)
  for (const csr of [csrPem, await csrOf(database.app, grant)]) {
    expect((await desk.redeem(token, { csrPem: csr })).status).toBe(410)
    expect(last()).toMatchObject({
      guard: 'enr.token-unused',
      reason: 'token_used',
      principal: { grantId: grant.grantId },
    })
  }
  expect(ca.issued).toHaveLength(1)
})

test('enr.token-fresh: and no longer than its time', async () => {
  const { grant, token, csrPem } = await invited()
  const other = await tokenOf(database.app, grant)
  await database.owner.query(
    sql`UPDATE federation_enrollment_tokens SET expires_at = now() WHERE token_sha256 = ${lookupOf(token)!}`,
  )
  expect((await desk.redeem(token, { csrPem })).status).toBe(410)
  expect(last()).toMatchObject({ guard: 'enr.token-fresh', reason: 'token_expired' })
  expect(ca.server.heard).toEqual([])
  await succeeds(other, csrPem, grant)
})

describe('enr.grant', () => {
  test('one that was revoked, or whose time is over, is no more', async () => {
    const [revoked, expired] = [await invited(), await invited({ expiresAt: new Date(Date.now() - 1) })]
    await revokeGrant(database.app, { tenantId: tenant.tenantId, id: revoked.grant.grantId, reason: 'r' })
    for (const { token, csrPem } of [revoked, expired]) {
      expect((await desk.redeem(token, { csrPem })).status).toBe(410)
      expect(last()).toMatchObject({ guard: 'enr.grant', reason: 'token_grant_ended' })
    }
    expect(ca.server.heard).toEqual([])
    const { token, csrPem, grant } = await invited()
    await succeeds(token, csrPem, grant)
  })

  test.each<[what: string, reason: string, status: number, come: (grant: TestGrant) => Promise<unknown>]>([
    [
      'is revoked',
      'token_grant_ended',
      410,
      ({ tenantId, grantId: id }) => revokeGrant(database.app, { tenantId, id, reason: 'r' }),
    ],
    [
      'is enrolled by another token',
      'grant_already_active',
      409,
      async (grant) => {
        const csrPem = await csrOf(database.app, grant)
        await using other = await open()
        expect((await other.redeem(await tokenOf(database.app, grant), { csrPem })).status).toBe(200)
      },
    ],
  ])(
    'one that %s between its guard and the claim is %s, and no certificate is asked for',
    async (_, reason, status, come) => {
      more.push(desk)
      await issuer.ca.isReady()
      desk = await open({ issuer: issuerAt({ url: ca.server.url, root: ca.root }, key) })
      const { grant, token, csrPem } = await invited()
      ca.onHealth = async () => {
        ca.onHealth = undefined
        await come(grant)
        ca.issued.length = 0
      }
      expect((await desk.redeem(token, { csrPem })).status).toBe(status)
      expect(last()).toMatchObject({ guard: 'enr.grant', reason })
      expect(ca.issued).toEqual([])
      expect((await findToken(database.app, lookupOf(token)!))!.token.usedAt).toBeNull()
    },
  )

  test('one that ended with its peer has ended: that is what is said of it', async () => {
    const { grant, token, csrPem } = await invited()
    await revokeInboundPeer(database.app, { tenantId: grant.tenantId, id: grant.peerId, reason: 'r' })
    expect((await desk.redeem(token, { csrPem })).status).toBe(410)
    expect(last()).toMatchObject({ guard: 'enr.grant', reason: 'token_grant_ended' })
  })

  test('an active one takes a token to begin anew, and no first one; a pending one the other way round', async () => {
    const { grant, token, csrPem } = await invited()
    const again = await tokenOf(database.app, grant, { purpose: 're-enrolment' })
    const second = await tokenOf(database.app, grant)
    expect((await desk.redeem(again, { csrPem })).status).toBe(409)
    expect(last()).toMatchObject({ guard: 'enr.grant', reason: 'grant_not_active' })
    await succeeds(token, csrPem, grant)
    const next = await csrOf(database.app, grant)
    expect((await desk.redeem(second, { csrPem: next })).status).toBe(409)
    expect(last()).toMatchObject({ guard: 'enr.grant', reason: 'grant_already_active' })
    expect((await desk.redeem(again, { csrPem: next })).status).toBe(200)
    const [first] = ca.issued.map(({ serialNumber }) => serialFromHex(serialNumber)!)
    expect(await leftBy(database.app, grant)).toMatchObject({ leaves: ['revoked', 'issued'], queued: [first] })
  })
})

test('enr.peer: one that was revoked does not come back by an older token', async () => {
  const { grant, token, csrPem } = await invited()
  // Its grants end with it; so that this guard has something to say, this one has not.
  await database.owner.query(sql`UPDATE federation_peers SET state = 'revoked' WHERE id = ${grant.peerId}::uuid`)
  expect((await desk.redeem(token, { csrPem })).status).toBe(409)
  expect(last()).toMatchObject({ guard: 'enr.peer', reason: 'enrolment_peer_revoked' })
  await database.owner.query(sql`UPDATE federation_peers SET state = 'pending' WHERE id = ${grant.peerId}::uuid`)
  await succeeds(token, csrPem, grant)
})

describe('a request for a certificate', () => {
  const bad: [
    what: string,
    guard: string,
    reason: string,
    make: (name: string, grant: TestGrant) => Promise<string>,
  ][] = [
    ['is no PEM', 'enr.csr', 'csr_malformed', async () => 'hello'],
    [
      'is two',
      'enr.csr',
      'csr_malformed',
      async (_, grant) => `${await csrOf(database.app, grant)}${await csrOf(database.app, grant)}`,
    ],
    ['was changed', 'enr.csr', 'csr_signature', async (_, grant) => tampered(await csrOf(database.app, grant))],
    [
      'is for a weak key',
      'enr.csr',
      'csr_key',
      async (_, grant) => csrOf(database.app, grant, { algorithm: rsa(1024) }),
    ],
    [
      'is for a key of another kind',
      'enr.csr',
      'csr_key',
      async (_, grant) => csrOf(database.app, grant, { algorithm: ED25519 }),
    ],
    [
      'is signed by SHA-1',
      'enr.csr',
      'csr_digest',
      async (_, grant) => csrOf(database.app, grant, { algorithm: rsa(2048, 'SHA-1') }),
    ],
    ['is for another name', 'enr.csr-name', 'csr_name_mismatch', async () => makeCsr()],
    [
      'has no SAN',
      'enr.csr-name',
      'csr_name_mismatch',
      async (_, grant) => csrOf(database.app, grant, { names: undefined }),
    ],
    [
      'has one name more',
      'enr.csr-name',
      'csr_name_mismatch',
      async (name, grant) => csrOf(database.app, grant, { names: namesExtension(['dns', name], ['dns', 'more.test']) }),
    ],
    [
      'has more in its subject',
      'enr.csr-name',
      'csr_name_mismatch',
      async (name, grant) => csrOf(database.app, grant, { subject: `CN=${name}, O=Acme` }),
    ],
  ]
  test.each(bad)(
    'that %s is refused by %s, and the token is good for the right one',
    async (_, guard, reason, make) => {
      const { grant, token, csrPem } = await invited()
      const refused = await desk.redeem(token, { csrPem: await make(await nameOf(database.app, grant), grant) })
      expect([refused.status, (refused.json.error as { code: string }).code]).toEqual([422, 'invalid_csr'])
      expect((refused.json.error as { details: unknown }).details).toEqual([
        { path: 'csrPem', message: expect.stringMatching(/^must /) },
      ])
      expect(last()).toMatchObject({ guard, reason })
      expect(await leftBy(database.app, grant)).toEqual(UNTOUCHED)
      expect(ca.server.heard).toEqual([])
      await succeeds(token, csrPem, grant)
    },
  )

  test('for a key that was in a certificate is refused, whoever had it', async () => {
    const keys = await makeKeys()
    const first = await invited()
    await succeeds(first.token, await csrOf(database.app, first.grant, { keys }), first.grant)
    const { grant, token, csrPem } = await invited()
    expect((await desk.redeem(token, { csrPem: await csrOf(database.app, grant, { keys }) })).status).toBe(422)
    expect(last()).toMatchObject({ guard: 'enr.csr-fresh', reason: 'csr_key_reused' })
    expect(await leftBy(database.app, grant)).toEqual(UNTOUCHED)
    await succeeds(token, csrPem, grant)
  })

  test('chooses nothing: what else it asks for does not come to the CA as a name of ours', async () => {
    const { grant, token } = await invited()
    const more = [uuidExtension(OIDS.grant, crypto.randomUUID()), new x509.BasicConstraintsExtension(true)]
    expect((await desk.redeem(token, { csrPem: await csrOf(database.app, grant, { more }) })).status).toBe(200)
    expect(ca.issued[0]!.ca).toBe(false)
  })
})

describe('enr.ca-ready', () => {
  test.each<[what: string, make: () => Promise<Issuer>]>([
    ['is starting', async () => issuer],
    ['is of another root', async () => issuerAt({ url: ca.server.url, root: await liveRoot('root') }, key)],
    ['is not there', async () => issuerAt({ url: 'https://localhost:1', root: ca.root }, key, { deadlineMs: 500 })],
  ])('a CA that %s gets no token, and nothing is spent', async (_, make) => {
    more.push(desk)
    ca.isWell = false
    // A CA that was well a moment ago is not asked again.
    const fresh = await make()
    desk = await open({ issuer: fresh === issuer ? issuerAt({ url: ca.server.url, root: ca.root }, key) : fresh })
    const { grant, token, csrPem } = await invited()
    const refused = await desk.redeem(token, { csrPem })
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '5'])
    expect(last()).toMatchObject({ guard: 'enr.ca-ready', reason: 'ca_unreachable' })
    expect(await leftBy(database.app, grant)).toEqual(UNTOUCHED)
    expect(signs()).toBe(0)
    ca.isWell = true
    await desk[Symbol.asyncDispose]()
    desk = await open({ issuer: issuerAt({ url: ca.server.url, root: ca.root }, key) })
    await succeeds(token, csrPem, grant)
  })
})

/** The token is spent, the grant as it was, and whatever was issued is to be revoked. */
async function expectBurnt(grant: TestGrant, token: string, csrPem: string, reason: string, queued: string[]) {
  expect(await leftBy(database.app, grant)).toEqual({
    ...{ status: 'pending', peer: 'pending', leaves: [], queued, issuances: [`failed ${reason}`], used: 1 },
  })
  expect((await desk.redeem(token, { csrPem })).status).toBe(410)
  ca.defect = ca.signsWith = ca.answer = ca.onSign = undefined
  const next = await tokenOf(database.app, grant)
  expect((await desk.redeem(next, { csrPem: await csrOf(database.app, grant) })).status).toBe(200)
  expect(await leftBy(database.app, grant)).toMatchObject({ status: 'active', queued })
}

describe('enr.ca-sign', () => {
  test.each<[what: string, reason: string, answer: NonNullable<SigningCa['answer']>]>([
    ['says nothing in time', 'ca_timeout', () => {}],
    ['refuses', 'ca_refused', (_, response) => json(response, 403, { message: 'no' })],
    ['breaks', 'ca_refused', (_, response) => json(response, 500, {})],
    ['says 200', 'ca_bad_answer', (_, response) => json(response, 200, { crt: String(ca.issuing.certificate) })],
    ['says what is no certificate', 'ca_bad_answer', (_, response) => json(response, 201, { crt: 'hello' })],
    ['breaks off', 'ca_bad_answer', (request) => request.socket.destroy()],
  ])('a CA that %s is %s, and the token is burnt', async (_, reason, answer) => {
    more.push(desk)
    const waits = reason === 'ca_timeout' ? { deadlineMs: 600 } : {}
    desk = await open({ issuer: issuerAt({ url: ca.server.url, root: ca.root }, key, waits) })
    const { grant, token, csrPem } = await invited()
    ca.answer = answer
    expect((await desk.redeem(token, { csrPem })).status).toBe(503)
    expect(last()).toMatchObject({ guard: 'enr.ca-sign', reason, principal: { grantId: grant.grantId } })
    expect((await desk.audit()).at(-1)).toMatchObject({
      outcome: 'error',
      reason,
      grantId: grant.grantId,
      certSerial: null,
    })
    // Whoever runs the gateway learns more than is on record, and what to do.
    expect(desk.log).toMatchObject([
      [
        'certificate-not-signed',
        { grantId: grant.grantId, code: expect.stringMatching(/^CA_/), message: expect.stringMatching(/; see /) },
      ],
    ])
    expect(JSON.stringify(desk.log)).not.toContain(csrPem.split('\n')[1])
    await expectBurnt(grant, token, csrPem, reason, [])
  })

  test('one that goes away between both guards is as one that says nothing', async () => {
    const held = await holdServer(ca.root, ['localhost'])
    const server = await liveServer({ cert: held.cert, key: held.key }, (_, response) =>
      json(response, 200, { status: 'ok' }),
    )
    const going = issuerAt({ url: server.url, root: ca.root }, key, { deadlineMs: 1_000 })
    expect(await going.ca.isReady()).toBe(true)
    await server[Symbol.asyncDispose]()
    more.push(desk)
    desk = await open({ issuer: going })
    const { grant, token, csrPem } = await invited()
    expect((await desk.redeem(token, { csrPem })).status).toBe(503)
    expect(last()).toMatchObject({ guard: 'enr.ca-sign', reason: 'ca_timeout' })
    expect(desk.log).toMatchObject([['certificate-not-signed', { code: 'CA_UNREACHABLE' }]])
    await desk[Symbol.asyncDispose]()
    desk = await open()
    await expectBurnt(grant, token, csrPem, 'ca_timeout', [])
  })

  test('one that was started anew gets another token, once', async () => {
    const { grant, token, csrPem } = await invited()
    const refuses = (times: number) => {
      let refusals = 0
      ca.answer = (_, response) => {
        if (++refusals === times) ca.answer = undefined
        json(response, 401, { message: 'issued before the CA was started' })
      }
    }
    refuses(1)
    await succeeds(token, csrPem, grant)
    expect(signs()).toBe(2)
    const next = await invited()
    refuses(2)
    expect((await desk.redeem(next.token, { csrPem: next.csrPem })).status).toBe(503)
    expect(last()).toMatchObject({ guard: 'enr.ca-sign', reason: 'ca_refused' })
    expect(signs()).toBe(4)
  })
})

describe('enr.ca-leaf', () => {
  const other = '99999999-9999-4999-8999-999999999999'
  const without =
    (...names: string[]) =>
    (draft: Draft) => ({
      extensions: { ...draft.extensions, ...Object.fromEntries(names.map((name) => [name, undefined])) },
    })
  const defects: [what: string, reason: string, defect: NonNullable<SigningCa['defect']>][] = [
    ['no extension of ours', 'issued_oid_mismatch', without('grant', 'subject')],
    ['no grant', 'issued_oid_mismatch', without('grant')],
    ['no subject', 'issued_oid_mismatch', without('subject')],
    [
      'another grant',
      'issued_oid_mismatch',
      ({ extensions }) => ({ extensions: { ...extensions, grant: uuidExtension(OIDS.grant, other) } }),
    ],
    [
      'another subject',
      'issued_oid_mismatch',
      ({ extensions }) => ({ extensions: { ...extensions, subject: uuidExtension(OIDS.subject, other) } }),
    ],
    [
      'both swapped',
      'issued_oid_mismatch',
      ({ extensions, claims }) => ({
        extensions: {
          ...extensions,
          grant: uuidExtension(OIDS.grant, claims.subject),
          subject: uuidExtension(OIDS.subject, claims.grant),
        },
      }),
    ],
    [
      'a grant in capitals',
      'issued_oid_mismatch',
      ({ extensions, claims }) => ({
        extensions: { ...extensions, grant: uuidExtension(OIDS.grant, claims.grant.toUpperCase()) },
      }),
    ],
    ['another key', 'issued_key_mismatch', async () => ({ keys: await makeKeys() })],
    [
      'another name',
      'issued_profile',
      ({ extensions }) => ({
        subject: 'CN=other.test',
        extensions: { ...extensions, names: namesExtension(['dns', 'other.test']) },
      }),
    ],
    ['no provisioner', 'issued_profile', without('provisioner')],
    [
      'a use as a server',
      'issued_profile',
      ({ extensions }) => ({
        extensions: {
          ...extensions,
          purpose: new x509.ExtendedKeyUsageExtension([
            x509.ExtendedKeyUsage.clientAuth,
            x509.ExtendedKeyUsage.serverAuth,
          ]),
        },
      }),
    ],
    ['no use', 'issued_profile', without('purpose')],
    [
      'the right to sign others',
      'issued_profile',
      ({ extensions }) => ({ extensions: { ...extensions, constraints: new x509.BasicConstraintsExtension(true) } }),
    ],
    [
      'an end that is over',
      'issued_validity',
      () => ({ notBefore: new Date(Date.now() - 7_200_000), notAfter: new Date(Date.now() - 3_600_000) }),
    ],
    [
      'a beginning to come',
      'issued_validity',
      () => ({ notBefore: new Date(Date.now() + 3_600_000), notAfter: new Date(Date.now() + 7_200_000) }),
    ],
    ['a day of life', 'issued_validity', () => ({ notAfter: new Date(Date.now() + 86_400_000) })],
  ]
  test.each(defects)(
    'a certificate with %s is %s: no activation, and it is to be revoked',
    async (_, reason, defect) => {
      const { grant, token, csrPem } = await invited()
      ca.defect = defect
      expect((await desk.redeem(token, { csrPem })).status).toBe(503)
      expect(last()).toMatchObject({ guard: 'enr.ca-leaf', reason })
      await expectBurnt(grant, token, csrPem, reason, [serialFromHex(ca.issued[0]!.serialNumber)!])
    },
  )

  test('one of another issuer is issued_chain', async () => {
    const { grant, token, csrPem } = await invited()
    ca.signsWith = await stranger()
    expect((await desk.redeem(token, { csrPem })).status).toBe(503)
    expect(last()).toMatchObject({ guard: 'enr.ca-leaf', reason: 'issued_chain' })
    await expectBurnt(grant, token, csrPem, 'issued_chain', [serialFromHex(ca.issued[0]!.serialNumber)!])
  })

  test('one with a serial number that was there is issued_profile, and the certificate that has it stays', async () => {
    const first = await invited()
    await succeeds(first.token, first.csrPem, first.grant)
    const { grant, token, csrPem } = await invited()
    ca.defect = () => ({ serial: ca.issued[0]!.serialNumber })
    expect((await desk.redeem(token, { csrPem })).status).toBe(503)
    expect(last()).toMatchObject({ guard: 'enr.ca-leaf', reason: 'issued_profile' })
    expect(await leftBy(database.app, first.grant)).toMatchObject({ leaves: ['issued'], queued: [] })
    await expectBurnt(grant, token, csrPem, 'issued_profile', [])
  })

  test('nor is one taken whose serial number is to be revoked', async () => {
    const [first, second] = [await invited(), await invited()]
    ca.defect = without('grant')
    await desk.redeem(first.token, { csrPem: first.csrPem })
    const { serialNumber } = ca.issued[0]!
    ca.defect = () => ({ serial: serialNumber })
    expect((await desk.redeem(second.token, { csrPem: second.csrPem })).status).toBe(503)
    expect(last()).toMatchObject({ reason: 'issued_profile' })
    expect(await leftBy(database.app, second.grant)).toMatchObject({ status: 'pending', queued: [] })
  })
})

async function stranger(): Promise<TestCa> {
  return (await liveRoot('root')).sub('issuing', {
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 600_000),
  })
}

describe('enr.activate', () => {
  test.each<[what: string, end: (grant: TestGrant) => Promise<unknown>, after: object]>([
    [
      'grant is revoked',
      ({ tenantId, grantId: id }) => revokeGrant(database.app, { tenantId, id, reason: 'r' }),
      { status: 'revoked', peer: 'pending' },
    ],
    [
      'peer is revoked',
      ({ tenantId, peerId: id }) => revokeInboundPeer(database.app, { tenantId, id, reason: 'r' }),
      { status: 'revoked', peer: 'revoked' },
    ],
    [
      'grant runs out',
      ({ grantId }) =>
        database.owner.query(sql`UPDATE federation_grants SET expires_at = now() WHERE id = ${grantId}::uuid`),
      { status: 'pending', peer: 'pending' },
    ],
  ])('a certificate whose %s while it is signed is revoked, and activates nothing', async (_, end, after) => {
    const { grant, token, csrPem } = await invited()
    ca.onSign = () => end(grant)
    expect((await desk.redeem(token, { csrPem })).status).toBe(409)
    expect(last()).toMatchObject({ guard: 'enr.activate', reason: 'activation_lost_race' })
    expect(await leftBy(database.app, grant)).toMatchObject({
      ...after,
      ...{
        leaves: [],
        queued: [serialFromHex(ca.issued[0]!.serialNumber)],
        issuances: ['failed activation_lost_race'],
      },
    })
    expect((await desk.audit()).map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['denied', 'activation_lost_race'],
    ])
    ca.onSign = undefined
    const next = await invited()
    await succeeds(next.token, next.csrPem, next.grant)
  })

  test('a key that two grants are enrolled with at once is in one certificate', async () => {
    const keys = await makeKeys()
    const both = [await invited(), await invited()]
    ca.onSign = together(2)
    const answers = await Promise.all(
      both.map(async ({ grant, token }) => desk.redeem(token, { csrPem: await csrOf(database.app, grant, { keys }) })),
    )
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409])
    const left = await Promise.all(both.map(({ grant }) => leftBy(database.app, grant)))
    expect(left.map(({ status }) => status).toSorted()).toEqual(['active', 'pending'])
    expect(left.map(({ queued }) => queued.length).toSorted()).toEqual([0, 1])
  })

  test('a token that is redeemed while another one of its grant is, is not burnt', async () => {
    const { grant, token, csrPem } = await invited()
    const other = await tokenOf(database.app, grant)
    let second: Awaited<ReturnType<EnrolmentDesk['redeem']>> | undefined
    ca.onSign = async () => {
      ca.onSign = undefined
      second = await desk.redeem(other, { csrPem: await csrOf(database.app, grant) })
    }
    ca.answer = (_, response) => json(response, 403, {})
    expect((await desk.redeem(token, { csrPem })).status).toBe(503)
    expect(second?.status).toBe(409)
    expect(desk.decisions.map(({ guard, reason }) => [guard, reason])).toEqual([
      ['enr.activate', 'activation_lost_race'],
      ['enr.ca-sign', 'ca_refused'],
    ])
    ca.answer = undefined
    await succeeds(other, await csrOf(database.app, grant), grant)
  })
})

describe('what nobody would learn of', () => {
  const closed = (grant: TestGrant) =>
    vi.waitFor(async () =>
      expect((await leftBy(database.app, grant)).issuances).toEqual([expect.stringMatching(/^failed/)]),
    )

  test('is not activated: a caller that has gone while the CA signs', async () => {
    const { grant, token, csrPem } = await invited()
    const agent = new Agent({ keepAlive: true })
    ca.onSign = () => {
      agent.destroy()
      return vi.waitFor(async () => expect(await desk.connections()).toBe(0))
    }
    await expect(desk.redeem(token, { csrPem }, { agent })).rejects.toThrow()
    await closed(grant)
    await vi.waitFor(async () =>
      expect(await readAudit(database.app, { grantId: grant.grantId, limit: 9 })).toMatchObject([
        { outcome: 'aborted', grantId: grant.grantId },
      ]),
    )
    await expectBurnt(grant, token, csrPem, 'enrolment_broken_off', [serialFromHex(ca.issued[0]!.serialNumber)!])
  })

  test('nor is a token spent for one whose time was over before it was its turn', async () => {
    more.push(desk)
    desk = await open({ issuer: issuerAt({ url: ca.server.url, root: ca.root }, key), deadlineMs: 300 })
    const { grant, token, csrPem } = await invited()
    const { promise: isTold, resolve: told } = Promise.withResolvers<void>()
    ca.onHealth = () => isTold
    expect((await desk.redeem(token, { csrPem })).status).toBe(503)
    expect(last()).toMatchObject({ guard: 'http.deadline' })
    const entries = desk.decisions.length
    told()
    // Once the CA is known to be well, whoever comes next is served; the one before it has ended by then.
    await desk.redeem(makeToken().token, { csrPem })
    expect(desk.decisions.length).toBe(entries + 1)
    expect(await leftBy(database.app, grant)).toEqual(UNTOUCHED)
    await desk[Symbol.asyncDispose]()
    ca.onHealth = undefined
    desk = await open()
    await succeeds(token, csrPem, grant)
  })

  test('nor one that was told that its time is over', async () => {
    more.push(desk)
    desk = await open({ deadlineMs: 300 })
    const { grant, token, csrPem } = await invited()
    const { promise: isTold, resolve: told } = Promise.withResolvers<void>()
    ca.onSign = () => isTold
    expect((await desk.redeem(token, { csrPem })).status).toBe(503)
    told()
    await closed(grant)
    expect((await desk.audit()).map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['error', 'deadline_exceeded'],
    ])
    await desk[Symbol.asyncDispose]()
    desk = await open()
    await expectBurnt(grant, token, csrPem, 'enrolment_broken_off', [serialFromHex(ca.issued[0]!.serialNumber)!])
  })
})

/** The last byte of its signature is another one. */
function tampered(pem: string): string {
  const der = derInPem(pem, 'CERTIFICATE REQUEST')!
  der[der.length - 1]! ^= 1
  return pemOf(der, 'CERTIFICATE REQUEST')
}
