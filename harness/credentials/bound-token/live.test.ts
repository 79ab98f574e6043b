import { exportJWK, generateKeyPair, type JWK, jwtVerify } from 'jose'
import { beforeAll, expect, test } from 'vitest'
import { rogueAuthority } from '../../pki/authority.ts'
import { type Identity, thumbprintS256 } from '../../pki/certificate.ts'
import { unspoiled } from '../../pki/spoiled.ts'
import { signToken } from '../../tokens/forge.ts'
import { inspectToken } from '../../tokens/inspect.ts'
import type { HttpCall } from '../../topology/plan.ts'
import type { LiveSite } from '../live-site.ts'
import type { SpoiledToken } from './checks.ts'
import { liveBoundToken as live } from './live.ts'
import type { PlanBoundToken } from './planned.ts'

const call = (name: string): HttpCall => ({
  method: 'POST',
  url: `https://auth.test/${name}`,
  tls: { ca: '' },
  expect: [200],
})
const planned = {
  ...{
    name: 'peer',
    kind: 'bound-token',
    issuer: 'auth',
    holders: ['b'],
    files: { b: '@{dir}/peer/token' },
    boundTo: 'cert-b',
  },
  mint: { prove: call('prove'), mint: { ...call('mint'), json: { sub: 'b' } }, member: 'access_token' },
} as unknown as PlanBoundToken
const claims = { iss: 'https://auth.test', sub: 'b', scope: 'x', trusted_nodes: ['a'], exp: 4_000_000_000 }
let ended: unknown[][] = []

let key: JWK
let [own, other]: Identity[] = []
const calls: { node: string; url: string; json: unknown }[] = []
let site: LiveSite

beforeAll(async () => {
  key = await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey)
  const authority = await rogueAuthority()
  ;[own, other] = await Promise.all(
    ['b.test', 'c.test'].map((host) => unspoiled({ authority, subject: host, sans: [host] })),
  )
  site = {
    fresh: async (name: string) => ({ certificate: name === 'cert-b' ? own : other }),
    held: async () => ({ certificate: own }),
    read: async (node: string, path: string) => `${node} ${path}\n`,
    signingKey: async () => key,
    endTokens: async (...how: unknown[]) => void ended.push(how),
    callWith: async (identity: Identity, from: string) => {
      return { status: from === 'b' && identity !== undefined ? 200 : 403, text: 'no' }
    },
    async callFrom(node: string, { url, json }: HttpCall) {
      calls.push({ node, url, json })
      const minted = {
        jti: `minted-${calls.length}`,
        cnf: { 'x5t#S256': (json as { 'x5t#S256'?: string })?.['x5t#S256'] },
      }
      const token = await signToken({ key, header: { typ: 'at+jwt' }, claims: { ...claims, ...minted } })
      return { status: 200, json: { access_token: token } }
    },
  } as unknown as LiveSite
})

const fresh = (beside?: Identity) => live.fresh(planned, site, 'b', beside && { certificate: beside })

async function spoiled(state: SpoiledToken, presenter = own) {
  const { token } = await fresh()
  const made = await live.spoil[state]!({ certificate: presenter, token }, planned, site)
  return { token: made.token!, inspected: inspectToken(made.token!)!, presented: inspectToken(token!)! }
}

test('a fresh one is bound to the certificate of its holder, or to the one that it is to fit', async () => {
  expect(inspectToken((await fresh()).token!)?.thumbprint).toBe(thumbprintS256(own!.certPem))
  const { certificate, token } = await fresh(other)
  expect(certificate).toBe(other)
  expect(inspectToken(token!)?.thumbprint).toBe(thumbprintS256(other!.certPem))
})

test('an issuer that will not mint is told with the step and its answer', async () => {
  await expect(live.fresh(planned, site, 'c')).rejects.toThrow(
    'credential peer: to prove its holder was answered with 403: no',
  )
  const mute = { ...site, callFrom: async () => ({ status: 500, json: {} }) }
  await expect(live.fresh(planned, mute, 'b')).rejects.toThrow('credential peer: to mint it was answered with 500: {}')
})

test('what is held is the token that lies there, over the certificate that lies there', async () => {
  expect(await live.held(planned, site, 'b')).toEqual({ certificate: own, token: 'b @{dir}/peer/token' })
})

const spoiledClaims: [SpoiledToken, object][] = [
  ['without scope', { scope: '' }],
  ['for another node', { trusted_nodes: ['nobody'] }],
  ['unbound', { cnf: undefined }],
]

test.each(spoiledClaims)('%s is validly signed, and right but for that', async (state, changed) => {
  const { token, inspected, presented } = await spoiled(state)
  const { d: _, ...publicKey } = key
  await jwtVerify(token, publicKey)
  const { jti, ...others } = inspected.claims
  expect(jti).not.toBe(presented.jti)
  const { jti: __, ...expected } = { ...presented.claims, ...changed }
  expect(others).toEqual(expected)
})

test('those that are out of their time say so', async () => {
  const seconds = Date.now() / 1000
  expect((await spoiled('expired')).inspected.claims.exp).toBeLessThan(seconds)
  expect((await spoiled('not yet valid')).inspected.claims.nbf).toBeGreaterThan(seconds)
})

test('bindings are to nobody, or to whoever presents it', async () => {
  const elsewhere = (await spoiled('bound elsewhere')).inspected.thumbprint
  expect([thumbprintS256(own!.certPem), thumbprintS256(other!.certPem), undefined]).not.toContain(elsewhere)
  expect((await spoiled('bound to the presenter', other)).inspected.thumbprint).toBe(thumbprintS256(other!.certPem))
})

test('a tampered one keeps its claims, and is not what its issuer signed', async () => {
  const { token, inspected, presented } = await spoiled('tampered')
  const { d: _, ...publicKey } = key
  expect(inspected.claims).toEqual(presented.claims)
  await expect(jwtVerify(token, publicKey)).rejects.toMatchObject({ code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })
})

test('one of its own is revoked, by its id, and not the one that others use', async () => {
  ended = []
  const { inspected, presented } = await spoiled('revoked')
  expect(inspected.jti).not.toBe(presented.jti)
  expect(ended).toEqual([['auth', 'revoke', { jti: inspected.jti }]])
})

test('its key is retired only once all that are needed are made', async () => {
  ended = []
  const { token } = await fresh()
  expect(await live.spoil['key retired']!({ token }, planned, site)).toEqual({ token })
  expect(ended).toEqual([])
  await live.forGood!['key retired']!.end('auth', site)
  expect(ended).toEqual([['auth', 'rotate']])
})

test('nothing of the text of a token is shown', async () => {
  const { token } = await fresh()
  const summary = live.summary({ token })!
  expect(summary).toMatchObject({ readable: true, thumbprint: thumbprintS256(own!.certPem) })
  for (const part of token!.split('.')) expect(JSON.stringify(summary)).not.toContain(part)
  expect(live.proves(summary)).toEqual({ jti: summary.jti })
  expect(live.summary({})).toBeUndefined()
  expect(live.summary({ token: 'x'.repeat(20_000) })).toMatchObject({ readable: false })
})
