import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { planOf } from '../../kinds/step-ca/testing/lab.ts'
import { mistakesIn } from '../../topology/fixtures/mistakes-in.ts'
import type { HeldFiles } from '../credential-kind.ts'
import { KnownSecrets } from '../known-secrets.ts'
import type { LiveSite } from '../live-site.ts'
import { credentialOf } from '../of-kind.ts'
import { redact, secretsIn, secretsOf } from '../secrets.ts'
import { jwkFindings, thumbprintOf } from './findings.ts'
import { liveJwk as live } from './live.ts'
import type { PlanJwk } from './planned.ts'

let key: JWK
let other: JWK
let rsa: JWK

async function newKey(alg: string): Promise<JWK> {
  const jwk = await exportJWK((await generateKeyPair(alg, { extractable: true })).privateKey)
  return { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) }
}
beforeAll(async () => {
  ;[key, other, rsa] = (await Promise.all(['ES256', 'ES256', 'RS256'].map(newKey))) as [JWK, JWK, JWK]
})

const planned = {
  ...{ name: 'fed', kind: 'jwk', issuer: 'ca', holders: ['a', 'b'], handover: 'copy' },
  ...{ provisioner: { name: 'mosaic-fed', keyFile: '@{dir}/key' }, files: { a: '@{dir}/a', b: '@{dir}/b' } },
} as unknown as PlanJwk

describe('in a plan', () => {
  const mistakes = (credential: Record<string, unknown>, settings = {}) =>
    mistakesIn(() => planOf(settings, credential)).map(({ path, message, wayOut }) => `${path} ${message}; ${wayOut}`)

  test('each holder receives the key of the provisioner from the CA, which opens it with its password', () => {
    const plan = planOf()
    const folder = '@{dir}/units/ca'
    const provisioner = {
      ...{ name: 'mosaic-fed', keyFile: `${folder}/provisioners/mosaic-fed/private.json` },
      passwordFile: `${folder}/password`,
    }
    for (const node of ['a', 'b']) {
      const unit = plan.nodes[node]!.units.find(({ name }) => name === 'fed-provisioner')
      const to = { path: '@{dir}/credentials/fed-provisioner/provisioner.json', mode: '0600' }
      expect(unit).toMatchObject({
        after: ['ca/ca'],
        steps: [{ receive: { from: 'ca', source: { provisioner }, to } }],
      })
    }
    expect(credentialOf(plan, 'jwk', 'fed-provisioner')).toMatchObject({
      issuer: 'ca',
      holders: ['a', 'b'],
      provisioner,
    })
  })

  test('one of several provisioners is named behind the node', () => {
    const plan = planOf({}, { issuer: 'ca/gateway-server' })
    expect(credentialOf(plan, 'jwk', 'fed-provisioner').provisioner.name).toBe('gateway-server')
  })

  test('the only provisioner of a CA of today has a key, too', () => {
    const settings = { provisioners: undefined, crl: undefined }
    const told = mistakes({ issuer: 'ca/holdfast' }, settings)
    // What is wrong then is that nobody signs the other certificates.
    expect(told).toEqual([
      'credentials.a-tls.issuer "ca" has no provisioner "gateway-server"; it has holdfast',
      'credentials.b-tls.issuer "ca" has no provisioner "gateway-server"; it has holdfast',
    ])
  })

  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      'an unknown provisioner',
      { issuer: 'ca/other' },
      /issuer "ca" has no provisioner "other"; it has mosaic-fed, gateway-server/,
    ],
    [
      'a node without a CA',
      { issuer: 'a' },
      /issuer "a" has no unit that believes keys of provisioners; name one of ca/,
    ],
    ['an unknown node', { issuer: 'cb' }, /issuer .*"cb"/],
    [
      'a mode for everybody',
      { handover: { method: 'copy', mode: '0644' } },
      /mode 0644 lets everybody on its holder read/,
    ],
    ['another hand-over', { handover: 'mint' }, /"mint" does not fit a jwk: all who sign/],
  ])('%s is a mistake', (_, credential, message) => {
    expect(mistakes(credential).join('\n')).toMatch(message)
  })

  test('a group of its holder may read it', () => {
    expect(mistakes({ handover: { method: 'copy', mode: '0640', group: 'gateway' } })).toEqual([])
  })
})

describe('where it lies', () => {
  async function found(texts: Readonly<Record<string, unknown>>, modes: Readonly<Record<string, number>> = {}) {
    const files = {
      read: async (node: string) =>
        typeof texts[node] === 'string'
          ? texts[node]
          : JSON.stringify(texts[node] ?? Promise.reject(new Error('not there'))),
      modeOf: async (node: string) => modes[node] ?? 0o600,
    } as unknown as HeldFiles
    const findings = await jwkFindings([planned], files)
    return findings.map(({ check, thing, message }) => [check, thing, message])
  }

  test('the same private key at both is in order, whatever its type', async () => {
    expect(await found({ a: key, b: key })).toEqual([])
    expect(await found({ a: rsa, b: rsa })).toEqual([])
  })

  test.each<[string, (good: JWK) => unknown, string, RegExp]>([
    ['the public half', ({ d, ...publicHalf }) => publicHalf, 'private', /holds the public half alone/],
    [
      'another kid',
      (good) => ({ ...good, kid: 'mine' }),
      'key-id',
      /has the kid mine, and its thumbprint is [\w-]{43}/,
    ],
    ['no kid', ({ kid, ...nameless }) => nameless, 'key-id', /has the kid of nobody/],
    ['a symmetric key', () => ({ kty: 'oct', k: 'AAAA' }), 'asymmetric', /holds a key of type oct/],
    ['no JSON', () => '-----BEGIN', 'readable', /holds no JWK/],
    ['JSON that is no key', () => '{}', 'readable', /holds no JWK/],
  ])('%s is told', async (_, spoil, check, message) => {
    const findings = await found({ a: spoil(key), b: spoil(key) })
    expect(findings).toEqual(['a', 'b'].map(() => [check, expect.any(String), expect.stringMatching(message)]))
  })

  test('another key than the first holder has is told', async () => {
    expect(await found({ a: key, b: other })).toEqual([['same', expect.any(String), 'is another key than at a']])
  })

  test.each([0o604, 0o644, 0o602])('mode %o is told', async (mode) => {
    expect(await found({ a: key, b: key }, { b: mode })).toEqual([
      ['mode', expect.any(String), `can be read by everybody on its holder (0${mode.toString(8)})`],
    ])
    expect(await found({ a: key, b: key }, { b: 0o640 })).toEqual([])
  })

  test('the thumbprint is that of RFC 7638', async () => {
    for (const one of [key, rsa]) expect(thumbprintOf(one)).toBe(await calculateJwkThumbprint(one))
    // Section 3.1.
    const n =
      '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw'
    expect(thumbprintOf({ kty: 'RSA', n, e: 'AQAB', alg: 'RS256', kid: '2011-04-29' })).toBe(
      'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
    )
  })
})

test('a fresh one is the one that all holders have', async () => {
  const site = { read: async (_: string, path: string) => (path === '@{dir}/b' ? JSON.stringify(key) : '{}') }
  expect(await live.fresh(planned, site as unknown as LiveSite, 'b')).toEqual({ jwk: key })
})

test('what is shown of it is its kid, and nobody has to prove it', () => {
  const summary = live.summary({ jwk: key })
  expect(summary).toEqual({ kid: key.kid })
  expect(live.explanation(summary)).toEqual([`jwk       kid ${key.kid}`])
  expect(live.explanation(live.summary({}))).toEqual([])
  expect(live.proves(summary!)).toEqual({})
})

test('its secret is taken out of every text, in its file, and alone once it is known', () => {
  const text = `${JSON.stringify(key)}\n`
  expect(redact(text)).toContain('"d":"[removed]"')
  expect(redact(text)).toContain(key.kid)
  expect(secretsIn(text, new KnownSecrets())).toEqual(['a private key'])
  const known = new KnownSecrets()
  known.add(secretsOf(text))
  expect(redact(`signs with ${key.d}`, known)).not.toContain(key.d)
  expect(redact(`is known as ${key.kid} at ${key.x}`, known)).toBe(`is known as ${key.kid} at ${key.x}`)
})
