import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestAuthority, type TestIdentity, testAuthority, testFolder } from '../../shared/testing/certificates.ts'
import { until } from '../../shared/testing/service-process.ts'
import { type TestListeners, testListeners } from '../testing/listeners.ts'
import { exchange, requestOf } from '../testing/raw.ts'
import { testRoutes } from '../testing/routes.ts'
import { OLD } from '../testing/tokens.ts'
import { refOf } from '../token/ref.ts'
import { readMaterials } from './materials.ts'

// A listener with TLS, and callers that come through a proxy: by its certificate it is known, and by that nobody is let in.

const folder = testFolder()
let cluster: TestAuthority
let foreign: TestAuthority
let server: TestIdentity
let node: TestListeners

beforeAll(async () => {
  cluster = await testAuthority(folder, 'cluster')
  foreign = await testAuthority(folder, 'foreign')
  server = await cluster.issue({ sans: ['orc-3.cluster.test'] })
  const tls = { certFile: server.certFile, keyFile: server.keyFile }
  const materials = readMaterials({ listen: [{ address: '127.0.0.1', port: 1, tls }], caFile: cluster.file })
  const proxies = [{ name: 'edge', san: 'edge.cluster.test' }]
  node = await testListeners({ listen: { tls }, materials, proxies, routes: testRoutes().routes })
})
afterAll(async () => {
  await node[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

type Headers = readonly (readonly [string, string])[]

async function ask(path: string, headers: Headers, identity?: TestIdentity): Promise<number> {
  const socket = connect({
    ...{ host: '127.0.0.1', port: node.port, servername: 'orc-3.cluster.test', ca: cluster.pem },
    ...(identity !== undefined && { cert: identity.cert, key: identity.key }),
  })
  let text = ''
  socket.on('data', (chunk) => {
    text += String(chunk)
  })
  socket.write(requestOf('GET', path, headers))
  await once(socket, 'close')
  return Number(text.split(' ')[1])
}

const bearer = ['Authorization', `Bearer ${OLD}`] as const
const forwarded = ['Forwarded', 'for=192.0.2.44;proto=https'] as const

describe('a caller without a token', () => {
  test('through the proxy is A0: the reason names the hop, and its address is what the proxy says', async () => {
    const edge = await cluster.issue({ sans: ['edge.cluster.test'] })
    expect(await ask('/v1/auth', [forwarded], edge)).toBe(401)
    expect(node.records.at(-1)).toMatchObject({
      ...{ verdict: 'refused', guard: 'bearer.access', reason: 'credential_missing_via_proxy' },
      ...{ via: 'edge', remote: '192.0.2.44', principal: { via: 'edge' } },
    })
  })

  test.each([
    ['with a certificate of another node', () => cluster.issue({ sans: ['orc-1.cluster.test'] })],
    ['with the proxy’s name of another authority', () => foreign.issue({ sans: ['edge.cluster.test'] })],
    [
      'with one that is over',
      () => cluster.issue({ sans: ['edge.cluster.test'], notAfter: new Date(Date.now() - 1_000) }),
    ],
    ['with no certificate', async () => undefined],
  ])('%s is A0, and what it says of itself counts for nothing', async (_, issue) => {
    expect(await ask('/v1/auth', [forwarded], await issue())).toBe(401)
    expect(node.records.at(-1)).toMatchObject({
      ...{ verdict: 'refused', guard: 'bearer.access', reason: 'credential_missing' },
      ...{ via: null, remote: '127.0.0.1', principal: {} },
    })
  })
})

test('a caller with the token is let in, through the proxy and without', async () => {
  const edge = await cluster.issue({ sans: ['edge.cluster.test'] })
  expect(await ask('/v1/auth', [bearer, forwarded], edge)).toBe(200)
  expect(node.records.at(-1)).toMatchObject({
    ...{ verdict: 'accepted', via: 'edge', remote: '192.0.2.44', tokenRef: refOf(OLD) },
    principal: { tokenRef: refOf(OLD), via: 'edge' },
  })
  expect(await ask('/v1/auth', [bearer])).toBe(200)
  expect(node.records.at(-1)).toMatchObject({ verdict: 'accepted', via: null, remote: '127.0.0.1' })
})

test('reads are open to those who come through the proxy as to all others', async () => {
  const edge = await cluster.issue({ sans: ['edge.cluster.test'] })
  expect([await ask('/v1/status', [], edge), await ask('/v1/status', [])]).toEqual([200, 200])
})

test('plain HTTP is answered nothing, and on record', async () => {
  const answer = await exchange(node.port, requestOf('GET', '/healthz', [bearer]))
  expect(answer.text).toBe('')
  await until(() => node.lastDecision().guard === 'tls.handshake', 'the record')
  expect(node.records.at(-1)).toMatchObject({ layer: 'tls', reason: 'handshake_failed', route: null, tokenRef: null })
})
