import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { tokenFindings } from '../../credentials/bound-token/findings.ts'
import type { PlanBoundToken } from '../../credentials/bound-token/planned.ts'
import { certificateFindings } from '../../credentials/certificate/findings.ts'
import type { PlanCertificate } from '../../credentials/certificate/planned.ts'
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

/** What a preflight finds of what lies at node b. */
function lying(files: Readonly<Record<string, string>>): HeldFiles {
  return {
    plan: { trustDomains: {}, nodes: {}, credentials: { 'cert-b': certB } } as unknown as Plan,
    now: Date.now(),
    read: async (_, path) => files[path]!,
    modeOf: async () => 0o600,
    anchor: async () => authority.anchorPem,
    published: async () => ({ keys: [{ kid: 'one' }] }),
  }
}

const certB = {
  ...{ name: 'cert-b', kind: 'certificate', issuer: 'ca', holders: ['b'], files: { b: '@{dir}/cert-b' } },
  ...{ sans: ['b.test'], lifetimeSeconds: 600 },
} as unknown as PlanCertificate

function certificate({ certPem, keyPem }: Identity) {
  return certificateFindings([certB], lying({ '@{dir}/cert-b/cert.pem': certPem, '@{dir}/cert-b/key.pem': keyPem }))
}

describe('a certificate', () => {
  test('that is as it should be has no findings', async () => {
    expect(await certificate(good)).toEqual([])
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
    const findings = await certificate(await spoiled[spoiling]({ authority, ...who }))

    expect(findings.map(({ check }) => check)).toEqual(checks)
    expect(findingText(findings[0]!)).toMatch(text)
    expect(findingText(findings[0]!)).toContain('cert-b (b @{dir}/cert-b)')
  })

  test('with the key of another, with a missing intermediate, with too little time, with garbage', async () => {
    const other = await unspoiled({ authority, ...who })
    expect(await certificate({ ...good, keyPem: other.keyPem })).toMatchObject([{ check: 'key-fits' }])

    const issuing = await issueLeaf({ authority, subject: 'issuing', sans: [] })
    const below = await spoiled.leafSignedByLeaf({ authority, ...who })
    const [leaf = ''] = below.certPem.split(/(?<=-----END CERTIFICATE-----\n)/)
    expect(await certificate({ ...below, certPem: leaf })).toMatchObject([{ check: 'chain-complete' }])
    expect(await certificate({ ...good, certPem: good.certPem + issuing.certPem })).toEqual([])

    const brief = await issueLeaf({ authority, ...who, notAfter: new Date(Date.now() + 30_000) })
    expect(findingText((await certificate(brief))[0]!)).toMatch(/ends in \d+ s, and 60 s are needed/)
    expect(await certificate({ certPem: 'nothing', keyPem: good.keyPem })).toMatchObject([{ check: 'readable' }])
    expect(await certificate({ ...good, keyPem: 'nothing' })).toMatchObject([{ check: 'readable' }])
  })
})

describe('a token', () => {
  const declared = (name: string, audience: string[]) =>
    ({
      ...{ name, kind: 'bound-token', iss: 'https://auth.test:8443', subject: 'b', audience, boundTo: 'cert-b' },
      ...{ holders: ['b'], files: { b: `@{dir}/${name}` }, lifetimeSeconds: 600, mint: { mint: { tls: { ca: '' } } } },
    }) as unknown as PlanBoundToken
  const all = [declared('peer', ['https://a.test']), declared('own', ['https://b.test'])]
  const now = () => Math.floor(Date.now() / 1000)

  async function findings(changes: Record<string, unknown>, kid = 'one') {
    const cnf = { 'x5t#S256': thumbprintS256(good.certPem) }
    const right = { iss: 'https://auth.test:8443', sub: 'b', aud: 'https://a.test', cnf, iat: now(), exp: now() + 600 }
    return ofText(await signToken({ key, header: { typ: 'at+jwt', kid }, claims: { ...right, ...changes } }))
  }

  async function ofText(text: string) {
    const files = { '@{dir}/peer': text, '@{dir}/cert-b/cert.pem': good.certPem }
    return (await tokenFindings(all, lying(files))).filter(({ thing }) => thing === 'peer')
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
    const text = JSON.stringify([...(await findings({ exp: 1 })), ...(await ofText('secret-text'))])
    expect(text).not.toMatch(/eyJ|secret-text/)
  })
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
      modeOf: async () => 0o600,
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
