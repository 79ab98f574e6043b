import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { tokenFindings } from '../../credentials/bound-token/findings.ts'
import { certificateFindings } from '../../credentials/certificate/findings.ts'
import type { HeldFiles } from '../../credentials/credential-kind.ts'
import { findingText } from '../../credentials/finding.ts'
import { credentialOf } from '../../credentials/of-kind.ts'
import { issueLeaf, rogueAuthority, type SigningAuthority } from '../../pki/authority.ts'
import { type Identity, thumbprintS256 } from '../../pki/certificate.ts'
import { type Spoiling, spoiled, unspoiled } from '../../pki/spoiled.ts'
import { compile, credentialKinds } from '../../shipped.ts'
import { signToken } from '../../tokens/forge.ts'
import { loadTopology } from '../../topology/load.ts'
import type { Plan } from '../../topology/plan.ts'
import { declaredFindings, fileFindings } from './preflight.ts'

let authority: SigningAuthority
let good: Identity
let key: JWK
const who = { subject: 'b.test', sans: ['b.test'] }

beforeAll(async () => {
  authority = await rogueAuthority('Org Root')
  good = await unspoiled({ authority, ...who })
  key = await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey)
})

function certificate(identity: Identity, hosts = ['b.test']) {
  const files = { thing: 'cert-b', place: 'b @{dir}/cert-b', anchorPem: authority.anchorPem, ...identity }
  return certificateFindings({ ...files, hosts, usages: ['serverAuth', 'clientAuth'], secondsNeeded: 60 })
}

describe('a certificate', () => {
  test('that is as it should be has no findings', () => {
    expect(certificate(good)).toEqual([])
  })

  test.each<[Spoiling, string[], RegExp]>([
    ['expired', ['time-left'], /ended \d+ s ago; renew it/],
    ['notYetValid', ['time-left'], /begins at \d{4}-/],
    ['otherCa', ['chain-complete'], /ends at "CN=Rogue Root"/],
    ['selfSigned', ['chain-complete'], /not the root that verifiers have/],
    ['serverAuthOnly', ['key-usage'], /is not for clientAuth/],
    ['noEku', ['key-usage', 'key-usage'], /is not for serverAuth/],
    ['cnOnly', ['host-covered'], /names nobody, and not b\.test; issue it with the DNS SAN b\.test/],
  ])('%s', async (spoiling, checks, text) => {
    const findings = certificate(await spoiled[spoiling]({ authority, ...who }))

    expect(findings.map(({ check }) => check)).toEqual(checks)
    expect(findingText(findings[0]!)).toMatch(text)
    expect(findingText(findings[0]!)).toContain('cert-b (b @{dir}/cert-b)')
  })

  test('with the key of another, with a missing intermediate, with too little time, with garbage', async () => {
    const other = await unspoiled({ authority, ...who })
    expect(certificate({ ...good, keyPem: other.keyPem })).toMatchObject([{ check: 'key-fits' }])

    const issuing = await issueLeaf({ authority, subject: 'issuing', sans: [] })
    const below = await spoiled.leafSignedByLeaf({ authority, ...who })
    const [leaf = ''] = below.certPem.split(/(?<=-----END CERTIFICATE-----\n)/)
    expect(certificate({ ...below, certPem: leaf })).toMatchObject([{ check: 'chain-complete' }])
    expect(certificate({ ...good, certPem: good.certPem + issuing.certPem })).toEqual([])

    const brief = await issueLeaf({ authority, ...who, notAfter: new Date(Date.now() + 30_000) })
    expect(findingText(certificate(brief)[0]!)).toMatch(/ends in \d+ s, and 60 s are needed/)
    expect(certificate({ certPem: 'nothing', keyPem: good.keyPem })).toMatchObject([{ check: 'readable' }])
    expect(certificate({ ...good, keyPem: 'nothing' })).toMatchObject([{ check: 'readable' }])
  })
})

describe('a token', () => {
  const declared = { name: 'peer', issuer: 'https://auth.test:8443', subject: 'b', audience: ['https://a.test'] }
  const swapped = { name: 'own', issuer: 'https://auth.test:8443', subject: 'b', audience: ['https://b.test'] }
  const now = () => Math.floor(Date.now() / 1000)

  async function findings(changes: Record<string, unknown>, kid = 'one') {
    const cnf = { 'x5t#S256': thumbprintS256(good.certPem) }
    const right = { iss: declared.issuer, sub: 'b', aud: 'https://a.test', cnf, iat: now(), exp: now() + 600 }
    const text = await signToken({ key, header: { typ: 'at+jwt', kid }, claims: { ...right, ...changes } })
    const file = { declared, place: 'b @{dir}/peer', text, all: [declared, swapped], published: ['one'] }
    return tokenFindings({ ...file, thumbprint: thumbprintS256(good.certPem), secondsNeeded: 60 })
  }

  test('that is as it was declared has no findings', async () => {
    expect(await findings({})).toEqual([])
  })

  test.each<[string, Record<string, unknown>, string, RegExp]>([
    ['of another issuer', { iss: 'https://auth.other:8443' }, 'issuer-text', /has iss https:\/\/auth\.other:8443/],
    ['whose issuer has a slash', { iss: 'https://auth.test:8443/' }, 'issuer-text', /although it looks alike/],
    ['for another node', { aud: 'https://c.test' }, 'audience-text', /https:\/\/a\.test is declared; mint it/],
    ['for the node in capitals', { aud: 'https://A.test' }, 'audience-text', /although it looks alike/],
    ['of another subject', { sub: 'c' }, 'subject', /has sub c/],
    ['bound to another certificate', { cnf: { 'x5t#S256': 'A'.repeat(43) } }, 'binding', /is bound to A{43}/],
    ['that is unbound', { cnf: undefined }, 'binding', /is bound to nothing/],
    ['that has ended', { exp: 1 }, 'time-left', /ended \d+ s ago/],
    ['that has not begun', { nbf: 9_999_999_999 }, 'time-left', /begins at/],
    ['that lies in the place of another', { aud: 'https://b.test' }, 'token-swapped', /declared as "own"; swap/],
  ])('%s', async (_, changes, check, text) => {
    const found = await findings(changes)

    expect(found.map((finding) => finding.check)).toEqual([check])
    expect(findingText(found[0]!)).toMatch(text)
  })

  test('whose key was retired', async () => {
    expect(await findings({}, 'two')).toMatchObject([
      { check: 'key-published', message: expect.stringContaining('two') },
    ])
  })

  test('is never shown', async () => {
    const text = JSON.stringify([...(await findings({ exp: 1 })), ...tokenFindings(garbage())])
    expect(text).not.toMatch(/eyJ|secret-text/)
  })

  function garbage() {
    const file = { declared, place: 'b', text: 'secret-text', thumbprint: '', all: [], published: [], secondsNeeded: 0 }
    return file
  }
})

describe('a plan', async () => {
  const plan = compile(await loadTopology('separate-auth'))
  const spoil = (change: (plan: Plan) => void) => {
    const other = structuredClone(plan)
    change(other)
    return declaredFindings(other, credentialKinds)
  }

  test.each(['separate-auth', 'shared-auth', 'transit'])('%s has no findings', async (name) => {
    expect(declaredFindings(compile(await loadTopology(name)), credentialKinds)).toEqual([])
  })

  test.each<[string, (plan: Plan) => void, string, string]>([
    [
      'an audience that is almost a node',
      (p) => {
        credentialOf(p, 'bound-token', 'peer-a-to-b').audience = ['https://node-b.somebiz.local.io/']
      },
      'audience-text',
      'peer-a-to-b',
    ],
    [
      'a certificate that ends within a run',
      (p) => {
        p.credentials['operator-a']!.lifetimeSeconds = 20
      },
      'time-left',
      'operator-a',
    ],
    [
      'an issuer that no trust domain has',
      (p) => {
        for (const { verification = {} } of p.nodes['node-a']!.units) {
          const checks = Object.values(verification).flatMap((one) => one.checks)
          const ofIssuer = checks.filter(({ check }) => check === 'bound-token/issuer')
          for (const one of ofIssuer) one.args = { issuer: 'https://auth-x.somebiz.local.io:8443' }
        }
      },
      'issuer-text',
      'node-a/orchestrator',
    ],
  ])('with %s', (_, change, check, thing) => {
    expect(spoil(change)).toMatchObject([{ check, thing }])
  })

  test('whose files are not there: each is named, and so is the key set', async () => {
    const nothing: HeldFiles = {
      plan,
      now: Date.now(),
      read: (node) => Promise.reject(new Error(`nothing on ${node}`)),
      anchor: async () => authority.anchorPem,
      published: () => Promise.reject(new Error('down')),
    }
    const findings = await fileFindings(nothing, credentialKinds)

    expect(findings.filter(({ check }) => check === 'readable')).toHaveLength(Object.keys(plan.credentials).length)
    expect(findings.filter(({ check }) => check === 'key-published').map(({ place }) => place)).toEqual([
      'https://auth-a.somebiz.local.io:8443',
      'https://auth-b.somebiz.local.io:8443',
    ])
  })
})
