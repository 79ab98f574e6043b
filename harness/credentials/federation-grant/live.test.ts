import { randomUUID, X509Certificate } from 'node:crypto'
import { CertificationRequest } from '@peculiar/asn1-csr'
import { AsnConvert } from '@peculiar/asn1-schema'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import { certify, rogueAuthority, type SigningAuthority } from '../../pki/authority.ts'
import { type Identity, thumbprintS256 } from '../../pki/certificate.ts'
import { crlPoint, provisionerExtension, provisionerOid } from '../../pki/step-extensions.ts'
import type { HttpCall } from '../../topology/plan.ts'
import type { JudgedCall, MadeRecord } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import { addedIn, namedIn, nameIn, naming } from './leaf.ts'
import { liveFederationGrant as live } from './live.ts'
import { defaultOids as oids, type PlanFederationGrant } from './planned.ts'

const planned: PlanFederationGrant = {
  ...{ name: 'scope-a', kind: 'federation-grant', issuer: 'gateway-b', holders: ['gateway-a'], handover: 'mint' },
  ...{ subject: 'alice', user: { id: randomUUID(), tenant: randomUUID(), teams: {} }, files: {}, lifetimeSeconds: 300 },
  ...{ scope: 'scope-a', document: { resources: ['tasks'] } },
  lender: {
    ...{ url: 'https://b.test:8443', anchor: '@{dir}/ca.pem', lends: 'https://b.test:8444', signer: 'ca', oids },
    ...{ operatorToken: '@{dir}/token', overlapSeconds: 60 },
  },
}

type Leaf = { grantId: string; status: 'active' | 'superseded' }

/** A lender that is believed everything, and what was asked of it. */
class Lender {
  readonly asked: string[] = []
  readonly learned: string[] = []
  readonly grants = new Map<string, Record<string, unknown>>()
  readonly #peers = new Map<string, string>()
  readonly #tokens = new Map<string, string>()
  readonly #leaves = new Map<string, Leaf>()
  readonly #authority: SigningAuthority
  readonly #node = { host: 'a.test' }
  readyAfter = 1
  slowness = 1
  refuses: string | undefined

  constructor(authority: SigningAuthority) {
    this.#authority = authority
  }

  get site(): LiveSite {
    return {
      node: () => this.#node,
      bound: (ms: number) => ms * this.slowness,
      learn: (secret: string) => this.learned.push(secret),
      authority: async () => this.#authority,
      callFrom: async (node: string, call: HttpCall) => this.#answer(node, call),
      callWith: async (identity: Identity, node: string, call: HttpCall) => {
        const { status, json } = await this.#answer(node, call, identity)
        return { status, text: JSON.stringify(json) }
      },
    } as unknown as LiveSite
  }

  async #answer(node: string, { method, url, json, bearer }: HttpCall, identity?: Identity) {
    const { pathname, search, port } = new URL(url)
    const route = `${method} ${pathname.replaceAll(/[0-9a-f]{64}|[0-9a-f-]{36}/g, ':id')}`
    this.asked.push(`${node} ${route}`)
    if (pathname.startsWith('/api/admin')) {
      expect([node, bearer, search]).toEqual(['gateway-b', '@{dir}/token', `?tenant=${planned.user.tenant}`])
    } else expect(bearer).toBeUndefined()
    expect(port).toBe(pathname.startsWith('/api/federation/v1/') ? '8444' : '8443')
    if (route === this.refuses) return { status: 409, json: { error: { code: 'conflict' } } }
    return this.#routes[route]!(pathname.split('/'), (json ?? {}) as Record<string, string>, identity)
  }

  readonly #routes: Record<string, (path: string[], json: Record<string, string>, as?: Identity) => Promise<Answer>> = {
    'GET /readyz': async () => ({ status: this.readyAfter-- > 0 ? 503 : 200, json: {} }),
    'POST /api/admin/federation/peers': async (_, { commonName = '' }) => {
      const id = randomUUID()
      this.#peers.set(id, commonName)
      return { status: 201, json: { id } }
    },
    'POST /api/admin/federation/grants': async (_, asked) => {
      const grant = { ...asked, id: randomUUID(), status: asked.expiresAt ? 'expired' : 'pending' }
      this.grants.set(grant.id, grant)
      return { status: 201, json: grant }
    },
    'GET /api/admin/federation/grants/:id': async ([, , , , , id = '']) => ({ status: 200, json: this.grants.get(id) }),
    'POST /api/admin/federation/grants/:id/tokens': async ([, , , , , id = '']) => {
      const token = randomUUID().replaceAll('-', '').repeat(2)
      this.#tokens.set(token, id)
      const enrollmentUrl = `https://b.test:8443/api/federation/enrollment/${token}#ca=sha256:00`
      return { status: 201, json: { token, enrollmentUrl } }
    },
    'PATCH /api/admin/federation/grants/:id/revoke': async ([, , , , , id = '']) => {
      Object.assign(this.grants.get(id)!, { status: 'revoked', certificateRevocation: 'effective' })
      return { status: 200, json: this.grants.get(id) }
    },
    'POST /api/admin/users': async () => ({ status: 201, json: { id: randomUUID() } }),
    'PATCH /api/admin/users/:id': async (_, json) => ({ status: 200, json }),
    'POST /api/federation/enrollment/:id': async ([, , , , token = ''], { csrPem = '' }) => {
      const grantId = this.#tokens.get(token)!
      return { status: 200, json: await this.#signed(grantId, csrPem) }
    },
    'POST /api/federation/v1/renew': async (_, { csrPem = '' }, as) => {
      const { grantId } = this.#leaves.get(as!.certPem)!
      return { status: 200, json: await this.#signed(grantId, csrPem) }
    },
    'GET /api/federation/v1/capabilities': async (_, __, as) => {
      const leaf = this.#leaves.get(as!.certPem)!
      if (leaf.status === 'superseded') return { status: 403, json: {} }
      for (const other of this.#leaves.values()) {
        if (other !== leaf && other.grantId === leaf.grantId) other.status = 'superseded'
      }
      return { status: 200, json: {} }
    },
  }

  async #signed(grantId: string, csrPem: string) {
    const der = Buffer.from(csrPem.replaceAll(/-----.*-----|\s/g, ''), 'base64')
    const { certificationRequestInfo: asked } = AsnConvert.parse(der, CertificationRequest)
    const { peerId, subjectUserId } = this.grants.get(grantId)! as Record<string, string>
    const name = this.#peers.get(peerId!)!
    const extensions = [
      provisionerExtension({ name: 'mosaic-fed', kid: 'k' }),
      crlPoint('https://ca.test/1.0/crl'),
      naming(oids.grant, grantId),
      naming(oids.subject, subjectUserId!),
    ]
    const how = { authority: this.#authority, subject: name, sans: [name], eku: ['clientAuth'] as const, extensions }
    const certPem = await certify(how, new Uint8Array(AsnConvert.serialize(asked.subjectPKInfo)))
    this.#leaves.set(certPem, { grantId, status: 'active' })
    return { certPem, certChainPem: certPem }
  }
}

interface Answer {
  status: number
  json: unknown
}

let authority: SigningAuthority
let lender: Lender
let fresh: Identity

beforeAll(async () => {
  authority = await rogueAuthority('CA of the lender')
})
beforeEach(async () => {
  lender = new Lender(authority)
  fresh = (await live.fresh(planned, lender.site, 'gateway-a')).certificate!
})

const spoiled = async (state: string) => {
  const { certificate } = await live.spoil[state]!({ certificate: fresh }, planned, lender.site)
  return certificate!
}
const grantIn = ({ certPem }: Identity) => namedIn(certPem, oids.grant)
const oidsIn = ({ certPem }: Identity) => addedIn(certPem).map(({ oid }) => oid)

test('one is granted, invited to, and redeemed from its holder, once it is lent at all', async () => {
  expect(lender.asked).toEqual([
    'gateway-b GET /readyz',
    'gateway-b GET /readyz',
    'gateway-b POST /api/admin/federation/peers',
    'gateway-b POST /api/admin/federation/grants',
    'gateway-b POST /api/admin/federation/grants/:id/tokens',
    'gateway-a POST /api/federation/enrollment/:id',
  ])
  const [grant] = [...lender.grants.values()]
  expect(grant).toMatchObject({ subjectUserId: planned.user.id, scope: planned.document })
  expect(nameIn(fresh.certPem)).toMatch(/^peer-[0-9a-f]{8}\.a\.test$/)
  expect(lender.learned).toHaveLength(1)
})

test('each has a peer and a grant of its own', async () => {
  const { certificate: other } = await live.fresh(planned, lender.site, 'gateway-a')
  expect(grantIn(other!)).not.toBe(grantIn(fresh))
  expect(nameIn(other!.certPem)).not.toBe(nameIn(fresh.certPem))
})

test('what a lender refuses to give is told with the step that it refused', async () => {
  lender.refuses = 'POST /api/admin/federation/grants'
  await expect(live.fresh(planned, lender.site, 'gateway-a')).rejects.toMatchObject({
    code: 'HOLDFAST_NOT_ISSUED',
    message: 'credential scope-a: to grant it was answered with 409: {"error":{"code":"conflict"}}',
  })
})

test('a lender that is late is told with its last answer, after as long as it may take on its nodes', async () => {
  const late = new Lender(authority)
  Object.assign(late, { readyAfter: Number.POSITIVE_INFINITY, slowness: 0.001 })
  await expect(live.fresh(planned, late.site, 'gateway-a')).rejects.toMatchObject({
    code: 'HOLDFAST_LENDER_LATE',
    message: 'gateway-b: not within 30 ms did it lend; the last answer was {"status":503,"json":{}}',
  })
})

test('the key that a gateway uses itself is nobody else’s', async () => {
  await expect(live.held(planned, lender.site, 'gateway-a')).rejects.toMatchObject({ code: 'HOLDFAST_KEY_SEALED' })
})

test('a forged one is in all but its key, its number and one thing the one that was given', async () => {
  const forged = await spoiled('unregistered')
  expect(addedIn(forged.certPem)).toEqual(addedIn(fresh.certPem))
  expect(nameIn(forged.certPem)).toBe(nameIn(fresh.certPem))
  const [one, other] = [forged, fresh].map(({ certPem }) => new X509Certificate(certPem))
  expect(one!.checkIssued(new X509Certificate(authority.anchorPem))).toBe(true)
  expect(one!.serialNumber).not.toBe(other!.serialNumber)
  expect(one!.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
})

test.each<[string, (forged: Identity) => unknown, unknown]>([
  ['expired', ({ certPem }) => new X509Certificate(certPem).validToDate < new Date(), true],
  ['not yet valid', ({ certPem }) => new X509Certificate(certPem).validFromDate > new Date(), true],
  ['for servers', ({ certPem }) => new X509Certificate(certPem).keyUsage, ['1.3.6.1.5.5.7.3.1']],
  ['for clients and servers', ({ certPem }) => new X509Certificate(certPem).keyUsage?.length, 2],
  ['of an unknown CA', ({ certPem }) => new X509Certificate(certPem).issuer, 'CN=Rogue Root'],
  ['of another provisioner', (one) => oidsIn(one).filter((oid) => oid === provisionerOid).length, 1],
  ['naming no grant', (one) => grantIn(one), undefined],
  ['naming no user', ({ certPem }) => namedIn(certPem, oids.subject), undefined],
  ['naming two grants', (one) => oidsIn(one).filter((oid) => oid === oids.grant).length, 2],
  ['naming two users', (one) => oidsIn(one).filter((oid) => oid === oids.subject).length, 2],
  ['naming a garbled grant', (one) => grantIn(one), 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'],
  ['of a grant that nobody gave', (one) => lender.grants.has(grantIn(one)!), false],
  [
    'of another user',
    (one) => [grantIn(one), namedIn(one.certPem, oids.subject) === planned.user.id].slice(1),
    [false],
  ],
  ['under another name', ({ certPem }) => nameIn(certPem).startsWith('other.peer-'), true],
])('%s it is', async (state, look, expected) => {
  expect(look(await spoiled(state))).toEqual(expected)
})

test.each([
  ['of a pending grant', 'pending'],
  ['of a revoked grant', 'revoked'],
  ['of an expired grant', 'expired'],
])('%s it names one that its lender has as %s', async (state, status) => {
  const forged = await spoiled(state)
  expect(lender.grants.get(grantIn(forged)!)).toMatchObject({ status, subjectUserId: planned.user.id })
})

test('a revoked one was let in before, and is on the list', async () => {
  const one = await spoiled('revoked')
  expect(lender.grants.get(grantIn(one)!)).toMatchObject({ certificateRevocation: 'effective' })
  expect(lender.asked.filter((call) => call.endsWith('/capabilities'))).toHaveLength(1)
})

test('a superseded one has a successor that was used, and is let in no more', async () => {
  const one = await spoiled('superseded')
  const look = { method: 'GET', url: 'https://b.test:8444/api/federation/v1/capabilities' } as HttpCall
  expect(await lender.site.callWith(one, 'gateway-a', look)).toMatchObject({ status: 403 })
  expect(grantIn(one)).not.toBe(grantIn(fresh))
})

test('what takes a lender some work is made once for all who ask', async () => {
  const [one, other] = await Promise.all([spoiled('revoked'), spoiled('revoked')])
  expect(other).toBe(one)
  expect((await spoiled('unregistered')).certPem).not.toBe((await spoiled('unregistered')).certPem)
})

test('a verdict shows grant and user, and an accept must prove both with the certificate', () => {
  const summary = live.summary({ certificate: fresh })!
  const { serialNumber } = new X509Certificate(fresh.certPem)
  expect(live.proves(summary)).toEqual({
    ...{ x5t: thumbprintS256(fresh.certPem), cn: nameIn(fresh.certPem), grantId: grantIn(fresh) },
    ...{ subjectUserId: planned.user.id, serial: serialNumber.toLowerCase().replace(/^0+/, '') },
  })
  expect(JSON.stringify(summary)).not.toContain('PRIVATE')
  expect(live.explanation(summary).at(-1)).toBe(`grant     ${grantIn(fresh)}, for the user ${planned.user.id}`)
  expect(live.summary({})).toBeUndefined()
})

test('a refusal names the certificate that was presented, once that is judged in HTTP, and no other', () => {
  const { thumbprint } = live.summary({ certificate: fresh })!
  const checks = [{ check: 'x', guard: 'grant.known', reason: 'r', layer: 'http', status: 403, error: 'e' }]
  const call = { to: 'gateway-b', credential: { certificate: { thumbprint } }, verification: { checks } }
  const problems = (guard: string, principal: object) =>
    live.refusalProblems!(call as unknown as JudgedCall, { guard, principal } as MadeRecord)

  expect(problems('grant.known', { x5t: thumbprint })).toEqual([])
  expect(problems('http.authority', {})).toEqual([])
  expect(problems('grant.known', {})).toEqual([`the record names nobody as proven, presented was ${thumbprint}`])
  expect(problems('http.authority', { x5t: 'other' })).toEqual([`gateway-b proved other, presented was ${thumbprint}`])
})
