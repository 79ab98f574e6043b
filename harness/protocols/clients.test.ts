import { once } from 'node:events'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { request } from '../agent/https-request.ts'
import { uselessAnswers } from '../counterparts/issuer/issuer-answer.ts'
import { listenAsIssuer } from '../counterparts/issuer/scripted-issuer.ts'
import { listenAsPeer } from '../counterparts/peer/scripted-peer.ts'
import { issueLeaf, rogueAuthority, type SigningAuthority } from '../pki/authority.ts'
import { type Identity, thumbprintS256 } from '../pki/certificate.ts'
import { spoiled, unspoiled } from '../pki/spoiled.ts'
import { signToken } from '../tokens/forge.ts'
import type { Endpoint } from './endpoint.ts'
import { exchange, headerValues } from './http/exchange.ts'
import { localSeat } from './seat.ts'
import { upgrade } from './websocket/web-socket.ts'

const names = { subject: 'b.test', sans: ['b.test'] }
const open = { type: 'open', node: 'b' }
let authority: SigningAuthority
let identity: Identity
let server: https.Server
let endpoint: Endpoint

beforeAll(async () => {
  authority = await rogueAuthority()
  identity = await unspoiled({ authority, ...names })
  const { certPem: cert, keyPem: key } = identity
  server = https.createServer({ cert, key, ca: authority.anchorPem, requestCert: true }, (request, response) => {
    response.writeHead(200, { 'X-Conn': `${request.socket.remoteAddress}:${request.socket.remotePort}` })
    response.end(JSON.stringify(request.rawHeaders))
  })
  const webSockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    if (request.url === '/refuse') {
      socket.end('HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 2\r\n\r\nno')
      return
    }
    if (request.url === '/cut') {
      socket.destroy()
      return
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.send(JSON.stringify(request.url === '/silly' ? { type: 'close' } : { ...open, asked: request.url }))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  endpoint = {
    seat: localSeat('127.0.0.9'),
    address: '127.0.0.1',
    port,
    host: 'b.test',
    anchorPem: authority.anchorPem,
    identity,
  }
})

afterAll(() => {
  server.close()
})

test('an address is sent as no name', async () => {
  const warned: Error[] = []
  process.on('warning', (warning) => warned.push(warning))
  const sans = [{ type: 'ip', value: '127.0.0.1' } as const]
  const { certPem: cert, keyPem: key } = await issueLeaf({ authority, subject: 'b', sans })
  const named: unknown[] = []
  const SNICallback = (name: string, done: (failure: null) => void) => {
    named.push(name)
    done(null)
  }
  const bare = https.createServer({ cert, key, SNICallback }, (_, response) => response.end()).listen(0, '127.0.0.1')
  await once(bare, 'listening')
  const { port } = bare.address() as AddressInfo
  const asked = { method: 'GET', path: '/', headers: [] }
  expect(await exchange({ ...endpoint, host: '127.0.0.1', port }, asked)).toMatchObject({ status: 200 })
  // Node warns of it after the call.
  await new Promise((resolve) => setImmediate(resolve))
  expect({ named, warned }).toEqual({ named: [], warned: [] })
  bare.close()
})

test('header lines are sent as they are, repeated ones too, from the wanted address', async () => {
  const headers = [
    ['Authorization', 'Bearer a'],
    ['authorization', 'Bearer b'],
  ] as const
  const answer = await exchange(endpoint, { method: 'POST', path: '/x', headers, body: '{}' })
  expect(answer).toMatchObject({ status: 200 })
  expect(JSON.parse(answer.body)).toEqual(
    expect.arrayContaining(['Authorization', 'Bearer a', 'authorization', 'Bearer b']),
  )
  expect(headerValues(answer.headers, 'x-conn')).toEqual([answer.conn])
  expect(answer.conn).toMatch(/^127\.0\.0\.9:\d+$/)
})

test.each([
  ['none', undefined],
  ['of another CA', 'otherCa'],
  ['expired', 'expired'],
] as const)(
  'a certificate that the server refuses (%s) ends in an answer without status, with our port known',
  async (_, name) => {
    const presented = name && (await spoiled[name]({ authority, ...names }))
    const request = { method: 'GET', path: '/', headers: [] }
    const answer = await exchange({ ...endpoint, identity: presented }, request)
    expect(answer).toMatchObject({ status: null, body: '', failure: { code: expect.any(String) } })
    expect(answer.conn).toMatch(/^127\.0\.0\.9:\d+$/)
    const socket = await upgrade({ ...endpoint, identity: presented }, { path: '/', protocol: 'p', headers: [] })
    expect(socket).toMatchObject({ status: null, failure: { code: expect.any(String) } })
    expect(socket.conn).toMatch(/^127\.0\.0\.9:\d+$/)
  },
)

test('a server that does not lead to the anchor gets no request', async () => {
  const other = await rogueAuthority()
  const call = exchange({ ...endpoint, anchorPem: other.anchorPem }, { method: 'GET', path: '/', headers: [] })
  await expect(call).rejects.toMatchObject({ code: 'HOLDFAST_SERVER_UNTRUSTED' })
  const named = exchange({ ...endpoint, host: 'a.test' }, { method: 'GET', path: '/', headers: [] })
  await expect(named).rejects.toMatchObject({ code: 'HOLDFAST_SERVER_UNTRUSTED' })
  const nobody = exchange({ ...endpoint, address: '127.0.0.10' }, { method: 'GET', path: '/', headers: [] })
  await expect(nobody).rejects.toMatchObject({ code: 'HOLDFAST_TARGET_UNREACHABLE' })
})

test('an upgrade counts only when the first frame is the one that opens', async () => {
  const request = { protocol: '', headers: [], first: { type: 'open' } }
  const { session, ...admitted } = await upgrade(endpoint, { ...request, path: '/v1?x=%41' })
  expect(admitted).toMatchObject({ status: 101 })
  expect(admitted).not.toHaveProperty('failure')
  expect(session?.frames).toEqual([{ ...open, asked: '/v1?x=%41' }])
  await session?.close()
  expect(await session?.ended).toMatchObject({ code: 1001 })

  expect(await upgrade(endpoint, { ...request, path: '/silly' })).toMatchObject({
    status: 101,
    failure: { code: 'not opened' },
  })
  expect(await upgrade(endpoint, { ...request, path: '/refuse' })).toMatchObject({ status: 401, body: 'no' })
  const other = { ...request, path: '/v1', first: { type: 'open', node: 'c' } }
  expect(await upgrade(endpoint, other)).toMatchObject({ status: 101, failure: { code: 'not opened' } })
  expect(await upgrade(endpoint, { ...request, path: '/cut' })).toMatchObject({ status: null })
})

test('where no first frame is asked for, being upgraded is enough', async () => {
  const { session, ...admitted } = await upgrade(endpoint, { path: '/silly', protocol: '', headers: [] })
  expect(admitted).toMatchObject({ status: 101 })
  await session?.close()
  expect(await session?.ended).toMatchObject({ code: 1001 })
  const refused = await upgrade(endpoint, { path: '/refuse', protocol: '', headers: [] })
  expect(refused).toMatchObject({ status: 401 })
  expect(refused).not.toHaveProperty('session')
})

const first = { type: 'open' }

test('a scripted peer hears every byte of a dialer that trusts it, and none of one that does not', async () => {
  await using peer = await listenAsPeer({ seat: localSeat(), certificate: identity, open })
  const dialled = { ...endpoint, address: peer.address, port: peer.port }
  const request = { path: '/v1', protocol: '', headers: [['Authorization', 'Bearer secret']] as const, first }
  const { session } = await upgrade(dialled, request)
  expect(session?.frames).toEqual([open])
  session?.send({ type: 'close' })
  await session?.close()
  expect(peer.sessions).toEqual([[{ type: 'close' }]])
  expect(peer.connections).toHaveLength(1)
  expect(peer.connections[0]?.received()).toContain('Authorization: Bearer secret')
  expect(peer.connections[0]?.presented).toBe(thumbprintS256(identity.certPem))

  const distrusting = upgrade({ ...dialled, host: 'a.test' }, request)
  await expect(distrusting).rejects.toMatchObject({ code: 'HOLDFAST_SERVER_UNTRUSTED' })
  expect(peer.connections.slice(1).map((connection) => connection.received())).not.toContain('Authorization')
})

test('a deaf peer reads nothing more, and goes on talking', async () => {
  const heard = async (alive: 'reading' | 'deaf') => {
    await using peer = await listenAsPeer({ seat: localSeat(), certificate: identity, open, alive })
    const dialled = { ...endpoint, address: peer.address, port: peer.port }
    const { session } = await upgrade(dialled, { path: '/v1', protocol: '', headers: [], first })
    session?.send({ padding: 'x'.repeat(4_194_304) })
    await expect.poll(() => session?.frames[1], { timeout: 5_000 }).toEqual({ type: 'keepalive', seq: 1, refused: 0 })
    const length = peer.connections[0]?.received().length ?? 0
    await session?.close()
    return length
  }

  expect(await heard('reading')).toBeGreaterThan(4_194_304)
  expect(await heard('deaf')).toBeLessThan(4_194_304)
})

test('a server is proven whatever NODE_TLS_REJECT_UNAUTHORIZED says, by calls of tests and of agents alike', async () => {
  const stranger = await rogueAuthority()
  const url = `https://b.test:${endpoint.port}/x`
  const own = { cert: identity.certPem, key: identity.keyPem }
  const ask = (ca: string) =>
    request({ method: 'GET', url, address: endpoint.address, tls: { ca, ...own }, timeoutMs: 2_000 })
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  try {
    const get = { method: 'GET', path: '/x', headers: [] }
    await expect(exchange({ ...endpoint, anchorPem: stranger.anchorPem }, get)).rejects.toThrow(/b\.test/)
    expect(await exchange(endpoint, get)).toMatchObject({ status: 200 })
    await expect(ask(stranger.anchorPem)).rejects.toThrow(/unable to (verify|get)|self-signed/)
    expect(await ask(authority.anchorPem)).toMatchObject({ status: 200 })
  } finally {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
  }
})

test('a scripted issuer is honest until it is told otherwise, and hears all that it is asked for', async () => {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const key = await exportJWK(privateKey)
  const kid = await calculateJwkThumbprint(key)
  await using issuer = await listenAsIssuer({
    seat: localSeat(),
    host: 'b.test',
    certificate: identity,
    keys: [key],
  })
  const asked = { ...endpoint, from: undefined, port: issuer.port }
  const get = (path: string) => exchange(asked, { method: 'GET', path, headers: [] })
  const json = async (path: string) => JSON.parse((await get(path)).body) as unknown
  const token = await signToken({ key, header: { kid }, claims: { sub: 'b', jti: 'one' } })

  const { d: _, ...published } = key
  expect(await json('/jwks')).toEqual({ keys: [{ ...published, use: 'sig', kid }] })
  expect(await json('/.well-known/openid-configuration')).toMatchObject({ issuer: issuer.url })
  const introspection = { method: 'POST', path: '/token/introspection', headers: [], body: `token=${token}` }
  expect(JSON.parse((await exchange(asked, introspection)).body)).toEqual({ active: true, sub: 'b', jti: 'one' })
  expect(await get('/elsewhere')).toMatchObject({ status: 404 })

  issuer.script('introspection', (_, honest) => ({ body: { ...(honest as object), active: 'true' } }))
  expect(JSON.parse((await exchange(asked, introspection)).body)).toMatchObject({ active: 'true', sub: 'b' })
  for (const answer of Object.values(uselessAnswers)) {
    issuer.script('keys', answer)
    const { status, headers, body } = await exchange(
      { ...asked, timeoutMs: 300 },
      { method: 'GET', path: '/jwks', headers: [] },
    )
    const isUseful = status === 200 && headerValues(headers, 'content-type')[0] === 'application/json'
    expect(isUseful && Object.hasOwn(parsed(body) ?? {}, 'keys')).toBe(false)
  }
  issuer.script('keys')
  await issuer.publish([])
  expect(await json('/jwks')).toEqual({ keys: [] })

  issuer.present(await spoiled.selfSigned({ authority, ...names }))
  await expect(get('/jwks')).rejects.toMatchObject({ code: 'HOLDFAST_SERVER_UNTRUSTED' })
  expect(issuer.requests.map(({ endpoint }) => endpoint).slice(0, 4)).toEqual([
    'keys',
    'metadata',
    'introspection',
    'other',
  ])
  expect(issuer.requests[0]?.presented).toBe(thumbprintS256(identity.certPem))
  expect(issuer.requests[2]?.body).toContain(token)
  expect(issuer.connections).toBe(issuer.requests.length)
  await expect.poll(() => issuer.brokenOff).toHaveLength(1)
})

function parsed(text: string): object | undefined {
  try {
    return JSON.parse(text) as object
  } catch {
    return undefined
  }
}
