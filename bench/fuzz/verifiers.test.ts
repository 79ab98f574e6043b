import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { messageSchema } from '../../services/orchestrator/wire.ts'
import { carrierOf } from '../../services/shared/bearer.ts'
import { type TokenContext, tokenGuards } from '../../services/shared/bound-token.ts'
import { firstRefusal } from '../../services/shared/guard.ts'
import { BodyRefused, parseStrictJson } from '../../services/shared/http-json.ts'
import { createIssuerKeys } from '../../services/shared/issuer-keys.ts'
import { Choices } from '../random.ts'
import { openMessage, updateMessage } from './frames.ts'
import { mutateJson, mutateText } from './mutate.ts'
import { mutantToken } from './tokens.ts'

// Without any network, so that much more is tried in the same time. The seed of a failure stands in its message.

const ISSUER = 'https://auth.somebiz.local.io:8443'
const OWN = 'https://node-a.somebiz.local.io'
const X5T = 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0'
const seed = Date.now() % 1_000_000

async function verifier() {
  const { privateKey: key, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const body = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', use: 'sig', alg: 'ES256' }] })
  const answer = { status: 200, headers: { 'content-type': 'application/json' }, body }
  const policy = {
    node: 'node-a',
    issuer: ISSUER,
    mode: 'jwks' as const,
    clockSkewSeconds: 30,
    now: Date.now,
    keys: createIssuerKeys({ url: `${ISSUER}/jwks`, client: { get: async () => answer } }),
    introspection: { ask: async () => 'unavailable' as const, ready: async () => false },
  }
  const judge = async (token: string) => {
    const context: TokenContext = { token, thumbprint: X5T, audiences: [OWN], scope: 'node:read', policy }
    return (await firstRefusal(tokenGuards('jwks', []), context))?.refusal
  }
  const claims = {
    client_id: 'node-a',
    scope: 'node:read',
    cnf: { 'x5t#S256': X5T },
    token_use: 'node',
    sans: ['node-a.somebiz.local.io'],
  }
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'one' })
    .setIssuer(ISSUER)
    .setSubject('node-a')
    .setAudience(OWN)
    .setJti('one')
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(key)
  return { judge, token, key }
}

test('of 2 000 broken tokens no guard throws, none that is forged passes, and each refusal is a 4xx', async () => {
  const { judge, token, key } = await verifier()
  expect(await judge(token)).toBeUndefined()
  let passed = 0
  for (let index = 0; index < 2_000; index += 1) {
    const mutant = await mutantToken(new Choices(seed, index), { token, key })
    const refusal = await judge(mutant.token).catch((failure: unknown) => {
      throw new Error(`seed ${seed}, token ${index}`, { cause: failure })
    })
    if (refusal === undefined) passed += 1
    const isRight = refusal === undefined ? !mutant.isForged : refusal.status === 401 || refusal.status === 403
    expect(isRight, `seed ${seed}, token ${index}: ${mutant.token.slice(0, 300)}`).toBe(true)
  }
  // An insider's harmless change passes; a run in which nothing does has tried nothing but noise.
  expect(passed).toBeGreaterThan(0)
  expect(passed).toBeLessThan(500)
}, 300_000)

test('of 3 000 broken texts the strict reader either reads what JSON.parse reads, or refuses', () => {
  const conversation = { node: 'node-c', domain: 'c.test' }
  for (let index = 0; index < 3_000; index += 1) {
    const choices = new Choices(seed, index)
    const text = mutateJson(choices, choices.pick([openMessage(conversation), updateMessage(conversation, 1)]))
    let value: unknown
    try {
      value = parseStrictJson(text)
    } catch (failure) {
      expect(failure, `seed ${seed}, text ${index}`).toBeInstanceOf(BodyRefused)
      continue
    }
    expect(JSON.stringify(value), `seed ${seed}, text ${index}`).toBe(JSON.stringify(JSON.parse(text)))
    expect(() => messageSchema.safeParse(value), `seed ${seed}, text ${index}`).not.toThrow()
  }
}, 300_000)

test('of 3 000 broken header lines none makes the carrier throw, or gives a token with a blank in it', () => {
  for (let index = 0; index < 3_000; index += 1) {
    const choices = new Choices(seed, index)
    const rawHeaders = ['Authorization', mutateText(choices, 'Bearer abc.def.ghi'), mutateText(choices, 'Host'), 'x']
    const carrier = carrierOf({ rawHeaders, url: mutateText(choices, '/v1/state?a=b') })
    if (carrier.token !== undefined) expect(carrier.token).toMatch(/^[A-Za-z0-9\-._~+/]+=*$/)
  }
}, 300_000)
