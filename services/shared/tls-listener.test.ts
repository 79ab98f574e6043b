import 'reflect-metadata'
import type { webcrypto } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import * as x509 from '@peculiar/x509'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Decision } from './decision-log.ts'
import type { Guard } from './guard.ts'
import { StartFailure } from './start-failure.ts'
import { type TestAuthority, type TestIdentity, testAuthority, testFolder } from './testing/certificates.ts'
import { createTlsListener, readTlsMaterial, type TlsConnection, type TlsListener } from './tls-listener.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const folder = testFolder()
const records: Decision[] = []
const served: string[] = []
let orgA: TestAuthority
let orgB: TestAuthority
let server: TestIdentity
let listener: TlsListener
let port: number

const gate: Guard<TlsConnection> = {
  id: 'test.tls',
  reasons: [],
  check: ({ certificate }) => {
    const reason = certificate === undefined ? 'cert_missing' : certificate.problem
    return reason === undefined ? undefined : { reason, status: null }
  },
}

beforeAll(async () => {
  orgA = await testAuthority(folder, 'org-a')
  orgB = await testAuthority(folder, 'org-b')
  server = await orgA.issue({ sans: ['server.test'] })
  port = await freePort()
  listener = createTlsListener({
    name: 'peering',
    host: '127.0.0.1',
    port,
    clientCertificate: 'required',
    material: materialWith({ 'org-a': orgA.file, 'org-b': orgB.file }),
    gate,
    action: 'test:connect',
    target: 'server',
    decisions: { record, close() {} },
    onUpgrade: (request, socket) => {
      served.push(String(request.url))
      socket.destroy()
    },
    onRequest: (request, response, { certificate, socket }) => {
      served.push(String(request.url))
      const answer = { domain: certificate?.domain, x5t: certificate?.x5t, resumed: socket.isSessionReused() }
      response.end(JSON.stringify(answer))
    },
  })
  await listener.listen()
})
afterAll(async () => {
  await listener.close(100)
  rmSync(folder, { recursive: true })
})

describe('a certificate that is good', () => {
  test('is proven with its thumbprint, and belongs to the trust domain whose anchor ends its chain', async () => {
    const a = await orgA.issue({ sans: ['node.test'] })
    const b = await orgB.issue({ sans: ['node.test'] })
    expect(await call(a)).toMatchObject({ domain: 'org-a', x5t: a.x5t })
    expect(await call(b)).toMatchObject({ domain: 'org-b', x5t: b.x5t })
  })

  test('belongs to its trust domain through an intermediate, which only the caller sends', async () => {
    const { identity } = await throughIntermediate()
    expect(await call(identity)).toMatchObject({ domain: 'org-b', x5t: identity.x5t })
  })

  test('is judged anew on each connection: no session is resumed', async () => {
    const a = await orgA.issue({ sans: ['node.test'] })
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const first = await call(a, { maxVersion })
      expect(first).toMatchObject({ resumed: false })
      expect(await call(a, { maxVersion, session: lastSession })).toMatchObject({ resumed: false })
    }
  })
})

describe('a certificate that is not good ends the connection with its reason on record', () => {
  const minute = 60_000
  test.each([
    ['cert_missing', async () => undefined],
    ['cert_untrusted', async () => (await testAuthority(folder, 'stranger')).issue({ sans: ['node.test'] })],
    [
      'cert_untrusted',
      async () => {
        const stranger = await testAuthority(folder, 'stranger')
        return stranger.issue({ sans: ['node.test'], notAfter: new Date(Date.now() - 1_000) })
      },
    ],
    ['cert_expired', () => orgA.issue({ sans: ['node.test'], notAfter: new Date(Date.now() - 1_000) })],
    ['cert_not_yet_valid', () => orgA.issue({ sans: ['node.test'], notBefore: new Date(Date.now() + minute) })],
    ['cert_eku_invalid', () => orgA.issue({ sans: ['node.test'], extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'] })],
    ['cert_weak', () => orgA.issue({ sans: ['node.test'], digest: 'SHA-1' })],
    ['cert_weak', () => orgA.issue({ sans: ['node.test'], rsaBits: 1024 })],
  ])('%s', async (reason, make) => {
    const identity = await make()
    expect(await call(await orgA.issue({ sans: ['node.test'] }))).toMatchObject({ domain: 'org-a' })
    const before = records.length
    const ciphers = 'DEFAULT:@SECLEVEL=0'
    await expect(call(identity, { ciphers })).rejects.toThrow(/socket hang up|ECONNRESET|disconnected/)
    expect(records.slice(before)).toMatchObject([
      {
        verdict: 'refused',
        layer: 'tls',
        reason,
        guard: 'test.tls',
        principal: identity ? { 'x5t#S256': identity.x5t } : {},
      },
    ])
  })

  test('an intermediate that names another root as its issuer never moves a leaf into that root’s trust domain', async () => {
    const { identity, leaf, intermediate, keys } = await throughIntermediate()
    const liar = await x509.X509CertificateGenerator.create({
      subject: intermediate.subject,
      issuer: new x509.X509Certificate(orgA.pem).subject,
      publicKey: keys.publicKey,
      signingKey: (await newKeys()).privateKey,
      ...caExtensions(),
    })
    const genuine = intermediate.toString('pem')
    for (const chain of [[liar.toString('pem')], [liar.toString('pem'), genuine], [genuine, liar.toString('pem')]]) {
      const answer = await call({ ...identity, cert: [leaf, ...chain].join('\n') }).catch(() => ({ domain: 'refused' }))
      expect(['org-b', 'refused']).toContain((answer as { domain: string }).domain)
    }
  })
})

test('certificates that have nothing to do with the chain change nothing about its end', async () => {
  const other = await orgA.issue({ sans: ['other.test'] })
  const { identity, leaf, intermediate } = await throughIntermediate()
  const genuine = intermediate.toString('pem')
  for (const chain of [
    [other.cert, genuine],
    [genuine, other.cert],
    [orgA.pem, other.cert, genuine],
  ]) {
    expect(await call({ ...identity, cert: [leaf, ...chain].join('\n') })).toMatchObject({ domain: 'org-b' })
  }
  listener.reload(materialWith({ 'org-a': orgA.file, 'org-b': orgB.file }))
})

test('an anchor that is taken out by a reload is trusted no more, the others still are', async () => {
  const [a, b] = [await orgA.issue({ sans: ['node.test'] }), await orgB.issue({ sans: ['node.test'] })]
  listener.reload(materialWith({ 'org-a': orgA.file }))
  await expect(call(b)).rejects.toThrow()
  expect(records.at(-1)).toMatchObject({ reason: 'cert_untrusted' })
  expect(await call(a)).toMatchObject({ domain: 'org-a' })
  listener.reload(materialWith({ 'org-a': orgA.file, 'org-b': orgB.file }))
  expect(await call(b)).toMatchObject({ domain: 'org-b' })
})

test('a caller that is silent instead of shaking hands is gone soon', async () => {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => {})
  await expect.poll(() => socket.closed, { timeout: 8_000, interval: 100 }).toBe(true)
}, 10_000)

test('silent callers of one address keep out nobody else', async () => {
  const connections = () => new Promise((resolve) => listener.server.getConnections((_, count) => resolve(count)))
  await expect.poll(connections, { timeout: 5_000 }).toBe(0)
  const silent = Array.from({ length: 80 }, () => connect({ host: '127.0.0.1', port, localAddress: '127.0.0.3' }))
  for (const socket of silent) socket.on('error', () => {})
  await expect.poll(() => silent.filter(({ closed }) => closed).length, { timeout: 4_000, interval: 20 }).toBe(80 - 64)

  const a = await orgA.issue({ sans: ['node.test'] })
  await expect(call(a, { localAddress: '127.0.0.3' })).rejects.toThrow()
  expect(await call(a)).toMatchObject({ domain: 'org-a' })
  for (const socket of silent) socket.destroy()
  await expect.poll(connections, { timeout: 5_000 }).toBe(0)
  expect(await call(a, { localAddress: '127.0.0.3' })).toMatchObject({ domain: 'org-a' })
})

test('a caller whose request cannot be read is answered, and gone even if it keeps its half open', async () => {
  const a = await orgA.issue({ sans: ['node.test'] })
  const { cert, key } = a
  const options = { host: '127.0.0.1', port, servername: 'server.test', ca: orgA.pem, cert, key, allowHalfOpen: true }
  const socket = connectTls(options, () => socket.write('no request\r\n\r\n'))
  let answer = ''
  socket.on('data', (data) => {
    answer += String(data)
  })
  socket.on('error', () => {})
  await expect.poll(() => answer, { timeout: 5_000 }).toContain('400 Bad Request')
  expect(records.at(-1)).toMatchObject({
    ...{ conn: `127.0.0.1:${socket.localPort}`, verdict: 'refused', layer: 'http', status: 400, error: null },
    ...{ guard: 'http.form', reason: 'request_unreadable', principal: { 'x5t#S256': a.x5t } },
  })
  const connections = () => new Promise((resolve) => listener.server.getConnections((_, count) => resolve(count)))
  await expect.poll(connections, { timeout: 5_000 }).toBe(0)
  socket.destroy()
})

test.each([
  ['an encoding that looks like chunks', 'POST', ['Transfer-Encoding: xchunked']],
  ['chunks that are not the last encoding', 'POST', ['Transfer-Encoding: chunked, identity']],
  ['chunks and a length', 'POST', ['Transfer-Encoding: chunked', 'Content-Length: 3']],
  ['an upgrade with a body', 'GET', ['Connection: Upgrade', 'Upgrade: x', 'Content-Length: 3']],
])('%s: no handler runs, and the refusal is on record once', async (_, method, lines) => {
  const { cert, key } = await orgA.issue({ sans: ['node.test'] })
  const [asked, before] = [served.length, records.length]
  const head = [`${method} / HTTP/1.1`, 'Host: server.test', ...lines, '', '']
  const socket = connectTls({ host: '127.0.0.1', port, servername: 'server.test', ca: orgA.pem, cert, key }, () =>
    socket.write(`${head.join('\r\n')}abcGET / HTTP/1.1\r\nHost: server.test\r\n\r\n`),
  )
  socket.on('error', () => {})

  expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n(?:[^\r]+\r\n)+\r\n$/)
  expect(served.slice(asked)).toEqual([])
  expect(records.slice(before)).toMatchObject([{ guard: 'http.form', reason: 'request_unreadable', status: 400 }])
})

test('an expectation that nobody knows is ignored: the handler judges the request as any other', async () => {
  const asked = served.length
  const answer = await exchange(
    'GET /expected HTTP/1.1\r\nHost: server.test\r\nExpect: 42\r\nConnection: close\r\n\r\n',
  )

  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(served.slice(asked)).toEqual(['/expected'])
})

test('whoever takes the listener for a proxy is refused, on record', async () => {
  const [asked, before] = [served.length, records.length]
  const answer = await exchange('CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n')

  expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
  expect(served.slice(asked)).toEqual([])
  expect(records.slice(before)).toMatchObject([{ guard: 'http.form', reason: 'request_unreadable', status: 400 }])
})

/** All that the listener answers to a text, until it ends the connection. */
async function exchange(sent: string): Promise<string> {
  const { cert, key } = await orgA.issue({ sans: ['node.test'] })
  const socket = connectTls({ host: '127.0.0.1', port, servername: 'server.test', ca: orgA.pem, cert, key }, () =>
    socket.write(sent),
  )
  socket.on('error', () => {})
  return text(socket)
}

test('what is no handshake is refused, and put on record', async () => {
  const socket = connect({ host: '127.0.0.1', port }, () => socket.write('GET / HTTP/1.1\r\nHost: server.test\r\n\r\n'))
  const conn = new Promise((resolve) => socket.once('connect', () => resolve(`127.0.0.1:${socket.localPort}`)))
  let answer = ''
  socket.on('data', (data) => {
    answer += String(data)
  })
  socket.on('error', () => {})
  await expect.poll(() => socket.closed, { timeout: 5_000 }).toBe(true)

  expect(answer).toBe('')
  expect(records.at(-1)).toMatchObject({
    ...{ conn: await conn, verdict: 'refused', layer: 'tls', status: null, principal: {} },
    ...{ guard: 'tls.handshake', reason: 'handshake_failed' },
  })
})

test('a caller that goes away, or refuses the server, is refused nothing', async () => {
  const before = records.length
  const leaving = connect({ host: '127.0.0.1', port }, () => leaving.destroy())
  const { cert, key } = await orgA.issue({ sans: ['node.test'] })
  const distrusting = connectTls({ host: '127.0.0.1', port, servername: 'server.test', ca: orgB.pem, cert, key })
  distrusting.on('error', () => {})
  await expect.poll(() => distrusting.closed, { timeout: 5_000 }).toBe(true)
  await call(await orgA.issue({ sans: ['node.test'] }))

  expect(records.slice(before)).toEqual([])
})

test('a certificate that cannot be read is refused, and the listener lives on', async () => {
  const good = materialWith({ 'org-a': orgA.file, 'org-b': orgB.file })
  const unreadable = (): never => {
    throw new Error('unreadable')
  }
  listener.reload({ ...good, anchors: { [Symbol.iterator]: unreadable } as never })
  const a = await orgA.issue({ sans: ['node.test'] })
  const before = records.length
  await expect(call(a)).rejects.toThrow(/socket hang up|ECONNRESET/)
  expect(records.slice(before)).toMatchObject([
    { verdict: 'refused', layer: 'tls', status: null, guard: 'tls.handshake', reason: 'handshake_failed' },
  ])
  listener.reload(good)
  expect(await call(a)).toMatchObject({ domain: 'org-a' })
})

describe('a connection that stays open', () => {
  test('ends with the certificate that it was proven with', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const brief = await orgA.issue({ sans: ['node.test'], notAfter: new Date(Date.now() + 2_000) })
    expect(await call(brief, { agent })).toMatchObject({ domain: 'org-a' })
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_000 })
    await expect(call(brief, { agent })).rejects.toThrow(/socket hang up|ECONNRESET/)
    vi.useRealTimers()
    expect(records.at(-1)).toMatchObject({ reason: 'cert_expired', principal: { 'x5t#S256': brief.x5t } })
    agent.destroy()
  })

  test('ends with the anchor that it was proven with', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const b = await orgB.issue({ sans: ['node.test'] })
    expect(await call(b, { agent })).toMatchObject({ domain: 'org-b' })
    listener.reload(materialWith({ 'org-a': orgA.file, 'org-b': orgB.file }))
    expect(await call(b, { agent })).toMatchObject({ domain: 'org-b' })
    listener.reload(materialWith({ 'org-a': orgA.file }))
    await expect(call(b, { agent })).rejects.toThrow(/socket hang up|ECONNRESET/)
    expect(records.at(-1)).toMatchObject({ reason: 'cert_untrusted', principal: { 'x5t#S256': b.x5t } })
    listener.reload(materialWith({ 'org-a': orgA.file, 'org-b': orgB.file }))
    agent.destroy()
  })
})

test('a refusal that cannot be put on record is a refusal all the same, and the listener lives on', async () => {
  recordFails = true
  await expect(call(undefined)).rejects.toThrow(/socket hang up|ECONNRESET/)
  recordFails = false
  expect(await call(await orgA.issue({ sans: ['node.test'] }))).toMatchObject({ domain: 'org-a' })
})

test('a flood of refused handshakes writes no more than its bound, and then how many they were', async () => {
  const written: Decision[] = []
  const [name, floodedPort] = ['flooded', await freePort()]
  const flooded = createTlsListener({
    ...{ name, host: '127.0.0.1', port: floodedPort, action: 'x', target: 'x', onRequest() {} },
    ...{ clientCertificate: 'required', gate, handshakeRecordsPerMinute: 10 },
    material: materialWith({ 'org-a': orgA.file }),
    decisions: { record: (decision) => void written.push(decision), close() {} },
  })
  await flooded.listen()
  const stranger = await orgB.issue({ sans: ['node.test'] })
  for (let at = 0; at < 30; at += 1) {
    const plain = connect({ host: '127.0.0.1', port: floodedPort }, () => plain.write('GET / HTTP/1.1\r\n\r\n'))
    const distrusted = connectTls({ host: '127.0.0.1', port: floodedPort, ...stranger, rejectUnauthorized: false })
    await Promise.all(
      [plain, distrusted].map((socket) =>
        once(
          socket.on('error', () => {}),
          'close',
        ),
      ),
    )
  }

  expect(written.length).toBe(10)
  expect(new Set(written.map(({ reason }) => reason))).toEqual(new Set(['handshake_failed', 'cert_untrusted']))
  await flooded.close(0)
  expect(written.length).toBe(11)
  expect(written.at(-1)).toMatchObject({ verdict: 'refused', layer: 'tls', notWritten: 49 })
})

test('a stop does not wait for connections on which nobody has said anything yet', async () => {
  const silentPort = await freePort()
  const stopped = createTlsListener({
    ...{
      name: 'x',
      host: '127.0.0.1',
      port: silentPort,
      action: 'x',
      target: 'x',
      clientCertificate: 'none',
      onRequest() {},
    },
    ...{ material: materialWith({ 'org-a': orgA.file }), decisions: { record() {}, close() {} } },
  })
  await stopped.listen()
  const silent = connect(silentPort, '127.0.0.1')
  const ended = new Promise((resolve) => silent.once('close', resolve))
  silent.on('error', () => {})
  await new Promise((resolve) => stopped.server.once('connection', resolve))

  // Nothing but the silent connection could hold it: the grace for requests in flight is an hour.
  await stopped.close(3_600_000)
  await ended
})

test('a listener that demands a certificate cannot be made without a gate', () => {
  const options = { name: 'x', host: '127.0.0.1', port: 0, action: 'x', target: 'x', onRequest() {} }
  const decisions = { record() {}, close() {} }
  const material = materialWith({ 'org-a': orgA.file })
  expect(() => createTlsListener({ ...options, decisions, material, clientCertificate: 'required' })).toThrow(/gate/)
})

describe('material that must not be started with', () => {
  const broken = (name: string, content: string, mode = 0o600): string => {
    const file = join(folder, name)
    writeFileSync(file, content)
    chmodSync(file, mode)
    return file
  }
  test.each([
    ['an anchor file that is missing', () => ({ anchors: { a: join(folder, 'absent.pem') } }), /absent\.pem.*ENOENT/],
    ['an anchor file that is empty', () => ({ anchors: { a: broken('empty.pem', '') } }), /holds no certificate/],
    ['an anchor file with a key only', () => ({ anchors: { a: server.keyFile } }), /holds no certificate/],
    ['an anchor that is no CA', () => ({ anchors: { a: server.certFile } }), /not a CA/],
    ['a key of another certificate', () => ({ key: broken('other.key', otherKey.key) }), /is not the key of/],
    ['a key that is absent', () => ({ key: join(folder, 'absent.key') }), /private key .*absent\.key .*ENOENT/],
    [
      'a key that its group can read',
      () => ({ key: broken('open.key', server.key, 0o640) }),
      /open\.key .*make it 0600/,
    ],
    ['a key that is no key', () => ({ key: broken('bad.key', 'nonsense') }), /no usable private key/],
  ])('%s', (_name, change, message) => {
    const good = { cert: server.certFile, key: server.keyFile, anchors: { a: orgA.file } }
    expect(readTlsMaterial(good).anchors.size).toBe(1)
    const attempt = () => readTlsMaterial({ ...good, ...change() })
    expect(attempt).toThrow(StartFailure)
    expect(attempt).toThrow(message)
  })
  let otherKey: TestIdentity
  beforeAll(async () => {
    otherKey = await orgA.issue({ sans: ['other.test'] })
  })
})

let recordFails = false
function record(decision: Decision): void {
  if (recordFails) throw new Error('no space left on device')
  records.push(decision)
}

function materialWith(anchors: Record<string, string>) {
  return readTlsMaterial({ cert: server.certFile, key: server.keyFile, anchors })
}

let lastSession: Buffer | undefined

interface CallOptions {
  maxVersion?: 'TLSv1.2' | 'TLSv1.3'
  session?: Buffer | undefined
  /** Default: a connection of its own. */
  agent?: Agent
  localAddress?: string
  ciphers?: string
}

function call(as: Pick<TestIdentity, 'cert' | 'key'> | undefined, options: CallOptions = {}): Promise<unknown> {
  const identity = as === undefined ? {} : { cert: as.cert, key: as.key }
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, servername: 'server.test', ca: orgA.pem, agent: false, ...identity, ...options },
      (response) => text(response).then((body) => resolve(JSON.parse(body)), reject),
    )
    outgoing.on('socket', (socket) => socket.on('session', (session: Buffer) => (lastSession = session)))
    outgoing.on('error', reject)
    outgoing.end()
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>
}

function validity() {
  return {
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 600_000),
    signingAlgorithm: ALGORITHM,
  }
}

function caExtensions() {
  const usage = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign
  return {
    ...validity(),
    extensions: [new x509.BasicConstraintsExtension(true, 0, true), new x509.KeyUsagesExtension(usage, true)],
  }
}

/** A leaf below an intermediate below a root of its own, which the listener is made to trust as org-b for the rest of the file. */
async function throughIntermediate() {
  const [rootKeys, keys, leafKeys] = [await newKeys(), await newKeys(), await newKeys()]
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...caExtensions(),
    name: 'CN=deep-root',
    keys: rootKeys,
    extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
  })
  const intermediate = await x509.X509CertificateGenerator.create({
    ...caExtensions(),
    subject: 'CN=deep-intermediate',
    issuer: root.subject,
    publicKey: keys.publicKey,
    signingKey: rootKeys.privateKey,
  })
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity(),
    subject: 'CN=node.test',
    issuer: intermediate.subject,
    publicKey: leafKeys.publicKey,
    signingKey: keys.privateKey,
    extensions: [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'node.test' }]),
    ],
  })
  const file = join(folder, 'deep-root.pem')
  writeFileSync(file, `${orgB.pem}\n${root.toString('pem')}`)
  listener.reload(materialWith({ 'org-a': orgA.file, 'org-b': file }))
  const leaf = certificate.toString('pem')
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', leafKeys.privateKey), 'PRIVATE KEY')
  const x5t = Buffer.from(await certificate.getThumbprint('SHA-256')).toString('base64url')
  return { identity: { cert: `${leaf}\n${intermediate.toString('pem')}`, key, x5t }, leaf, intermediate, keys }
}
