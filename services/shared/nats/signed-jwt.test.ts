import { Algorithms, Base64UrlCodec, decode, encode, encodeUser } from '@nats-io/jwt'
import { createAccount, createCurve, createOperator, createServer, createUser, type KeyPair } from '@nats-io/nkeys'
import { expect, test } from 'vitest'
import { decodeSigned } from './signed-jwt.ts'

// Held to what the library makes of the same text.

const [account, user] = [createAccount(), createUser()]

const signed = (signer: KeyPair = account, claims: object = {}, algorithm = Algorithms.v2) =>
  encode(algorithm, { sub: user.getPublicKey(), name: 'host-1', nats: { type: 'user' }, ...claims } as never, signer)

function outcome(read: (jwt: string) => unknown, jwt: string): unknown {
  try {
    return read(jwt)
  } catch {
    return 'refused'
  }
}

const changed = (jwt: string, part: number, change: (text: string) => string): string =>
  jwt
    .split('.')
    .map((text, at) => (at === part ? change(text) : text))
    .join('.')
const json = (change: (value: Record<string, unknown>) => void) => (part: string) => {
  const value = JSON.parse(String(Base64UrlCodec.decode(part)))
  change(value)
  return Base64UrlCodec.encode(JSON.stringify(value))
}

test.each<[string, () => Promise<string>]>([
  ['of a user', () => encodeUser('host-1', user, account, {}, { algorithm: Algorithms.v2 })],
  ['by an operator', () => signed(createOperator())],
  ['by a broker', () => signed(createServer())],
  ['of the first version, which signs less', () => signed(account, {}, Algorithms.v1)],
  ['with letters beyond ASCII', () => signed(account, { name: 'h\u00f6st' })],
  ['of type "jwt"', async () => changedHeader(({ typ }) => ({ typ: String(typ).toLowerCase() }))],
])('a JWT %s is read as the library reads it', async (_, make) => {
  const jwt = await make()

  expect(decodeSigned(jwt)).toEqual(decode(jwt))
})

/** Signed anew, header and all. */
async function changedHeader(change: (header: Record<string, unknown>) => object): Promise<string> {
  const [head, body] = changed(
    await signed(),
    0,
    json((header) => void Object.assign(header, change(header))),
  ).split('.')
  const signature = account.sign(new TextEncoder().encode(`${head}.${body}`))
  return `${head}.${body}.${Base64UrlCodec.encode(signature)}`
}

test.each<[string, (jwt: string) => string | Promise<string>]>([
  ['no text', () => ''],
  ['two parts', (jwt) => jwt.split('.').slice(0, 2).join('.')],
  ['four parts', (jwt) => `${jwt}.`],
  [
    'a payload that was edited',
    (jwt) =>
      changed(
        jwt,
        1,
        json((claims) => void Object.assign(claims, { name: 'host-2' })),
      ),
  ],
  [
    'a header that was edited',
    (jwt) =>
      changed(
        jwt,
        0,
        json((header) => void Object.assign(header, { kid: 'x' })),
      ),
  ],
  ['another issuer than the one that signed', (jwt) => changed(jwt, 1, json(named(createAccount().getPublicKey())))],
  ['an issuer that is no key', (jwt) => changed(jwt, 1, json(named('A')))],
  [
    'no issuer',
    (jwt) =>
      changed(
        jwt,
        1,
        json((claims) => void delete claims.iss),
      ),
  ],
  [
    'an issuer that is no text',
    (jwt) =>
      changed(
        jwt,
        1,
        json((claims) => void Object.assign(claims, { iss: 7 })),
      ),
  ],
  ['a key for sealing as issuer', (jwt) => changed(jwt, 1, json(named(createCurve().getPublicKey())))],
  ['a payload that is no JSON', (jwt) => changed(jwt, 1, () => 'x')],
  ['a payload of nothing', (jwt) => changed(jwt, 1, () => Base64UrlCodec.encode('null'))],
  ['a header of nothing', (jwt) => changed(jwt, 0, () => Base64UrlCodec.encode('null'))],
  ['no signature', (jwt) => changed(jwt, 2, () => '')],
  ['half a signature', (jwt) => changed(jwt, 2, (text) => text.slice(0, 43))],
  ['a signature that is no base64', (jwt) => changed(jwt, 2, (text) => `${text.slice(1)}*`)],
  [
    'the signature of another JWT',
    async (jwt) => changed(jwt, 2, () => '').concat((await signed()).split('.')[2] ?? ''),
  ],
  ['another algorithm', () => changedHeader(() => ({ alg: 'EdDSA' }))],
  ['no algorithm', () => changedHeader(() => ({ alg: 'none' }))],
  ['the first version said of the second', () => changedHeader(() => ({ alg: Algorithms.v1 }))],
  ['another type', () => changedHeader(() => ({ typ: 'JOSE' }))],
])('a JWT with %s is refused, as by the library', async (_, change) => {
  const good = await signed(account, { jti: 'one' })
  expect(decodeSigned(good)).toMatchObject({ name: 'host-1', iss: account.getPublicKey() })
  const jwt = await change(good)

  expect([outcome(decodeSigned, jwt), outcome(decode, jwt)]).toEqual(['refused', 'refused'])
})

function named(iss: string) {
  return (claims: Record<string, unknown>) => void Object.assign(claims, { iss })
}
