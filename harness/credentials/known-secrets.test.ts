import { createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { issueSelfSigned } from '../pki/authority.ts'
import { KnownSecrets } from './known-secrets.ts'
import { guessedBy, leaksIn, redact, redactJson, secretsIn, secretsOf } from './secrets.ts'

const opaque = '3f9a7c5e1b8d2046f7a9c3e5d1b80264a6c8e0f2143658799badcfe10325476f'
const password = 'p"ä\\s/w&rd=of:the<CA>#17'
const seed = 'SUAKYRHVIOREXV7EUZTBHUHL7NUMHPMAS7QMDU3GTIUWEI5LDNOXD43IZY'

function known(...contents: readonly (string | Uint8Array)[]): KnownSecrets {
  const secrets = new KnownSecrets()
  for (const content of contents) secrets.add(secretsOf(content))
  return secrets
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

test.each([
  ['as it is', `got ${opaque}, said no`, 'got [secret 3f9a7c5e… removed], said no'],
  ['twice', `${opaque} ${opaque}`, '[secret 3f9a7c5e… removed] [secret 3f9a7c5e… removed]'],
  ['in upper case, which are the same digits', opaque.toUpperCase(), '[secret 3F9A7C5E… removed]'],
  ['its beginning alone', `cut at ${opaque.slice(0, 16)}`, 'cut at [secret 3f9a7c5e… removed]'],
  ['a piece out of its middle', `…${opaque.slice(19, 42)}…`, '…[secret 3f9a7c5e… removed]…'],
  ['its end', opaque.slice(-23), '[secret 3f9a7c5e… removed]'],
  ['in a URL', `POST /enrol/${opaque}/next HTTP/1.1`, 'POST /enrol/[secret 3f9a7c5e… removed]/next HTTP/1.1'],
])('a value is removed: %s', (_, text, left) => {
  expect(redact(text, known(`${opaque}\n`))).toBe(left)
  expect(redact(text)).toBe(text)
})

test.each([
  ['in base64', base64(opaque)],
  ['in base64 behind a user, as HTTP sends it', base64(`u:${opaque}`)],
  ['in base64 between others', base64(`me:${opaque} and more`)],
  ['in base64url', Buffer.from(`any:${opaque}`).toString('base64url')],
])('a value is removed %s', (_, text) => {
  const left = redact(`it was ${text}.`, known(opaque))
  expect(left).toMatch(/^it was .{0,10}\[secret .{4,8}… removed\].{0,15}\.$/)
})

test.each([
  ['as it is', password],
  ['in JSON', JSON.stringify({ password })],
  ['in JSON in JSON', JSON.stringify({ line: JSON.stringify({ password }) })],
  ['in a query', `/login?password=${encodeURIComponent(password)}&x=1`],
])('a value of any characters is removed %s', (_, text) => {
  const left = redact(text, known(password))
  expect(left).toContain('[secret p')
  expect(left).not.toMatch(/ä|%C3|w&rd|CA|17/)
  if (text.startsWith('{')) expect(() => JSON.parse(left)).not.toThrow()
})

test('a value is removed in hexadecimal of either case, and by its end', () => {
  const digits = Buffer.from(seed).toString('hex')
  for (const text of [digits, digits.toUpperCase(), seed.slice(-16)])
    expect(redact(text, known(seed))).toMatch(/^\[secret .{5,8}… removed\]$/)
})

test('a text in other case, a shorter piece and a shorter value are no secrets', () => {
  const others = [seed.toLowerCase(), seed.slice(0, 15), opaque.slice(30, 45), 'secret-of-15-ch', 'hello']
  const secrets = known(seed, opaque, 'secret-of-15-ch', 'hello')
  for (const other of others) expect(redact(other, secrets), other).toBe(other)
})

test('of what was handed over each line is a secret, of a URL what stands behind its host, and nothing that is public', async () => {
  const { certPem, keyPem } = await issueSelfSigned('a.test', ['a.test'])
  const creds = `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`
  expect(redact(`seed ${seed}`, known(creds))).toBe('seed SUAKYRHV…')
  const url = `https://gateway.organisation-a.test:8443/enrol/${opaque}`
  expect(redact(`GET ${url}`, known(url))).toBe(
    'GET https://gateway.organisation-a.test:8443/enrol/[secret 3f9a7c5e… removed]',
  )
  const bytes = Uint8Array.from([0xff, ...randomBytes(40)])
  expect(redact(Buffer.from(bytes).toString('hex'), known(bytes))).toMatch(/^\[secret .{8}… removed\]$/)
  const publicKey = new X509Certificate(certPem).publicKey
  const published = [certPem, JSON.stringify(publicKey.export({ format: 'jwk' }))]
  for (const text of [...published, publicKey.export({ format: 'pem', type: 'spki' }) as string]) {
    expect(known(text).size).toBe(0)
    expect(redact(text, known(keyPem))).toBe(text)
  }
})

test.each(['ec', 'rsa', 'ed25519'] as const)(
  'a known %s key is removed line by line, as JWK member and in hexadecimal',
  (type) => {
    const { privateKey } =
      type === 'rsa'
        ? generateKeyPairSync(type, { modulusLength: 2048 })
        : type === 'ec'
          ? generateKeyPairSync(type, { namedCurve: 'P-256' })
          : generateKeyPairSync(type)
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string
    const secrets = known(pem)
    const { d = '' } = createPrivateKey(pem).export({ format: 'jwk' })
    const printed = pem
      .split('\n')
      .map((line) => redact(line, secrets))
      .join('')
    for (let at = 0; at + 24 <= d.length; at += 1) expect(printed).not.toContain(d.slice(at, at + 24))
    expect(redact(`d ${d}.`, secrets)).toMatch(/^d \[secret .{8}… removed\].?\.$/)
    expect(redact(Buffer.from(d, 'base64url').toString('hex'), secrets)).toMatch(/^\[secret .{8}… removed\]$/)
    expect(redact(d)).toBe(d)
  },
)

test('tokens are known by the parts that nobody can guess, though their headers be the same', () => {
  const [one, other] = ['payload-of-one-and-', 'payload-of-the-other'].map((text) => text.repeat(2)) as [string, string]
  const token = (part: string) => `e30.e30.${part}`
  const secrets = new KnownSecrets()
  for (const part of [one, other]) secrets.add(guessedBy(token(part)))
  expect(redact(`${token(one)} ${token(other)} e30.e30.AAAA`, secrets)).toBe(
    'e30.e30.[secret payload-… removed] e30.e30.[secret payload-… removed] e30.e30.AAAA',
  )
})

test('names that a token holds stand elsewhere rightly, in certificates, say', () => {
  const host = 'auth.organisation-a.test'
  const claims = base64(JSON.stringify({ iss: `https://${host}`, sub: host, aud: [host], jti: 'x' }))
  const secrets = new KnownSecrets()
  secrets.add(guessedBy(`eyJhbGciOiJFUzI1NiJ9.${claims}.c2lnbmF0dXJlLXRoYXQtbm9ib2R5LWtub3dz`))
  for (const before of ['', 'a', 'ab']) {
    const text = base64(`${before}${host} is here`)
    expect(redact(text, secrets)).toBe(text)
  }
  expect(redact(claims, secrets)).toContain('[secret eyJpc3Mi… removed]')
})

test('what is printed of known secrets holds none of them', () => {
  const secrets = known(opaque, seed)
  const prints = [inspect(secrets, { showHidden: true, depth: 9 }), String(secrets), JSON.stringify({ secrets })]
  expect(secretsIn(prints.join(), secrets)).toEqual([])
  expect(secretsIn(`${prints.join()} ${seed}`, secrets)).toEqual([
    'the seed of a NATS key',
    'a secret that begins with SUAKYRHV…',
  ])
})

test('a removed secret is still told as a leak of whoever wrote it', () => {
  const line = redact(`refused ${opaque}`, known(opaque))
  expect(leaksIn(line, [])).toEqual(['a secret that begins with 3f9a7c5e…'])
  expect(leaksIn('refused', [])).toEqual([])
})

test('JSON stays JSON, even where a value begins in the middle of an escape', () => {
  const value = { line: 'it said\necret-that-nobody-guesses', list: [opaque], [opaque]: 1 }
  const left = redactJson(value, known('necret-that-nobody-guesses', opaque))
  expect(left.line).toContain('it said\n')
  expect(left.list).toEqual(['[secret 3f9a7c5e… removed]'])
})

test('each of thousands of values is found', () => {
  const values = Array.from({ length: 3_000 }, () => randomBytes(24).toString('base64url'))
  const secrets = known(...values)
  const text = values.map((value, at) => `${at} got ${value}\n`).join('')
  expect(secrets.foundIn(text)).toHaveLength(3_000)
  expect(secrets.removedFrom(text).replaceAll(/\[secret .{8}… removed\]/g, '')).toBe(
    values.map((_, at) => `${at} got \n`).join(''),
  )
})

test('what attacks fill with is no secret, though one begins with it: the rest of that one is', () => {
  const filled = known(`${'a'.repeat(4_000)}${opaque}`, Buffer.concat([Buffer.alloc(40), Buffer.from(opaque)]))

  expect(redact('a'.repeat(2_000), filled)).toBe('a'.repeat(2_000))
  expect(redact('A'.repeat(43), filled)).toBe('A'.repeat(43))
  expect(redact(`${'a'.repeat(100)}${opaque}`, known(`${'a'.repeat(100)}${opaque}`))).not.toContain(opaque.slice(0, 16))
  expect(redact(Buffer.concat([Buffer.alloc(40), Buffer.from(opaque)]).toString('base64'), filled)).not.toContain(
    base64(opaque).slice(4, 20),
  )
})
