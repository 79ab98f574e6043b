import { createHash, createPrivateKey, createPublicKey, randomBytes, type X509Certificate } from 'node:crypto'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { firstRefusal } from '../../shared/guard.ts'
import { chainPem } from '../enrolment/ca-answer.ts'
import { isForName, readCsr } from '../enrolment/csr.ts'
import { readEnrolmentUrl, writeEnrolmentUrl } from '../enrolment/url.ts'
import { Keyring, SealFailure } from '../sealing/keyring.ts'
import { getOutboundPeer } from '../storage/outbound-peers.ts'
import { readKey } from '../storage/peer-keys.ts'
import { sql } from '../storage/statement.ts'
import type { TestDatabase } from '../storage/testing/cluster.ts'
import { databaseForEach } from '../storage/testing/for-each.ts'
import { makeTenant, type TestTenant } from '../storage/testing/tenant.ts'
import {
  GRANT,
  type Keys,
  type LeafChanges,
  makeKeys,
  NOW,
  namesExtension,
  OIDS,
  PEER,
  rootCa,
  SUBJECT,
  type TestCa,
  uuidExtension,
} from '../testing/certificates.ts'
import { admPeerCert, beginPeer, completePeer, type OfferedEnrolment, peerRoot } from './peer-enrolment.ts'
import { openPeerKey } from './peer-key.ts'

let root: TestCa
let below: TestCa
let other: TestCa
let database: TestDatabase
let tenant: TestTenant
let deps: Parameters<typeof beginPeer>[0]

beforeAll(async () => {
  root = await rootCa('root')
  below = await root.sub('below')
  other = await rootCa('other')
})
databaseForEach(async (mine) => {
  database = mine
  tenant = await makeTenant(mine.owner)
})
beforeEach(() => {
  const keyring = new Keyring({ secret: 'secret of these tests, long enough', salt: randomBytes(32) })
  deps = {
    ...{ database: database.app, keyring, publicName: PEER, ownRootPem: String(root.certificate), oids: OIDS },
    now: () => NOW,
  }
})

const LENDER = 'b.example'
const TOKEN = 'ab'.repeat(32)
const fingerprint = (certificate: X509Certificate) => createHash('sha256').update(certificate.raw).digest('hex')
const invitation = () => {
  const pins = { ca: fingerprint(root.certificate), grant: GRANT, subject: SUBJECT }
  return readEnrolmentUrl(writeEnrolmentUrl(`https://${LENDER}:8443`, TOKEN, pins))
}
const begin = (url = invitation(), more: object = {}) =>
  beginPeer(deps, { tenantId: tenant.tenantId, ownerUserId: tenant.alice, url, ...more })

/** The lender's answer to the request of a peer. */
async function offer(
  { peerId }: { peerId: string },
  leaf: LeafChanges = {},
  answer: Partial<OfferedEnrolment['answer']> = {},
): Promise<OfferedEnrolment & { tenantId: string }> {
  const { tenantId } = tenant
  const [peer, pending] = [
    (await getOutboundPeer(database.app, { tenantId, id: peerId }))!,
    await readKey(database.app, { tenantId, peerId, slot: 'pending' }),
  ]
  const csr = readCsr(pending!.csrPem)
  if (typeof csr === 'string') throw new Error(csr)
  const keys = { publicKey: csr.publicKey.toCryptoKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']) }
  const certificate = await below.issue({ keys: keys as Keys, ...leaf })
  return {
    ...{ tenantId, peer, pending, deps },
    answer: {
      ...{ certPem: String(certificate), certChainPem: chainPem([certificate, below.certificate]) },
      ...{ grantId: GRANT, subjectUserId: SUBJECT, federationUrl: `https://${LENDER}:8444` },
      ...answer,
    },
  }
}
const judge = async (offered: OfferedEnrolment) => (await firstRefusal([admPeerCert], offered))?.refusal

test('a peer begins with a sealed key and a request for just our name', async () => {
  const begun = (await begin())!
  const csr = readCsr(begun.csrPem)
  if (typeof csr === 'string') throw new Error(csr)
  expect(isForName(csr, PEER)).toBe(true)
  const place = { tenantId: tenant.tenantId, peerId: begun.peerId }
  const pending = (await readKey(database.app, { ...place, slot: 'pending' }))!
  const key = createPrivateKey(openPeerKey(deps.keyring, pending))
  expect(createPublicKey(key).equals(csr.publicKey)).toBe(true)
  expect(() => openPeerKey(deps.keyring, { ...pending, id: crypto.randomUUID() })).toThrow(SealFailure)
  const peer = (await getOutboundPeer(database.app, { tenantId: place.tenantId, id: place.peerId }))!
  expect(peer).toMatchObject({ state: 'pending', commonName: LENDER, ownerUserId: tenant.alice })
  const stored = JSON.stringify(
    await database.app.query(sql`SELECT * FROM federation_peers, federation_peer_credentials`),
  )
  expect(stored).not.toContain(TOKEN)
  expect(stored).not.toContain('PRIVATE KEY')
  const der = key.export({ format: 'der', type: 'pkcs8' })
  for (const form of ['base64', 'hex', 'base64url'] as const) expect(stored).not.toContain(der.toString(form))
})

test('one owner has one peer of a name at a time', async () => {
  expect(await begin()).toBeDefined()
  expect(await begin()).toBeUndefined()
  expect(await begin(invitation(), { ownerUserId: tenant.bob })).toBeDefined()
})

test('its certificate makes it one that can be called, once', async () => {
  const begun = (await begin())!
  const offered = await offer(begun)
  expect(await judge(offered)).toBeUndefined()
  expect(await completePeer(deps, offered)).toBe(true)
  expect(await completePeer(deps, offered)).toBe(false)
  const place = { tenantId: tenant.tenantId, peerId: begun.peerId }
  expect(await getOutboundPeer(database.app, { ...place, id: begun.peerId })).toMatchObject({
    ...{ state: 'active', federationUrl: `https://${LENDER}:8444` },
    ...{ remoteGrantId: GRANT, remoteSubjectUserId: SUBJECT },
  })
  expect(await readKey(database.app, { ...place, slot: 'current' })).toMatchObject({
    csrPem: begun.csrPem,
    certPem: offered.answer.certPem.replaceAll('\r', ''),
  })
  // The same answer again, for one that is active.
  const peer = (await getOutboundPeer(database.app, { ...place, id: begun.peerId }))!
  expect(await judge({ ...offered, peer })).toMatchObject({ status: 409, error: 'conflict', reason: 'peer_state' })
  expect(await judge({ ...offered, pending: undefined })).toMatchObject({ reason: 'peer_state' })
})

test('the chain may come without the certificate itself, and with the root', async () => {
  const begun = (await begin())!
  for (const chain of [[below.certificate], [below.certificate, root.certificate]]) {
    expect(await judge(await offer(begun, {}, { certChainPem: chainPem(chain) }))).toBeUndefined()
  }
})

describe('a certificate is refused', () => {
  const uuid = 'f0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
  test.each<[what: string, reason: string, leaf: () => LeafChanges | Promise<LeafChanges>, answer?: object]>([
    ['for another key', 'peer_cert_key', async () => ({ keys: await makeKeys() })],
    ['of another name', 'peer_cert_name', () => ({ extensions: { names: namesExtension(['dns', 'c.example']) } })],
    ['of another grant', 'peer_cert_oid', () => ({ extensions: { grant: uuidExtension(OIDS.grant, uuid) } })],
    ['of no subject', 'peer_cert_oid', () => ({ extensions: { subject: undefined } })],
    ['that has ended', 'peer_cert_chain', () => ({ notAfter: new Date(NOW - 1) })],
    ['without its chain', 'peer_cert_chain', () => ({}), { certChainPem: '' }],
    ['that is none', 'peer_cert_chain', () => ({}), { certPem: 'certificate' }],
  ])('%s', async (_, reason, leaf, answer) => {
    const begun = (await begin())!
    expect(await judge(await offer(begun))).toBeUndefined()
    const refusal = await judge(await offer(begun, await leaf(), answer))
    expect(refusal).toMatchObject({ status: 422, error: 'invalid_certificate', reason })
  })

  test('of another grant or subject than the invitation pins, whatever its answer says', async () => {
    const begun = (await begin())!
    const grant = { extensions: { grant: uuidExtension(OIDS.grant, uuid) } }
    expect(await judge(await offer(begun, grant, { grantId: uuid }))).toMatchObject({ reason: 'peer_cert_oid' })
    const free = (await begin({ ...invitation(), pins: undefined }, { ownerUserId: tenant.bob }))!
    expect(await judge(await offer(free, grant, { grantId: uuid }))).toBeUndefined()
  })

  test('of another root than that of the peer', async () => {
    const unpinned = { ...invitation(), pins: undefined }
    const begun = (await begin(unpinned, { caPem: String(other.certificate) }))!
    expect(await judge(await offer(begun))).toMatchObject({ reason: 'peer_cert_chain' })
    const mine = (await begin(unpinned, { ownerUserId: tenant.bob, caPem: String(root.certificate) }))!
    expect(await judge(await offer(mine))).toBeUndefined()
  })
})

test('the root of a peer is one certificate that signed itself, and the one that is pinned', () => {
  const [own, theirs] = [root, other].map(({ certificate }) => String(certificate)) as [string, string]
  const pinned = (certificate: X509Certificate) => ({ ca: fingerprint(certificate) })
  expect(peerRoot(undefined, { ownRootPem: own })?.raw).toEqual(root.certificate.raw)
  expect(peerRoot(theirs, { ownRootPem: own }, pinned(other.certificate))?.raw).toEqual(other.certificate.raw)
  for (const [caPem, ownRootPem, pins] of [
    [undefined, undefined],
    [`${own}${theirs}`, own],
    [String(below.certificate), own],
    ['no certificate', own],
    [theirs, own, pinned(root.certificate)],
    [undefined, own, pinned(other.certificate)],
  ] as const) {
    expect(peerRoot(caPem, { ownRootPem }, pins)).toBeUndefined()
  }
})
