import '../shared/testing/loopback-names.ts'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { createSecureContext, createServer, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { WebSocketServer } from 'ws'
import { selfSignedIdentity, type TestIdentity } from '../shared/testing/certificates.ts'
import { type DialFailed, dial } from './dial.ts'
import { HOST_B, type TestSite, testSite } from './testing/site.ts'

// The dialer against servers that are not the peer: what they read is everything that they were sent.

let site: TestSite

beforeAll(async () => {
  site = await testSite()
})

afterAll(async () => {
  await site[Symbol.asyncDispose]()
})

const options = (port: number, scheme = 'wss') => ({
  endpoint: `${scheme}://${HOST_B}:${port}`,
  token: 'the-token',
  identity: createSecureContext({ ca: [site.caB.pem], cert: site.certA.cert, key: site.certA.key }),
})

/** Reads whatever comes after the handshake. */
async function eavesdropper(identity: TestIdentity) {
  let read = ''
  const server = createServer({ cert: identity.cert, key: identity.key, requestCert: true, rejectUnauthorized: false })
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.on('data', (data) => {
      read += String(data)
    })
    socket.on('error', () => {})
  })
  server.on('tlsClientError', () => {})
  return { port: await listening(server), read: () => read, close: () => closed(server) }
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  return (server.address() as AddressInfo).port
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

async function failureOf(attempt: Promise<void>): Promise<DialFailed> {
  return attempt.then(
    () => expect.unreachable('the dial must fail'),
    (failure: unknown) => failure as DialFailed,
  )
}

test('the peer is dialled, proven, and given the token', async () => {
  const server = createHttpsServer({ cert: site.certB.cert, key: site.certB.key })
  const sockets = new WebSocketServer({ server, handleProtocols: () => 'holdfast-peering.v1' })
  const port = await listening(server)
  const authorization = new Promise((resolve) =>
    sockets.once('connection', (socket, request) => {
      resolve(request.headers.authorization)
      socket.close()
    }),
  )
  await dial(options(port), () => {})
  expect(await authorization).toBe('Bearer the-token')
  sockets.close()
  await closed(server)
})

test('plaintext: no connection is made', async () => {
  let connections = 0
  const server = createTcpServer((socket) => {
    connections += 1
    socket.destroy()
  })
  const port = await listening(server)
  expect(await failureOf(dial(options(port, 'ws'), () => {}))).toMatchObject({
    kind: 'target',
    code: 'endpoint_plaintext',
  })
  expect(connections).toBe(0)
  await closed(server)
})

test.each<[string, () => Promise<TestIdentity>, string]>([
  ['of another authority', () => site.caA.issue({ sans: [HOST_B] }), 'server_untrusted'],
  ['that signed itself', () => selfSignedIdentity(site.folder, { sans: [HOST_B] }), 'server_untrusted'],
  ['that ended', () => site.caB.issue({ sans: [HOST_B], notAfter: new Date(Date.now() - 1_000) }), 'server_untrusted'],
  ['for another host', () => site.caB.issue({ sans: ['node-c.somebiz.local.io'] }), 'server_name_mismatch'],
  ['for all hosts', () => site.caB.issue({ sans: ['*.somebiz.local.io'] }), 'server_name_mismatch'],
  ['with the host as common name only', () => site.caB.issue({ sans: [], commonName: HOST_B }), 'server_name_mismatch'],
  [
    'with the host as common name beside another name',
    () => site.caB.issue({ sans: ['node-c.somebiz.local.io'], commonName: HOST_B }),
    'server_name_mismatch',
  ],
])('a server with a certificate %s reads not one byte', async (_, identity, code) => {
  const server = await eavesdropper(await identity())
  expect(await failureOf(dial(options(server.port), () => {}))).toMatchObject({ kind: 'target', code })
  await server.close()
  expect(server.read()).toBe('')
})

test('an address that is written as DNS name is no address', async () => {
  const server = await eavesdropper(await site.caB.issue({ sans: ['127.0.0.1'], commonName: '127.0.0.1' }))
  const endpoint = `wss://127.0.0.1:${server.port}`
  expect(await failureOf(dial({ ...options(0), endpoint }, () => {}))).toMatchObject({
    kind: 'target',
    code: 'server_name_mismatch',
  })
  await server.close()
  expect(server.read()).toBe('')
})

test('no variable of the environment makes an unproven server good', async () => {
  const server = await eavesdropper(await site.caA.issue({ sans: [HOST_B] }))
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  try {
    expect(await failureOf(dial(options(server.port), () => {}))).toMatchObject({
      kind: 'target',
      code: 'server_untrusted',
    })
  } finally {
    vi.unstubAllEnvs()
  }
  await server.close()
  expect(server.read()).toBe('')
})

test('a refusal tells its status, a silent port its code', async () => {
  const server = createHttpsServer({ cert: site.certB.cert, key: site.certB.key })
  server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n'))
  const port = await listening(server)
  expect(await failureOf(dial(options(port), () => {}))).toMatchObject({ kind: 'refused', status: 401 })
  server.closeAllConnections()
  await closed(server)
  expect(await failureOf(dial(options(port), () => {}))).toMatchObject({ kind: 'unreachable', code: 'ECONNREFUSED' })
})

test('a redirect is not followed: the token goes to the peer only', async () => {
  const elsewhere = await eavesdropper(site.certB)
  const server = createHttpsServer({ cert: site.certB.cert, key: site.certB.key })
  const location = `https://${HOST_B}:${elsewhere.port}/v1/peering`
  server.on('upgrade', (_, socket) => {
    socket.end(`HTTP/1.1 307 Temporary Redirect\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`)
  })
  const port = await listening(server)
  expect(await failureOf(dial(options(port), () => {}))).toMatchObject({ kind: 'refused', status: 307 })
  expect(elsewhere.read()).toBe('')
  server.closeAllConnections()
  await Promise.all([closed(server), elsewhere.close()])
})
