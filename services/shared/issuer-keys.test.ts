import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { beforeEach, expect, test } from 'vitest'
import { createIntrospection } from './introspection.ts'
import { createIssuerKeys } from './issuer-keys.ts'

// The clock is set, never waited for.

let clock = 0
let calls = 0
let answer: { status: number; headers: Record<string, string>; body: string }
let signing: CryptoKey

beforeEach(async () => {
  clock = 0
  calls = 0
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  signing = privateKey
  answer = good({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', use: 'sig' }] })
})

function good(body: unknown, headers: Record<string, string> = {}) {
  return { status: 200, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) }
}

const keys = () =>
  createIssuerKeys({
    url: 'https://auth.test/jwks',
    monotonic: () => clock,
    client: {
      get: async () => {
        calls += 1
        return answer
      },
    },
  })

const token = (kid = 'one') => new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid }).sign(signing)

test('one fetch serves many tokens, until the age of the set ends it', async () => {
  const issuer = keys()
  for (let at = 0; at < 5; at += 1) expect(await issuer.verify(await token())).toBe('valid')
  expect(calls).toBe(1)
  clock = 60_001
  expect(await issuer.verify(await token())).toBe('valid')
  expect(calls).toBe(2)
})

test('a bad answer keeps the set that is there until its age ends it, and then nothing is accepted', async () => {
  const issuer = keys()
  expect(await issuer.verify(await token())).toBe('valid')
  for (const bad of [
    { status: 301, headers: { location: 'https://evil.test/' }, body: '' },
    { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' },
    good({ keys: [] }),
    good({ keys: [{ kty: 'oct', kid: 'one', k: 'c2VjcmV0' }] }),
  ]) {
    answer = bad
    clock += 9_000
    expect(await issuer.verify(await token())).toBe('valid')
  }
  clock = 60_001
  expect(await issuer.verify(await token())).toBe('jwks_unavailable')
})

test('a shorter max-age counts, a longer one does not', async () => {
  answer = { ...answer, headers: { ...answer.headers, 'cache-control': 'public, max-age=5' } }
  const short = keys()
  await short.verify(await token())
  clock = 5_001
  await short.verify(await token())
  expect(calls).toBe(2)
  answer = { ...answer, headers: { ...answer.headers, 'cache-control': 'max-age=86400' } }
  const long = keys()
  await long.verify(await token())
  clock += 60_001
  await long.verify(await token())
  expect(calls).toBe(4)
})

test('a thousand unknown kids cause one fetch in ten seconds', async () => {
  const issuer = keys()
  await issuer.verify(await token())
  const strange = await Promise.all(Array.from({ length: 1_000 }, (_, at) => token(`strange-${at}`)))
  expect(new Set(await Promise.all(strange.map((one) => issuer.verify(one))))).toEqual(new Set(['kid_unknown']))
  expect(calls).toBe(2)
  clock = 10_001
  await issuer.verify(await token('stranger'))
  expect(calls).toBe(3)
})

test('a rotated key is found at once', async () => {
  const issuer = keys()
  await issuer.verify(await token())
  const next = await generateKeyPair('ES256', { extractable: true })
  signing = next.privateKey
  answer = good({ keys: [{ ...(await exportJWK(next.publicKey)), kid: 'two' }] })
  expect(await issuer.verify(await token('two'))).toBe('valid')
  expect(await issuer.publishes('one')).toBe(false)
})

test('what one set has verified, the next one verifies anew', async () => {
  const issuer = keys()
  const mine = await token()
  expect(await issuer.verify(mine)).toBe('valid')
  expect(await issuer.verify(mine)).toBe('valid')
  const other = await generateKeyPair('ES256', { extractable: true })
  answer = good({ keys: [{ ...(await exportJWK(other.publicKey)), kid: 'one', use: 'sig' }] })
  clock = 60_001
  expect(await issuer.verify(mine)).toBe('signature_invalid')
})

test('a token that was verified vouches for no other one', async () => {
  const issuer = keys()
  const mine = await token()
  expect(await issuer.verify(mine)).toBe('valid')
  const [header, payload] = mine.split('.')
  const [, , foreign] = (await token()).split('.')
  expect(await issuer.verify(`${header}.${payload}.${foreign}`)).toBe('valid')
  expect(await issuer.verify(`${header}.${payload}.${foreign?.slice(1)}A`)).toBe('signature_invalid')
  expect(await issuer.verify(`${header}.eyJzdWIiOiJldmlsIn0.${foreign}`)).toBe('signature_invalid')
})

test('a set that holds one kid twice is not taken', async () => {
  const { keys: published } = JSON.parse(answer.body) as { keys: unknown[] }
  answer = good({ keys: [...published, ...published] })
  expect(await keys().verify(await token())).toBe('jwks_unavailable')
})

test('an introspection answer is kept for its time whatever the clock does, never past the end of the token', async () => {
  let asked = 0
  let wall = 0
  const introspection = createIntrospection({
    client: {
      postForm: async () => {
        asked += 1
        return good({ active: true })
      },
    },
    endpoint: async () => 'https://auth.test/introspect',
    clientId: 'node-a',
    cacheMs: 1_000,
    now: () => wall,
    monotonic: () => clock,
  })
  await introspection.ask('token', 10_000)
  clock = 999
  await introspection.ask('token', 10_000)
  expect(asked).toBe(1)
  clock = 1_001
  await introspection.ask('token', 1_500)
  expect(asked).toBe(2)
  wall = 1_501
  await introspection.ask('token', 1_500)
  expect(asked).toBe(3)
  await introspection.ask('live', 10_000)
  await introspection.ask('live', 10_000, true)
  expect(asked).toBe(5)
  // The system's clock is set back: what was kept still ends when its time is over.
  wall = -600_000
  clock += 999
  await introspection.ask('live', 10_000)
  expect(asked).toBe(5)
  clock += 1
  await introspection.ask('live', 10_000)
  expect(asked).toBe(6)
})
