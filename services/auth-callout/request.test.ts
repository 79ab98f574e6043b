import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Algorithms, encode } from '@nats-io/jwt'
import { createCurve, createServer, createUser, type KeyPair } from '@nats-io/nkeys'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestIdentity, testAuthority } from '../shared/testing/certificates.ts'
import { calloutRequest } from './guards/callout-request.ts'
import { readRequest } from './request.ts'

// Requests as a broker makes them, and everything that somebody else could make.

const folder = mkdtempSync(join(tmpdir(), 'holdfast-requests-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const broker = createServer()
const brokerCurve = createCurve()
const curve = createCurve()
let identity: TestIdentity

beforeAll(async () => {
  identity = await (await testAuthority(folder, 'ca')).issue({ sans: ['host-1.somebiz.local.io'] })
})

interface Change {
  signer?: KeyPair
  serverId?: string
  exp?: number | undefined
  nats?: object
  sealer?: KeyPair
  to?: KeyPair
}

async function asked(change: Change = {}): Promise<{ reason: string; request: ReturnType<typeof readRequest> }> {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    ...{ aud: 'nats-authorization-request', sub: 'A', name: '', iat: now, iss: '', jti: '' },
    exp: 'exp' in change ? change.exp : now + 3,
    nats: {
      ...{ type: 'authorization_request', version: 2, user_nkey: createUser().getPublicKey() },
      server_id: { id: change.serverId ?? broker.getPublicKey(), name: 'nats-1', host: '127.0.0.1' },
      client_info: { id: 7, host: '127.0.0.9' },
      connect_opts: { jwt: 'a', auth_token: 'b', protocol: 1 },
      client_tls: { verified_chains: [[identity.cert]] },
      ...change.nats,
    },
  }
  const text = await encode(Algorithms.v2, claims as never, change.signer ?? broker)
  const sealed = (change.sealer ?? brokerCurve).seal(
    new TextEncoder().encode(text),
    (change.to ?? curve).getPublicKey(),
  )
  return judged(readRequest(sealed, brokerCurve.getPublicKey(), curve))
}

function judged(request: ReturnType<typeof readRequest>) {
  const context = { request, serverId: broker.getPublicKey(), now: Date.now() }
  const refusal = calloutRequest.check(context) as { reason: string } | undefined
  return { reason: refusal?.reason ?? 'none', request }
}

test('a request is read whole', async () => {
  const { reason, request } = await asked()

  expect(reason).toBe('none')
  expect(request).toMatchObject({
    client: { cid: 7, address: '127.0.0.9' },
    login: { jwt: 'a', token: 'b' },
    certificate: { x5t: identity.x5t, sans: ['host-1.somebiz.local.io'] },
  })
})

test.each<[string, () => Change]>([
  ['signed by another broker', () => ({ signer: createServer() })],
  ['for another broker', () => ({ serverId: createServer().getPublicKey() })],
  ['signed by a user', () => ({ signer: createUser() })],
  ['that has ended', () => ({ exp: Math.floor(Date.now() / 1000) - 1 })],
  ['without an end', () => ({ exp: undefined })],
  ['of another type', () => ({ nats: { type: 'user' } })],
  ['without a key to answer for', () => ({ nats: { user_nkey: '' } })],
  ['without a connection', () => ({ nats: { client_info: {} } })],
  ['sealed by somebody else', () => ({ sealer: createCurve() })],
  ['sealed to somebody else', () => ({ to: createCurve() })],
  ['with a certificate that is none', () => ({ nats: { client_tls: { verified_chains: [['x']] } } })],
])('a request %s is refused', async (_, change) => {
  expect((await asked(change())).reason).toBe('callout_request_invalid')
})

test('what is not sealed, or nothing at all, is no request', () => {
  for (const bytes of [new Uint8Array(), new TextEncoder().encode('eyJ'), new Uint8Array(200)]) {
    expect(judged(readRequest(bytes, brokerCurve.getPublicKey(), curve)).reason).toBe('callout_request_invalid')
    expect(readRequest(bytes, undefined, curve)).toBeUndefined()
    expect(readRequest(bytes, 'X', curve)).toBeUndefined()
  }
})
