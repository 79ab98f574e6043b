import { createHash, type X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { isForName, readCsr } from '../enrolment/csr.ts'
import { writeEnrolmentUrl } from '../enrolment/url.ts'
import { moveOutboundPeer } from '../storage/outbound-peers.ts'
import { sql } from '../storage/statement.ts'
import { many } from '../storage/testing/for-each.ts'
import { deleteUser } from '../storage/users.ts'
import { type AdminTest, adminForEach } from '../testing/admin.ts'
import { GRANT, type Keys, type LeafChanges, OIDS, PEER, SUBJECT, uuidExtension } from '../testing/certificates.ts'
import { liveRoot } from '../testing/live.ts'

let { site, database, tenant, other, admin, acme, globex } = {} as AdminTest
adminForEach((mine) => {
  ;({ site, database, tenant, other, admin, acme, globex } = mine)
})

const at = (id: string) => ({ at: { id } })
const body = (commonName: string) => ({ body: { commonName } })
const LENDER = 'gateway-b.example'
const TOKEN = 'ab'.repeat(32)
const fingerprint = (certificate: X509Certificate) => createHash('sha256').update(certificate.raw).digest('hex')
const invitation = (pins: object = {}, host = LENDER) => {
  const all = { ca: fingerprint(site.root.certificate), grant: GRANT, subject: SUBJECT, ...pins }
  return writeEnrolmentUrl(`https://${host}:8443`, TOKEN, all)
}
const begin = (change: object = {}) =>
  acme.ok('peer:keypair', { body: { enrollmentUrl: invitation(), ownerUserId: tenant.alice, ...change } })
const stored = async () => (await database.owner.query(sql`SELECT id FROM federation_peers`)).length

/** What the lender answers to a request. */
async function answerTo({ csrPem }: { csrPem: string }, leaf: LeafChanges = {}, change: object = {}) {
  const csr = readCsr(csrPem)
  if (typeof csr === 'string') throw new Error(csr)
  const publicKey = csr.publicKey.toCryptoKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify'])
  const times = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 300_000) }
  const certificate = await site.intermediate.issue({ keys: { publicKey } as Keys, ...times, ...leaf })
  return {
    body: {
      ...{ certPem: String(certificate), certChainPem: String(site.intermediate.certificate) },
      ...{ grantId: GRANT, subjectUserId: SUBJECT, federationUrl: `https://${LENDER}:8444` },
      ...change,
    },
  }
}

async function add() {
  const begun = await begin()
  await acme.ok('peer:cert', { ...at(begun.peerId), ...(await answerTo(begun)) })
  return begun.peerId
}

describe('an inbound peer', () => {
  test('is registered, pending, and shown to its own tenant alone', async () => {
    const peer = await acme.ok('peer:register', body('gateway-a.example'))
    expect(peer).toMatchObject({
      ...{ direction: 'inbound', commonName: 'gateway-a.example', state: 'pending', ownerUserId: null },
      ...{ certificates: [], lastSuccessAt: null },
    })
    expect(await acme.ok('peer:show', at(peer.id))).toEqual(peer)
    expect((await acme.ok('peer:list')).items).toEqual([peer])
    expect((await globex.ok('peer:list')).items).toEqual([])
    for (const action of ['peer:show', 'peer:remove', 'peer:renew'] as const) {
      const theirs = await globex.refused(action, at(peer.id))
      expect(theirs.why).toBe('404 api.tenant object_other_tenant')
      expect((await globex.refused(action, at(crypto.randomUUID()))).text).toBe(theirs.text)
    }
  })

  test('adm.peer-unique: has a name of its own in its tenant, until it is revoked', async () => {
    const peer = await acme.ok('peer:register', body('gateway-a.example'))
    expect(await acme.refused('peer:register', body('gateway-a.example'))).toMatchObject({
      ...{ why: '409 adm.peer-unique peer_exists', code: 'conflict' },
    })
    await globex.ok('peer:register', body('gateway-a.example'))
    await acme.ok('peer:remove', at(peer.id))
    await acme.ok('peer:register', body('gateway-a.example'))
    expect((await acme.refused('peer:register', body('GATEWAY'))).why).toBe('400 api.body api_body')
  })

  test('of many of one name at once there is one', async () => {
    const statuses = await many(async () => {
      const { status } = await admin.open.call('POST', '/api/admin/federation/peers', {
        ...{ token: await admin.tokenOf(tenant.tenantId), body: { commonName: 'gateway-a.example' } },
      })
      return status
    })
    expect(statuses.filter((status) => status === 201)).toHaveLength(1)
    expect(new Set(statuses)).toEqual(new Set([201, 409]))
  })

  test('is revoked with all its grants, however often', async () => {
    const peer = await acme.ok('peer:register', body('gateway-a.example'))
    const wanted = { peerId: peer.id, subjectUserId: tenant.alice, scope: { resources: ['tasks'] } }
    const grant = await acme.ok('grant:create', { body: wanted })
    for (const _ of [1, 2]) {
      expect(await acme.ok('peer:remove', at(peer.id))).toEqual({ id: peer.id, direction: 'inbound', state: 'revoked' })
    }
    expect(await acme.ok('grant:show', at(grant.id))).toMatchObject({ status: 'revoked', endReason: 'peer_removed' })
    expect((await acme.ok('peer:show', at(peer.id))).state).toBe('revoked')
    expect(admin.asked).toEqual(['wake', 'wake'])
  })
})

describe('peer add', () => {
  test('makes a key that is sealed and a request for our own name, and takes what the lender answers', async () => {
    const begun = await begin()
    const csr = readCsr(begun.csrPem)
    expect(typeof csr !== 'string' && isForName(csr, PEER)).toBe(true)
    expect(begun.caPem).toBe(String(site.root.certificate))
    expect(await acme.ok('peer:show', at(begun.peerId))).toMatchObject({
      ...{ direction: 'outbound', state: 'pending', commonName: LENDER, ownerUserId: tenant.alice, certificates: [] },
    })
    const answer = await answerTo(begun)
    const peer = await acme.ok('peer:cert', { ...at(begun.peerId), ...answer })
    const [certificate] = peer.certificates
    expect(peer).toMatchObject({
      ...{ state: 'active', federationUrl: `https://${LENDER}:8444` },
      ...{ remoteGrantId: GRANT, remoteSubjectUserId: SUBJECT },
    })
    expect(peer.certificates).toHaveLength(1)
    expect(certificate).toMatchObject({ state: 'current', serial: expect.any(String), notAfter: expect.any(String) })
    expect(admin.asked).toEqual([`enrolled ${begun.peerId}`])
    const rows = JSON.stringify(
      await database.owner.query(sql`SELECT * FROM federation_peers, federation_peer_credentials`),
    )
    for (const secret of [TOKEN, 'PRIVATE KEY']) expect(rows).not.toContain(secret)
    expect((await acme.ok('peer:list')).items).toEqual([peer])
  })

  test('its owner may be left out where there is one user', async () => {
    const { enrollmentUrl } = { enrollmentUrl: invitation() }
    const refused = await acme.refused('peer:keypair', { body: { enrollmentUrl } })
    expect([refused.why, refused.paths]).toEqual(['400 api.body api_body', ['ownerUserId']])
    await deleteUser(database.app, { tenantId: tenant.tenantId, id: tenant.bob })
    const { peerId } = await acme.ok('peer:keypair', { body: { enrollmentUrl } })
    expect((await acme.ok('peer:show', at(peerId))).ownerUserId).toBe(tenant.alice)
  })

  test('api.tenant: its owner is a user of this tenant', async () => {
    for (const [ownerUserId, reason] of [
      [other.alice, 'object_other_tenant'],
      [crypto.randomUUID(), 'object_absent'],
    ]) {
      const asking = { body: { enrollmentUrl: invitation(), ownerUserId } }
      expect((await acme.refused('peer:keypair', asking)).why).toBe(`404 api.tenant ${reason}`)
    }
    const { peerId } = await begin()
    const theirs = await globex.refused('peer:cert', {
      ...at(peerId),
      ...(await answerTo(await begin({ ownerUserId: tenant.bob }))),
    })
    expect(theirs.why).toBe('404 api.tenant object_other_tenant')
  })

  test('adm.peer-unique: an owner has one peer of a name', async () => {
    const first = await begin()
    const asking = { body: { enrollmentUrl: invitation(), ownerUserId: tenant.alice } }
    expect((await acme.refused('peer:keypair', asking)).why).toBe('409 adm.peer-unique peer_exists')
    await begin({ ownerUserId: tenant.bob })
    expect(await acme.ok('peer:remove', at(first.peerId))).toEqual({
      ...{ id: first.peerId, direction: 'outbound', state: 'removed' },
    })
    expect(admin.asked).toEqual([`removed ${first.peerId}`])
    await begin()
  })

  test.each<[string, () => string]>([
    ['that is not https', () => invitation().replace('https', 'http')],
    ['with user information', () => invitation().replace('https://', 'https://bob@')],
    ['with another path', () => invitation().replace('enrollment', 'enrol')],
    ['with a query', () => invitation().replace('#', '?x#')],
    ['to an address', () => invitation({}, '127.0.0.1')],
    ['with half of its pins', () => invitation().replace(/&grant=[^&]+/, '')],
    ['that pins another root', () => invitation({ ca: 'a'.repeat(64) })],
    ['that is none', () => 'gateway-b'],
  ])('adm.url: a URL %s is refused before there is a key', async (_, url) => {
    const asking = { body: { enrollmentUrl: url(), ownerUserId: tenant.alice } }
    const refused = await acme.refused('peer:keypair', asking)
    expect(refused).toMatchObject({
      ...{ why: '400 adm.url enrolment_url', code: 'invalid_request', paths: ['enrollmentUrl'] },
    })
    expect(refused.text).not.toContain(TOKEN)
    expect(await stored()).toBe(0)
    await begin()
  })

  test('adm.url: the root is the one that is given, and one that is pinned', async () => {
    const theirs = (await liveRoot('theirs')).certificate
    const enrollmentUrl = invitation({ ca: fingerprint(theirs) })
    const ask = (caPem: string) => ({ body: { enrollmentUrl, ownerUserId: tenant.alice, caPem } })
    for (const bad of [String(site.root.certificate), String(site.intermediate.certificate), 'no certificate']) {
      expect((await acme.refused('peer:keypair', ask(bad))).why).toBe('400 adm.url enrolment_url')
    }
    const { peerId, csrPem, caPem } = await acme.ok('peer:keypair', ask(String(theirs)))
    expect(caPem).toBe(String(theirs))
    const answer = await answerTo({ csrPem })
    expect((await acme.refused('peer:cert', { ...at(peerId), ...answer })).why).toBe(
      '422 adm.peer-cert peer_cert_chain',
    )
  })

  test('a peer whose request was not sent goes on with the very same one', async () => {
    const begun = await begin()
    const resume = (change: object = {}) => ({ body: { enrollmentUrl: invitation(), peerId: begun.peerId, ...change } })
    expect(await acme.ok('peer:keypair', resume())).toEqual(begun)
    const elsewhere = { enrollmentUrl: invitation({}, 'c.example') }
    expect((await acme.refused('peer:keypair', resume(elsewhere))).why).toBe('400 adm.url enrolment_url')
    const root = (caPem: string) => resume({ caPem })
    expect(await acme.ok('peer:keypair', root(String(site.root.certificate)))).toEqual(begun)
    const theirs = String((await liveRoot('theirs')).certificate)
    expect((await acme.refused('peer:keypair', root(theirs))).why).toBe('400 adm.url enrolment_url')
    expect(await acme.ok('peer:keypair', resume({ ownerUserId: tenant.alice }))).toEqual(begun)
    expect(await acme.refused('peer:keypair', resume({ ownerUserId: tenant.bob }))).toMatchObject({
      ...{ why: '400 api.body api_body', paths: ['ownerUserId'] },
    })
    expect((await globex.refused('peer:keypair', resume())).why).toBe('404 api.tenant object_other_tenant')
    await acme.ok('peer:cert', { ...at(begun.peerId), ...(await answerTo(begun)) })
    expect((await acme.refused('peer:keypair', resume())).why).toBe('409 adm.peer-cert peer_state')
  })
})

describe('adm.peer-cert', () => {
  const uuid = 'f0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
  test.each<[string, string, LeafChanges, object]>([
    ['of another grant', 'peer_cert_oid', { extensions: { grant: uuidExtension(OIDS.grant, uuid) } }, {}],
    ['of another grant, as its answer says', 'peer_cert_oid', {}, { grantId: uuid }],
    ['of another name', 'peer_cert_name', { subject: 'CN=c.example' }, {}],
    ['that has ended', 'peer_cert_chain', { notAfter: new Date(Date.now() - 1_000) }, {}],
    ['that is none', 'peer_cert_chain', {}, { certPem: 'certificate' }],
  ])('a certificate %s is refused, and the peer stays pending', async (_, reason, leaf, change) => {
    const begun = await begin()
    const refused = await acme.refused('peer:cert', { ...at(begun.peerId), ...(await answerTo(begun, leaf, change)) })
    expect(refused).toMatchObject({ why: `422 adm.peer-cert ${reason}`, code: 'invalid_certificate' })
    expect(await acme.ok('peer:show', at(begun.peerId))).toMatchObject({ state: 'pending', certificates: [] })
    expect(admin.asked).toEqual([])
    await acme.ok('peer:cert', { ...at(begun.peerId), ...(await answerTo(begun)) })
  })

  test.each([`http://${LENDER}:8444`, 'https://c.example:8444', 'nowhere'])(
    'calls that would go to %s are refused as an invitation to there is, and the peer stays pending',
    async (federationUrl) => {
      const begun = await begin()
      const refused = await acme.refused('peer:cert', {
        ...at(begun.peerId),
        ...(await answerTo(begun, {}, { federationUrl })),
      })
      expect(refused).toMatchObject({
        why: '400 adm.url enrolment_url',
        code: 'invalid_request',
        paths: ['federationUrl'],
      })
      expect(await acme.ok('peer:show', at(begun.peerId))).toMatchObject({ state: 'pending', certificates: [] })
      await acme.ok('peer:cert', { ...at(begun.peerId), ...(await answerTo(begun)) })
    },
  )

  test('one for another key is refused', async () => {
    const [mine, bobs] = [await begin(), await begin({ ownerUserId: tenant.bob })]
    const asking = { ...at(mine.peerId), ...(await answerTo(bobs)) }
    expect((await acme.refused('peer:cert', asking)).why).toBe('422 adm.peer-cert peer_cert_key')
  })

  test('a peer takes one once, and one that calls us takes none', async () => {
    const begun = await begin()
    const answer = await answerTo(begun)
    const statuses = await many(async () => {
      const path = `/api/admin/federation/peers/${begun.peerId}/cert`
      const token = await admin.tokenOf(tenant.tenantId)
      return (await admin.open.call('PATCH', path, { token, ...answer })).status
    })
    expect(statuses.toSorted().slice(0, 2)).toEqual([200, 409])
    expect((await acme.refused('peer:cert', { ...at(begun.peerId), ...answer })).why).toBe(
      '409 adm.peer-cert peer_state',
    )
    const inbound = await acme.ok('peer:register', body('gateway-a.example'))
    expect((await acme.refused('peer:cert', { ...at(inbound.id), ...answer })).why).toBe('409 adm.peer-cert peer_state')
  })
})

describe('adm.peer-renew', () => {
  test('a peer that is called is renewed', async () => {
    const id = await add()
    expect((await acme.ok('peer:renew', at(id))).state).toBe('active')
    expect(admin.asked.at(-1)).toBe(`renew ${id}`)
    admin.failure = 'peer_unreachable'
    expect(await acme.refused('peer:renew', at(id))).toMatchObject({
      ...{ why: '503 adm.peer-renew renewal_failed', code: 'peer_unavailable' },
    })
  })

  test('one that calls us, and one that cannot be called, are not', async () => {
    const id = await add()
    const inbound = await acme.ok('peer:register', body('gateway-a.example'))
    const calling = await acme.ok('peer:register', body('gateway-c.example'))
    await database.owner.query(sql`UPDATE federation_peers SET state = 'active' WHERE id = ${calling.id}::uuid`)
    const pending = await begin({ ownerUserId: tenant.bob })
    admin.asked.length = 0
    for (const peer of [inbound.id, calling.id, pending.peerId]) {
      expect(await acme.refused('peer:renew', at(peer))).toMatchObject({
        ...{ why: '409 adm.peer-renew peer_not_renewable', code: 'conflict' },
      })
    }
    await moveOutboundPeer(database.app, { tenantId: tenant.tenantId, id, event: 'leaf-ended' })
    expect((await acme.refused('peer:renew', at(id))).why).toBe('409 adm.peer-renew peer_not_renewable')
    expect(admin.asked).toEqual([])
  })
})
