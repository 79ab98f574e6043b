import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Refused } from '../listeners/exchange.ts'
import type { AdmittedCall } from '../listeners/federation-listener.ts'
import { serialFromHex } from '../serial.ts'
import { findAdmission } from '../storage/admission.ts'
import { acceptLeaf, listLeaves } from '../storage/certificates.ts'
import { revokeGrant } from '../storage/grants.ts'
import { revokeInboundPeer } from '../storage/inbound-peers.ts'
import { Patience } from '../storage/patience.ts'
import { sql } from '../storage/statement.ts'
import { type Cluster, startCluster, type TestDatabase } from '../storage/testing/cluster.ts'
import { makeGrant, makeTenant, type TestGrant, type TestTenant } from '../storage/testing/tenant.ts'
import { StoreUnavailable } from '../storage/unavailable.ts'
import { makeCsr, makeKeys, OIDS, rsa, uuidExtension } from '../testing/certificates.ts'
import { csrOf, type EnrolmentDesk, issuerAt, leftBy, nameOf, openDesk, tokenOf } from '../testing/enrolment.ts'
import { makeSite } from '../testing/federation.ts'
import { json } from '../testing/live.ts'
import { makeProvisionerKey } from '../testing/provisioner.ts'
import { type SigningCa, signingCa, together } from '../testing/signing-ca.ts'
import { renewAnswer } from '../wire/answers.ts'
import type { Issuer } from './issuing.ts'
import type { ProvisionerKey } from './provisioner-key.ts'
import { type Renewing, renewing } from './renew.ts'

// Each guard with each of its reasons, beside a renewal that succeeds.

let cluster: Cluster
let database: TestDatabase
let tenant: TestTenant
let ca: SigningCa
let key: ProvisionerKey
let issuer: Issuer
let desk: EnrolmentDesk
let log: [string, object][]

/** Given back in the other order, also where one of them fails. */
const owned = new AsyncDisposableStack()
beforeAll(async () => {
  cluster = owned.use(await startCluster())
  database = owned.use(await cluster.database())
  ca = owned.use(await signingCa())
  key = await makeProvisionerKey()
  issuer = issuerAt({ url: ca.server.url, root: ca.root }, key)
  desk = owned.use(await openDesk({ site: await makeSite(), database: database.app, issuer }))
}, 120_000)
afterAll(() => owned.disposeAsync())
beforeEach(async () => {
  reset()
  log = []
  tenant = await makeTenant(database.owner)
})

function reset(): void {
  Object.assign(ca, { defect: undefined, answer: undefined, onSign: undefined })
  ca.issued.length = 0
}

interface Peer {
  readonly grant: TestGrant
  readonly call: AdmittedCall
  readonly csrPem: string
}

/** A peer with a certificate that it has used, and a request for the next one. */
async function enrolledPeer(options: Parameters<typeof makeGrant>[2] = {}): Promise<Peer> {
  const grant = await makeGrant(database.app, tenant, options)
  const first = await csrOf(database.app, grant)
  const { json: got } = await desk.redeem(await tokenOf(database.app, grant), { csrPem: first })
  const serial = got.serial as string
  await acceptLeaf(database.app, { ...grant, serial })
  ca.issued.length = 0
  const commonName = await nameOf(database.app, grant)
  const { x5t } = (await listLeaves(database.app, grant))[0]!
  const { grant: lent } = await findAdmission(database.app, { grantId: grant.grantId, serial })
  const identity = { x5t, serial, commonName, grantId: grant.grantId, subjectUserId: tenant.alice }
  const about = { requestId: crypto.randomUUID(), queryHash: '', patience: new Patience(10_000) }
  const call = { ...about, identity, grant: lent!, signal: new AbortController().signal }
  return { grant, call, csrPem: await csrOf(database.app, grant) }
}

function options(changes: Partial<Renewing> = {}): Renewing {
  const say = (event: string, fields: object = {}) => void log.push([event, fields])
  return {
    ...{ database: database.app, issuer, overlapSeconds: 60, log: { info: say, warn: say, error: say } },
    store: { admission: (presented) => findAdmission(database.app, presented) },
    ...changes,
  }
}
const renew = async ({ call }: Peer, csrPem: string, changes: Partial<Renewing> = {}) =>
  renewing(options(changes))({ ...call, requestId: crypto.randomUUID() }, { csrPem })
async function refusalOf(renewal: Promise<unknown>) {
  const failure = await renewal.then(
    () => 'no refusal',
    (refused: unknown) => refused,
  )
  if (!(failure instanceof Refused)) return failure
  const { reason, status, error } = failure.refusal
  return { guard: failure.guard, reason, status, error }
}
const rejected = { guard: 'renew.csr', reason: 'renew_csr_rejected', status: 422, error: 'invalid_csr' }
const inProgress = { guard: 'renew.single', reason: 'renewal_in_progress', status: 409, error: 'conflict' }
const issuedSerials = () => ca.issued.map(({ serialNumber }) => serialFromHex(serialNumber)!)

/** The positive control: the next certificate, and the old one as it was. */
async function succeeds(peer: Peer, csrPem = peer.csrPem): Promise<void> {
  expect((await renew(peer, csrPem)).status).toBe(200)
  expect((await leftBy(database.app, peer.grant)).leaves.toSorted()).toEqual(['active', 'issued'])
}

test('a renewal is a certificate more, issued and not yet used, for as long as its grant lasts at most', async () => {
  const peer = await enrolledPeer({ expiresAt: new Date(Date.now() + 100_000) })
  const answer = await renew(peer, peer.csrPem)
  const [leaf] = ca.issued
  expect(answer.status).toBe(200)
  expect(renewAnswer.parse(answer.body)).toEqual({
    ...{ certPem: String(leaf), certChainPem: `${leaf}${ca.issuing.certificate}`, serial: issuedSerials()[0] },
    notAfter: leaf!.validToDate.toISOString(),
  })
  expect(await leftBy(database.app, peer.grant)).toMatchObject({
    ...{ status: 'active', leaves: ['active', 'issued'], queued: [], issuances: ['registered', 'registered'] },
  })
  expect(leaf!.validToDate.getTime()).toBeLessThanOrEqual(peer.call.grant.expiresAt!.getTime())
  const read = await findAdmission(database.app, { grantId: peer.grant.grantId, serial: issuedSerials()[0]! })
  expect(read.registered).toMatchObject({ status: 'issued', grantId: peer.grant.grantId })
})

test('the same request gets the same certificate again, and the CA issues one', async () => {
  const peer = await enrolledPeer()
  const first = await renew(peer, peer.csrPem)
  expect(await renew(peer, peer.csrPem)).toEqual(first)
  expect(await renew(peer, peer.csrPem.replaceAll('\n', '\r\n'))).toEqual(first)
  // Also once it was used, and its own holder asks.
  await acceptLeaf(database.app, { ...peer.grant, serial: issuedSerials()[0]! })
  expect(await renew(peer, peer.csrPem)).toEqual(first)
  expect(ca.issued).toHaveLength(1)
})

describe('renew.csr', () => {
  test.each<[what: string, make: (peer: Peer) => Promise<string>]>([
    ['no request', async () => 'hello'],
    ['one for a weak key', async ({ grant }) => csrOf(database.app, grant, { algorithm: rsa(1024) })],
    ['one by SHA-1', async ({ grant }) => csrOf(database.app, grant, { algorithm: rsa(2048, 'SHA-1') })],
    ['one for another name', async () => makeCsr()],
    ['one without a SAN', async ({ grant }) => csrOf(database.app, grant, { names: undefined })],
  ])('refuses %s', async (_, make) => {
    const peer = await enrolledPeer()
    expect(await refusalOf(renew(peer, await make(peer)))).toEqual(rejected)
    expect(ca.issued).toEqual([])
    await succeeds(peer)
  })

  test('refuses a key that was in a certificate, of this grant or of another one', async () => {
    const keys = await makeKeys()
    const [peer, other] = [await enrolledPeer(), await enrolledPeer()]
    await succeeds(peer, await csrOf(database.app, peer.grant, { keys }))
    reset()
    const more = [uuidExtension(OIDS.grant, crypto.randomUUID())]
    expect(await refusalOf(renew(peer, await csrOf(database.app, peer.grant, { keys, more })))).toEqual(rejected)
    expect(await refusalOf(renew(other, await csrOf(database.app, other.grant, { keys })))).toEqual(rejected)
    expect(ca.issued).toEqual([])
    await succeeds(other)
  })

  test('refuses the request of another grant of the same peer, also while its certificate is new', async () => {
    const peer = await enrolledPeer()
    const other = await enrolledPeer({ peerId: peer.grant.peerId })
    await succeeds(peer)
    expect(await refusalOf(renew(other, peer.csrPem))).toEqual(rejected)
    expect(ca.issued).toHaveLength(1)
    await succeeds(other)
  })

  test('refuses a request whose certificate was abandoned for a later one', async () => {
    const peer = await enrolledPeer()
    await succeeds(peer)
    await database.owner.query(
      sql`UPDATE federation_certificates SET issued_at = issued_at - interval '31 seconds' WHERE status = 'issued'`,
    )
    expect((await renew(peer, await csrOf(database.app, peer.grant))).status).toBe(200)
    expect(await refusalOf(renew(peer, peer.csrPem))).toEqual(rejected)
  })

  test('of two grants that are renewed with one key at once takes one', async () => {
    const keys = await makeKeys()
    const peers = [await enrolledPeer(), await enrolledPeer()]
    ca.onSign = together(2)
    const outcomes = await Promise.all(
      peers.map(async (peer) => refusalOf(renew(peer, await csrOf(database.app, peer.grant, { keys })))),
    )
    expect(outcomes).toContainEqual(rejected)
    expect(outcomes).toContain('no refusal')
    const left = await Promise.all(peers.map(({ grant }) => leftBy(database.app, grant)))
    expect(left.map(({ queued }) => queued.length).toSorted()).toEqual([0, 1])
  })
})

describe('renew.single', () => {
  test('refuses another request for 30 seconds, as long as the last certificate was not used', async () => {
    const peer = await enrolledPeer()
    await succeeds(peer)
    const next = await csrOf(database.app, peer.grant)
    expect(await refusalOf(renew(peer, next))).toEqual(inProgress)
    await database.owner.query(
      sql`UPDATE federation_certificates SET issued_at = issued_at - interval '31 seconds' WHERE status = 'issued'`,
    )
    expect((await renew(peer, next)).status).toBe(200)
    expect((await leftBy(database.app, peer.grant)).leaves.toSorted()).toEqual(['abandoned', 'active', 'issued'])
  })

  test('or once it was used', async () => {
    const peer = await enrolledPeer()
    await succeeds(peer)
    await acceptLeaf(database.app, { ...peer.grant, serial: issuedSerials()[0]! })
    expect((await renew(peer, await csrOf(database.app, peer.grant))).status).toBe(200)
    expect((await leftBy(database.app, peer.grant)).leaves.toSorted()).toEqual(['active', 'issued', 'superseded'])
  })

  test('refuses any other while one is at the CA', async () => {
    const peer = await enrolledPeer()
    const second: unknown[] = []
    ca.onSign = async () => {
      ca.onSign = undefined
      second.push(
        await refusalOf(renew(peer, peer.csrPem)),
        await refusalOf(renew(peer, await csrOf(database.app, peer.grant))),
      )
    }
    await succeeds(peer)
    expect(second).toEqual([inProgress, inProgress])
    expect(ca.issued).toHaveLength(1)
  })
})

describe('renew.ca', () => {
  const of = (reason: string) => ({ guard: 'renew.ca', reason, status: 503, error: 'dependency_unavailable' })
  const answers: [what: string, reason: string, answer: NonNullable<SigningCa['answer']>][] = [
    ['says nothing', 'renew_ca_unavailable', () => {}],
    ['refuses', 'renew_ca_rejected', (_, response) => json(response, 403, {})],
    ['breaks', 'renew_ca_rejected', (_, response) => json(response, 500, {})],
    ['says what is no certificate', 'renew_ca_rejected', (_, response) => json(response, 201, { crt: 'x' })],
  ]
  test.each(answers)('a CA that %s is %s, and the same request succeeds later', async (_, reason, answer) => {
    const peer = await enrolledPeer()
    ca.answer = answer
    const waits = reason === 'renew_ca_unavailable' ? { deadlineMs: 500 } : {}
    const impatient = issuerAt({ url: ca.server.url, root: ca.root }, key, waits)
    expect(await refusalOf(renew(peer, peer.csrPem, { issuer: impatient }))).toEqual(of(reason))
    expect(log).toMatchObject([
      ['certificate-not-signed', { code: expect.stringMatching(/^CA_/), grantId: peer.grant.grantId }],
    ])
    expect(await leftBy(database.app, peer.grant)).toMatchObject({ leaves: ['active'], queued: [] })
    reset()
    await succeeds(peer)
  })

  test('one that is not there is renew_ca_unavailable', async () => {
    const peer = await enrolledPeer()
    const away = issuerAt({ url: 'https://localhost:1', root: ca.root }, key)
    expect(await refusalOf(renew(peer, peer.csrPem, { issuer: away }))).toEqual(of('renew_ca_unavailable'))
    await succeeds(peer)
  })

  const defects: [what: string, defect: NonNullable<SigningCa['defect']>][] = [
    [
      'of another grant',
      ({ extensions }) => ({ extensions: { ...extensions, grant: uuidExtension(OIDS.grant, crypto.randomUUID()) } }),
    ],
    ['without a subject', ({ extensions }) => ({ extensions: { ...extensions, subject: undefined } })],
    ['for another key', async () => ({ keys: await makeKeys() })],
    ['that is over', () => ({ notBefore: new Date(Date.now() - 9_000), notAfter: new Date(Date.now() - 1_000) })],
  ]
  test.each(defects)('a certificate %s is renew_ca_rejected, and is to be revoked', async (_, defect) => {
    const peer = await enrolledPeer()
    ca.defect = defect
    expect(await refusalOf(renew(peer, peer.csrPem))).toEqual(of('renew_ca_rejected'))
    expect(await leftBy(database.app, peer.grant)).toMatchObject({ leaves: ['active'], queued: issuedSerials() })
    reset()
    await succeeds(peer)
  })
})

describe('what comes in between', () => {
  const forbidden = (guard: string, reason: string) => ({ guard, reason, status: 403, error: 'forbidden' })
  const ends: [what: string, guard: string, reason: string, end: (peer: Peer) => Promise<unknown>][] = [
    [
      'the grant is revoked',
      'grant.status',
      'grant_revoked',
      ({ grant: { tenantId, grantId: id } }) => revokeGrant(database.app, { tenantId, id, reason: 'r' }),
    ],
    [
      'the peer is revoked',
      'grant.status',
      'grant_revoked',
      ({ grant: { tenantId, peerId: id } }) => revokeInboundPeer(database.app, { tenantId, id, reason: 'r' }),
    ],
    [
      'the grant runs out',
      'grant.status',
      'grant_expired',
      ({ grant: { grantId } }) =>
        database.owner.query(sql`UPDATE federation_grants SET expires_at = now() WHERE id = ${grantId}::uuid`),
    ],
  ]
  test.each(ends)('before it begins, %s: as for any later request', async (_, guard, reason, end) => {
    const [peer, other] = [await enrolledPeer(), await enrolledPeer()]
    await end(peer)
    expect(await refusalOf(renew(peer, peer.csrPem))).toEqual(forbidden(guard, reason))
    expect(ca.issued).toEqual([])
    await succeeds(other)
  })

  test.each(ends)('while the CA signs, %s: what it issued is to be revoked', async (_, guard, reason, end) => {
    const peer = await enrolledPeer()
    ca.onSign = () => end(peer)
    expect(await refusalOf(renew(peer, peer.csrPem))).toEqual(forbidden(guard, reason))
    const { leaves, queued } = await leftBy(database.app, peer.grant)
    expect(leaves).toHaveLength(1)
    expect(queued).toContain(issuedSerials()[0])
  })

  test('a journal that was closed for it: it is answered as one that came too late', async () => {
    const peer = await enrolledPeer()
    ca.onSign = () =>
      database.owner.query(sql`UPDATE federation_issuance SET state = 'failed', ended_at = now()
        WHERE grant_id = ${peer.grant.grantId}::uuid AND state = 'open'`)
    expect(await refusalOf(renew(peer, peer.csrPem))).toEqual(inProgress)
    expect(await leftBy(database.app, peer.grant)).toMatchObject({ leaves: ['active'], queued: issuedSerials() })
    ca.onSign = undefined
    await succeeds(peer)
  })
})

test('a caller that has gone gets the same certificate when it comes back', async () => {
  const peer = await enrolledPeer()
  const gone = { ...peer, call: { ...peer.call, signal: AbortSignal.abort() } }
  await renew(gone, peer.csrPem)
  await succeeds(peer)
  expect(ca.issued).toHaveLength(1)
})

test('a database that is lost on the way leaves a line in the log for what was issued', async () => {
  const peer = await enrolledPeer()
  const lost = database.open({ role: 'gateway_app', withinMs: 400 })
  let locked: Promise<unknown> = Promise.resolve()
  const { promise: done, resolve: free } = Promise.withResolvers<void>()
  ca.onSign = async () => {
    const { promise: holds, resolve: held } = Promise.withResolvers<void>()
    locked = database.open({ withinMs: 0 }).transaction(async (session) => {
      await session.query(sql`LOCK TABLE federation_issuance IN ACCESS EXCLUSIVE MODE`)
      held()
      await done
    })
    await holds
  }
  expect(await refusalOf(renew(peer, peer.csrPem, { database: lost }))).toBeInstanceOf(StoreUnavailable)
  expect(log).toMatchObject([['issuance-left-open', { grantId: peer.grant.grantId, serial: issuedSerials()[0] }]])
  free()
  await locked
  expect(await leftBy(database.app, peer.grant)).toMatchObject({
    leaves: ['active'],
    issuances: ['registered', 'open'],
  })
})
