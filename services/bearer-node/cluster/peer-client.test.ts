import { rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { type TestAuthority, type TestLeaf, testAuthority, testFolder } from '../../shared/testing/certificates.ts'
import type { RecordOfDecision } from '../listener/records.ts'
import { type PeerCall, PeerCallFailed } from './peer-calls.ts'
import { PeerClient, type PeerTls } from './peer-client.ts'

const folder = testFolder()
afterAll(() => rmSync(folder, { recursive: true }))
const [own, foreign] = await Promise.all([testAuthority(folder, 'own'), testAuthority(folder, 'foreign')])

const TOKEN = 'a-token-of-the-cluster-32-characters'

interface Listening extends AsyncDisposable {
  readonly port: number
  readonly got: IncomingMessage[]
  /** Connections that came to a request, or to none. */
  connections: number
}

async function listening(server: Server, handle: RequestListener): Promise<Listening> {
  const got: IncomingMessage[] = []
  server.on('request', (request: IncomingMessage, response) => {
    got.push(request)
    handle(request, response as never)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const listening: Listening = {
    ...{ port: (server.address() as AddressInfo).port, got, connections: 0 },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  server.on('connection', () => {
    listening.connections += 1
  })
  return listening
}

const good: RequestListener = (_, response) => void response.setHeader('x-peer', 'yes').end('{"ok":true}')
const plain = (handle = good) => listening(createServer(), handle)

async function secure(leaf: TestLeaf = {}, authority: TestAuthority = own): Promise<Listening> {
  const { cert, key } = await authority.issue({ sans: ['localhost'], ...leaf })
  return listening(createTlsServer({ cert, key }), good)
}

function client(url: string, more: { token?: string | undefined; tls?: () => PeerTls | undefined } = {}) {
  const records: RecordOfDecision[] = []
  const peers = new PeerClient({
    ...{ peers: new Map([['orc-2', url]]), connectMs: 2_000 },
    token: () => ('token' in more ? more.token : TOKEN),
    tlsFor: more.tls ?? (() => ({ ca: own.pem })),
    record: (decision) => void records.push(decision),
  })
  const call = (given: Partial<PeerCall> = {}, peer = 'orc-2') => {
    return peers.call(peer, { method: 'GET', path: '/v1/auth', timeoutMs: 5_000, ...given })
  }
  return { records, call, [Symbol.asyncDispose]: () => peers.close() }
}

async function failureOf(pending: Promise<unknown>): Promise<string> {
  const failure: unknown = await pending.then(
    () => undefined,
    (failure: unknown) => failure,
  )
  if (!(failure instanceof PeerCallFailed)) throw new Error('it did not fail', { cause: failure })
  return failure.kind
}

test('a peer is called by its configured URL, with the token, and its answer comes back', async () => {
  for (const [server, scheme] of [
    [await plain(), 'http'],
    [await secure(), 'https'],
  ] as const) {
    await using _ = server
    await using peer = client(`${scheme}://localhost:${server.port}`)
    const body = Buffer.from('{"a": 1}')
    const answer = await peer.call({ method: 'POST', path: '/v1/x?y=z', body, headers: { 'idempotency-key': 'k' } })

    expect(answer).toMatchObject({ status: 200, headers: { 'x-peer': 'yes' }, body: Buffer.from('{"ok":true}') })
    expect(server.got[0]).toMatchObject({ method: 'POST', url: '/v1/x?y=z' })
    expect(server.got[0]!.headers).toMatchObject({ authorization: `Bearer ${TOKEN}`, 'idempotency-key': 'k' })
    expect(peer.records).toEqual([])
  }
})

test('a node without a token sends none', async () => {
  await using server = await plain()
  await using peer = client(`http://127.0.0.1:${server.port}`, { token: undefined })
  await peer.call()
  expect(server.got[0]!.headers.authorization).toBeUndefined()
})

test.each<[string, () => Promise<Listening>]>([
  ['of another root', () => secure({}, foreign)],
  ['for another name', () => secure({ sans: ['other.test'] })],
  ['with the name in its subject alone', () => secure({ sans: [], commonName: 'localhost' })],
  ['that has expired', () => secure({ notBefore: new Date(Date.now() - 9e5), notAfter: new Date(Date.now() - 6e5) })],
  ['for clients', () => secure({ extendedKeyUsage: ['1.3.6.1.5.5.7.3.2'] })],
  ['that is none: it speaks plain HTTP', () => plain()],
])('a server whose certificate is one %s gets no request, and so no token', async (_, start) => {
  await using server = await start()
  await using peer = client(`https://localhost:${server.port}`)

  expect(await failureOf(peer.call())).toBe('unverified')
  expect(server.connections).toBeGreaterThan(0)
  expect(server.got).toEqual([])
  expect(peer.records).toEqual([
    {
      ...{ verdict: 'refused', guard: 'bearer.peer-target', reason: 'peer_unverified', action: 'peer:call' },
      ...{ target: 'orc-2', route: 'GET /v1/auth' },
    },
  ])
  expect(JSON.stringify(peer.records)).not.toContain(TOKEN)
})

test.each(['203.0.113.10', '100.64.0.1', '[2001:db8::1]', '0.0.0.0'])(
  'plain HTTP to %s is not spoken',
  async (host) => {
    await using peer = client(`http://${host}:8770`)
    const began = performance.now()

    expect(await failureOf(peer.call())).toBe('refused')
    expect(performance.now() - began).toBeLessThan(1_000)
    expect(peer.records).toMatchObject([{ guard: 'bearer.peer-target', reason: 'peer_plaintext' }])
  },
)

test('who is not configured is not called', async () => {
  await using server = await plain()
  await using peer = client(`http://127.0.0.1:${server.port}`)

  expect(await failureOf(peer.call({}, 'orc-9'))).toBe('refused')
  expect(peer.records).toMatchObject([{ reason: 'peer_not_configured', target: 'orc-9' }])
  expect(server.connections).toBe(0)
})

test('the same refusal is recorded once, until a call went well', async () => {
  let tls: PeerTls = { ca: foreign.pem }
  await using server = await secure()
  await using peer = client(`https://localhost:${server.port}`, { tls: () => tls })
  for (let times = 0; times < 3; times += 1) expect(await failureOf(peer.call())).toBe('unverified')
  expect(peer.records).toHaveLength(1)

  tls = { ca: own.pem }
  expect(await peer.call()).toMatchObject({ status: 200 })
})

test('new connections present the certificate that is valid then', async () => {
  const leaf = await own.issue({ sans: ['orc-1.test'] })
  const { cert, key } = await own.issue({ sans: ['localhost'] })
  const seen: unknown[] = []
  const server = createTlsServer({ cert, key, ca: own.pem, requestCert: true, rejectUnauthorized: true })
  server.on('secureConnection', (socket) => void seen.push(socket.getPeerCertificate().subjectaltname))
  await using listener = await listening(server, good)
  let tls: PeerTls = { ca: own.pem }
  await using peer = client(`https://localhost:${listener.port}`, { tls: () => tls })
  expect(await failureOf(peer.call())).toBe('ended')

  tls = { ca: [own.pem], cert: leaf.cert, key: leaf.key }
  expect(await peer.call()).toMatchObject({ status: 200 })
  expect(seen).toEqual(['DNS:orc-1.test'])
})

test('why no answer came is told apart', async () => {
  await using server = await plain((request, response) => {
    if (request.url === '/silent') return
    if (request.url === '/ends') return void response.destroy()
    if (request.url === '/moved') return void response.writeHead(302, { location: '/good' }).end()
    response.end('x'.repeat(5 * 1024 * 1024))
  })
  const url = `http://127.0.0.1:${server.port}`
  await using peer = client(url)

  expect(await failureOf(peer.call({ path: '/silent', timeoutMs: 50 }))).toBe('timeout')
  expect(await failureOf(peer.call({ path: '/silent', signal: AbortSignal.timeout(50) }))).toBe('aborted')
  expect(await failureOf(peer.call({ path: '/ends' }))).toBe('ended')
  expect(await failureOf(peer.call({ path: '/large' }))).toBe('too_large')
  expect(await peer.call({ path: '/moved' })).toMatchObject({ status: 302, headers: { location: '/good' } })
  expect(server.got.map(({ url }) => url)).not.toContain('/good')
  await server[Symbol.asyncDispose]()
  await using gone = client(url)
  expect(await failureOf(gone.call())).toBe('unreachable')
})
