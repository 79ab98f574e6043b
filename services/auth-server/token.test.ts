import { compactVerify, createLocalJWKSet, decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Bench, createBench, nodeAudience, nodeClient, PEERING } from './testing.ts'

let bench: Bench

beforeAll(async () => {
  bench = await createBench()
  await bench.start()
  await bench.operate('PUT', '/clients/node-b', nodeClient('node-b'))
})
afterAll(() => bench.dispose())

const request = { grant_type: 'client_credentials', client_id: 'node-b', resource: nodeAudience('node-b') }

test('a token is bound to the certificate, signed with the published key, and has exactly the promised claims', async () => {
  const answer = await bench.call('mtls', 'POST', '/token', { as: bench.nodeB, form: request })

  expect(answer.status).toBe(200)
  expect(answer.headers['cache-control']).toBe('no-store')
  expect(answer.json).toMatchObject({ token_type: 'Bearer', expires_in: expect.any(Number) })
  const jwks = (await bench.call('public', 'GET', '/jwks')).json
  await compactVerify(answer.json.access_token, createLocalJWKSet(jwks))
  expect(decodeProtectedHeader(answer.json.access_token)).toEqual({
    typ: 'at+jwt',
    alg: 'ES256',
    kid: jwks.keys[0].kid,
  })
  const claims = decodeJwt(answer.json.access_token)
  expect(claims).toEqual({
    iss: bench.configuration.issuer,
    sub: 'node-b',
    aud: [nodeAudience('node-b'), PEERING],
    client_id: 'node-b',
    jti: expect.stringMatching(/^.{43}$/),
    iat: expect.any(Number),
    exp: expect.any(Number),
    scope: 'node:read node:routes peer:connect',
    cnf: { 'x5t#S256': bench.nodeB.x5t },
    token_use: 'node',
    sans: ['node-b.somebiz.local.io'],
    trusted_domains: ['b.test'],
  })
  expect(bench.lastDecision()).toMatchObject({ action: 'jwks:read' })
  expect(bench.decisions().at(-2)).toMatchObject({
    action: 'token:request',
    verdict: 'accepted',
    status: 200,
    guard: null,
    reason: null,
    principal: { 'x5t#S256': bench.nodeB.x5t, client_id: 'node-b', jti: claims.jti },
  })
})
