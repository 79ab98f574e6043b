import { rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, expect, test, vi } from 'vitest'
import { createIssuerClient, jsonObjectOf } from './issuer-client.ts'
import { testAuthority, testFolder } from './testing/certificates.ts'

const folder = testFolder()
afterAll(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

test('keys and answers come from the proven auth server only, whatever the environment says', async () => {
  const own = await testAuthority(folder, 'own')
  const stranger = await testAuthority(folder, 'stranger')
  const identity = await stranger.issue({ sans: ['localhost'] })
  let requests = 0
  const server = createServer({ cert: identity.cert, key: identity.key }, (_, response) => {
    requests += 1
    response.end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const url = `https://localhost:${(server.address() as AddressInfo).port}/jwks`
  const { cert, key } = await own.issue({ sans: ['node.test'] })
  const clientTrusting = (ca: string) => createIssuerClient(() => ({ ca: [ca], cert, key }), '127.0.0.1')
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')

  await expect(clientTrusting(own.pem).get(url)).rejects.toThrow()
  expect(requests).toBe(0)
  expect(await clientTrusting(stranger.pem).get(url)).toMatchObject({ status: 200 })
  server.closeAllConnections()
  server.close()
})

test('an answer that is no JSON is told without a part of it', () => {
  const answer = { status: 200, headers: { 'content-type': 'application/json' } }

  expect(jsonObjectOf({ ...answer, body: '{"access_token":"secret"}' })).toEqual({ access_token: 'secret' })
  expect(() => jsonObjectOf({ ...answer, body: '{"access_token" "secret"}' })).toThrow(/^not JSON$/)
})
