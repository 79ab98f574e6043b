import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { decodeJwt } from 'jose'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { GRANT, makeCsr, PEER, SUBJECT, type TestCa } from '../testing/certificates.ts'
import { type Answer, type Held, holdServer, json, type LiveServer, liveRoot, liveServer } from '../testing/live.ts'
import { makeProvisionerKey } from '../testing/provisioner.ts'
import { CaError } from './ca-answer.ts'
import { type CaClient, createCaClient } from './ca-client.ts'
import type { ProvisionerKey } from './provisioner-key.ts'

// A CA that does what a test says. The real one has a test of its own.

let root: TestCa
let other: TestCa
let held: Held
let csr: string
let key: ProvisionerKey

beforeAll(async () => {
  root = await liveRoot('root')
  other = await liveRoot('other')
  held = await holdServer(root, ['localhost'])
  csr = await makeCsr()
  key = await makeProvisionerKey()
})

const open: AsyncDisposable[] = []
const clients: CaClient[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]()
})

/** For what is never answered: nobody's time otherwise. */
const SHORT = { connectMs: 400, deadlineMs: 400 }
const to = { commonName: PEER, grantId: GRANT, subjectUserId: SUBJECT, x5rt: 'x'.repeat(43) }

function clientOf(caUrl: string, more: { connectMs?: number; deadlineMs?: number; idleMs?: number } = {}): CaClient {
  const signer = { caUrl, provisioner: 'mosaic-fed', key, rootFingerprint: 'f'.repeat(64) }
  const client = createCaClient({ signer, rootPem: String(root.certificate), ...more })
  clients.push(client)
  return client
}

async function ca(answer: Answer, tls: Held = held): Promise<{ server: LiveServer; client: CaClient }> {
  const server = await liveServer(tls, answer)
  open.push(server)
  return { server, client: clientOf(server.url) }
}

const signed: Answer = (_, response) => json(response, 201, { crt: String(held.certificate) })
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (failure: unknown) => (failure instanceof CaError ? failure.code : failure),
  )

test('what is asked for is asked once, with a token that is for it, and what is signed comes back', async () => {
  const { server, client } = await ca(signed)
  expect(String(await client.sign(csr, to, 300))).toBe(String(held.certificate))
  expect(server.heard.map(({ method, url }) => `${method} ${url}`)).toEqual(['POST /1.0/sign'])
  const { ott, ...asked } = JSON.parse(server.heard[0]!.body)
  expect(asked).toEqual({ csr, notAfter: '300s' })
  await client.sign(csr, to, 31)
  expect(JSON.parse(server.heard[1]!.body).notAfter).toBe('31s')
  expect(decodeJwt(ott)).toMatchObject({ aud: `${server.url}/1.0/sign`, sub: PEER, mosaic_grant_id: GRANT })
})

test.each<[what: string, code: string, answer: Answer]>([
  ['nothing', 'CA_TIMEOUT', () => {}],
  ['the beginning of an answer', 'CA_TIMEOUT', (_, response) => response.writeHead(201).write('{')],
  [
    'an answer that is cut off',
    'CA_BAD_ANSWER',
    (_, response) => {
      response.writeHead(201, { 'content-type': 'application/json', 'content-length': '100' }).write('{"crt":')
      setTimeout(() => response.destroy(), 20)
    },
  ],
  ['no answer, and closes', 'CA_BAD_ANSWER', (request) => request.socket.destroy()],
  [
    'too much',
    'CA_BAD_ANSWER',
    (_, response) => json(response, 201, { crt: String(held.certificate), x: 'x'.repeat(256 * 1024) }),
  ],
  [
    'too much without end',
    'CA_BAD_ANSWER',
    (_, response) => {
      response.writeHead(201, { 'content-type': 'application/json' })
      const more = () => response.destroyed || response.write('x'.repeat(65_536), () => setImmediate(more))
      more()
    },
  ],
  ['a redirect', 'CA_BAD_ANSWER', (_, response) => response.writeHead(307, { location: '/1.0/sign2' }).end()],
  [
    'a page',
    'CA_BAD_ANSWER',
    (_, response) => response.writeHead(201, { 'content-type': 'text/html' }).end('<p>hello'),
  ],
  [
    'no JSON',
    'CA_BAD_ANSWER',
    (_, response) => response.writeHead(201, { 'content-type': 'application/json' }).end('{"crt"'),
  ],
  [
    'what is good but said to be packed',
    'CA_BAD_ANSWER',
    (_, response) => {
      response.setHeader('content-encoding', 'gzip')
      json(response, 201, { crt: String(held.certificate) })
    },
  ],
  ['200', 'CA_BAD_ANSWER', (_, response) => json(response, 200, { crt: String(held.certificate) })],
  ['403', 'CA_REFUSED', (_, response) => json(response, 403, { message: 'the token eyJ is wrong' })],
  ['500', 'CA_REFUSED', (_, response) => json(response, 500, {})],
])('a CA that answers with %s is %s, asked once, and never quoted', async (_, code, answer) => {
  const { server } = await ca(answer)
  const client = clientOf(server.url, code === 'CA_TIMEOUT' ? SHORT : {})
  const failure = await client.sign(csr, to, 300).catch((caught: CaError) => caught)
  expect(failure).toBeInstanceOf(CaError)
  const { ott } = JSON.parse(server.heard[0]!.body)
  expect(failure).toMatchObject({ code, remedy: expect.stringMatching(/^see /) })
  for (const word of [ott, 'eyJ', 'hello', csr]) expect(JSON.stringify([String(failure), failure])).not.toContain(word)
  expect((failure as CaError).cause).toBeUndefined()
  expect(server.heard.map(({ url }) => url)).toEqual(['/1.0/sign'])
})

test.each(['at once', 'in parts'])(
  'an answer as long as is allowed is taken, and not one byte more, when it comes %s',
  async (how) => {
    const largest = 256 * 1024
    const answersWith = async (length: number) => {
      const { client } = await ca(({ url }, response) => {
        const answer = url === '/health' ? { status: 'ok', x: '' } : { crt: String(held.certificate), x: '' }
        const text = JSON.stringify(answer)
        const long = text.replace('""', `"${'x'.repeat(length - text.length)}"`)
        expect(long).toHaveLength(length)
        const size: Record<string, string> = how === 'at once' ? { 'content-length': String(length) } : {}
        response.writeHead(url === '/health' ? 200 : 201, { 'content-type': 'application/json', ...size })
        response.write(long.slice(0, 100))
        response.end(long.slice(100))
      })
      return [await failureOf(client.sign(csr, to, 300)), await client.isReady()]
    }
    expect(await answersWith(largest)).toEqual(['no failure', true])
    expect(await answersWith(largest + 1)).toEqual(['CA_BAD_ANSWER', false])
  },
)

/** Sockets that anybody in this process opens to a port. */
async function connectionsTo(port: number, act: () => Promise<unknown>): Promise<number> {
  const sockets: Socket[] = []
  const hear = (message: unknown) => void sockets.push((message as { socket: Socket }).socket)
  diagnostics.subscribe('net.client.socket', hear)
  await act()
  diagnostics.unsubscribe('net.client.socket', hear)
  return port === 0 ? 0 : sockets.length
}

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

test('what is asked at once goes over one connection, and that is left to nobody else later', async () => {
  const { server } = await ca((request, response, body) =>
    request.url === '/health' ? json(response, 200, { status: 'ok' }) : signed(request, response, body),
  )
  const client = clientOf(server.url, { idleMs: 1_000 })
  expect(await client.isReady()).toBe(true)
  await client.sign(csr, to, 300)
  const [first, second] = server.heard.map(({ socket }) => socket)
  expect(second).toBe(first)
  await once(first!, 'close', { signal: AbortSignal.timeout(5_000) })
  await client.sign(csr, to, 300)
  expect(server.heard[2]!.socket).not.toBe(first)
})

test('a CA that is not there is tried three times, and one that was reached only once', async () => {
  const port = await unusedPort()
  const away = clientOf(`https://localhost:${port}`)
  expect(await connectionsTo(port, () => failureOf(away.sign(csr, to, 300)))).toBe(3)
  expect(await failureOf(away.sign(csr, to, 300))).toBe('CA_UNREACHABLE')
  expect(await away.isReady()).toBe(false)

  const { server, client } = await ca((request) => request.socket.destroy())
  expect(await connectionsTo(server.port, () => failureOf(client.sign(csr, to, 300)))).toBe(1)
})

test('one that is up again by then has signed', async () => {
  const port = await unusedPort()
  const signing = clientOf(`https://localhost:${port}`).sign(csr, to, 300)
  await new Promise<void>((resolve) => {
    const look = () =>
      void connect(port, '127.0.0.1')
        .on('error', () => resolve())
        .on('connect', () => look())
    look()
  })
  open.push(await liveServer(held, signed, port))
  expect(String(await signing)).toBe(String(held.certificate))
})

test('a deadline is for all of it', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => silent.once('listening', resolve))
  const { port } = silent.address() as { port: number }
  const started = performance.now()
  // A connection that comes to no handshake is one: whoever holds it might have got a token over it.
  expect(
    await connectionsTo(port, async () => {
      expect(await failureOf(clientOf(`https://localhost:${port}`, SHORT).sign(csr, to, 300))).toBe('CA_UNREACHABLE')
    }),
  ).toBe(1)
  expect(performance.now() - started).toBeLessThan(2_000)
  silent.close()
})

test.each<[who: string, tls: () => Promise<Held>]>([
  ['of another root', () => holdServer(other, ['localhost'])],
  ['of another name', () => holdServer(root, ['ca.example'])],
  ['with its name in the subject alone', () => holdServer(root, [], { subject: 'CN=localhost' })],
  ['that has ended', () => holdServer(root, ['localhost'], { notAfter: new Date(Date.now() - 1_000) })],
])('a server %s gets no token, nor anything else', async (_, tls) => {
  const { server, client } = await ca(signed, await tls())
  expect(await failureOf(client.sign(csr, to, 300))).toBe('CA_UNREACHABLE')
  expect(await failureOf(client.revoke('ab', 'why'))).toBe('CA_UNREACHABLE')
  expect(await client.isReady()).toBe(false)
  expect(server.heard).toEqual([])
})

test('no variable of the environment makes it trust another root', async () => {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  try {
    const { server, client } = await ca(signed, await holdServer(other, ['localhost']))
    expect(await failureOf(client.sign(csr, to, 300))).toBe('CA_UNREACHABLE')
    expect(server.heard).toEqual([])
  } finally {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
  }
})

test('a CA by plain http is not called', async () => {
  await expect(clientOf('http://localhost:1').sign(csr, to, 300)).rejects.toThrow(/https/)
})

test('a token that is refused is replaced once, by one of a later second', async () => {
  let refusals = 1
  const { server, client } = await ca((request, response, body) => {
    if (refusals-- > 0) json(response, 401, { message: 'issued before the CA was started' })
    else signed(request, response, body)
  })
  expect(String(await client.sign(csr, to, 300))).toBe(String(held.certificate))
  const tokens = server.heard.map(({ body }) => decodeJwt(JSON.parse(body).ott))
  expect(tokens).toHaveLength(2)
  expect(tokens[1]!.iat).toBeGreaterThan(tokens[0]!.iat!)
  expect(tokens[1]!.jti).not.toBe(tokens[0]!.jti)

  refusals = 9
  server.heard.length = 0
  expect(await failureOf(client.sign(csr, to, 300))).toBe('CA_REFUSED')
  expect(server.heard).toHaveLength(2)
})

test('health of the last five seconds counts, trouble does not, and those who ask together ask once', async () => {
  let status = 'ok'
  const { server, client } = await ca((_, response) => json(response, 200, { status }))
  status = 'starting'
  expect(await client.isReady()).toBe(false)
  status = 'ok'
  expect(await Promise.all([client.isReady(), client.isReady(), client.isReady()])).toEqual([true, true, true])
  expect(server.heard.map(({ url }) => url)).toEqual(['/health', '/health'])
  status = 'starting'
  expect(await client.isReady()).toBe(true)
  expect(server.heard).toHaveLength(2)
})

test('a revocation names the serial number as a decimal; one that was there before is one, and any other refusal none', async () => {
  let answer: [number, unknown] = [200, { status: 'ok' }]
  const { server, client } = await ca((_, response) => json(response, ...answer))
  await client.revoke('ff', 'the grant is revoked')
  const { ott, ...asked } = JSON.parse(server.heard[0]!.body)
  expect(asked).toEqual({ serial: '255', reason: 'the grant is revoked', reasonCode: 0, passive: true })
  expect(decodeJwt(ott)).toMatchObject({ aud: `${server.url}/1.0/revoke`, sub: '255' })
  answer = [400, { status: 400, message: "certificate with serial number '255' is already revoked" }]
  await client.revoke('ff', 'again')
  for (const [wrong, code] of [
    [[400, { message: 'bad request' }], 'CA_REFUSED'],
    [[409, { message: 'already revoked' }], 'CA_REFUSED'],
    [[500, { message: 'already revoked' }], 'CA_REFUSED'],
    [[200, { message: 'already revoked' }], 'CA_BAD_ANSWER'],
    [[501, {}], 'CA_REFUSED'],
    [[200, {}], 'CA_BAD_ANSWER'],
    [[302, { status: 'ok' }], 'CA_BAD_ANSWER'],
  ] as [[number, unknown], string][]) {
    answer = wrong
    expect(await failureOf(client.revoke('ff', 'why'))).toBe(code)
  }
})

test('a list comes as it is, and is no list without 200', async () => {
  const bytes = Buffer.from([0x30, 0, 0xff])
  const { server, client } = await ca((request, response) => {
    if (request.url === '/1.0/crl') response.end(bytes)
    else json(response, 404, {})
  })
  expect(await client.list(`${server.url}/1.0/crl`)).toEqual(bytes)
  expect(await failureOf(client.list(`${server.url}/crl`))).toBe('CA_BAD_ANSWER')
})
