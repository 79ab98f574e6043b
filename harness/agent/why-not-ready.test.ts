import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createSecureServer } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { beforeAll, expect, test } from 'vitest'
import { issueLeaf, rogueAuthority } from '../pki/authority.ts'
import { request } from './https-request.ts'
import { addressTaken, listensElsewhere, plainly } from './why-not-ready.ts'

let tls: { ca: string; cert: string; key: string }
beforeAll(async () => {
  const authority = await rogueAuthority()
  const san = { type: 'ip', value: '127.0.0.1' } as const
  const { certPem: cert, keyPem: key } = await issueLeaf({ authority, subject: 'localhost', sans: [san] })
  tls = { ca: authority.anchorPem, cert, key }
})

async function causeAt(server: Server): Promise<Error> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`
  try {
    const { status } = await request({ method: 'GET', url, tls, timeoutMs: 5_000 })
    return new Error(`answered ${status}`)
  } catch (cause) {
    return cause as Error
  } finally {
    server.close()
  }
}

test.each([
  ['plain HTTP', () => createHttpServer((_, response) => response.end()), 'speaks no TLS, but plain HTTP'],
  ['HTTP/2 alone', () => createSecureServer({ ...tls, allowHTTP1: false }), 'agrees to no HTTP/1.1 in the handshake'],
  // What haproxy does with `alpn h2`: it does not refuse whoever offers something else.
  [
    'HTTP/2, whatever was agreed',
    () => createTlsServer(tls, (socket) => socket.on('error', () => {}).end(Buffer.from('000000040000000000', 'hex'))),
    'it speaks HTTP/2, which was not agreed',
  ],
])('a probe that meets %s is told so', async (_, server, words) => {
  expect(plainly(await causeAt(server() as Server))).toContain(words)
})

test('what is none of these keeps its own words', async () => {
  const other = await causeAt(createTlsServer(tls, (socket) => socket.on('error', () => {}).end('SSH-2.0-x\r\n')))
  expect(other.message).toContain('Expected HTTP/')
  expect(plainly(other)).toBeUndefined()
  expect(plainly(new Error('connect ECONNREFUSED 127.0.0.1:1'))).toBeUndefined()
})

test.runIf(process.platform === 'linux')('a program that listens elsewhere is told where', async () => {
  const label = { run: `why-${process.pid}`, unit: 'gateway/gateway' }
  const program = `const server = require('node:net').createServer().listen(0, '127.0.0.1', () => console.log(server.address().port))
    const other = require('node:net').createServer().listen(0, '::1')`
  const env = { ...process.env, HOLDFAST_RUN: label.run, HOLDFAST_UNIT: label.unit }
  const child = spawn(process.execPath, ['-e', program], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const [port] = await once(child.stdout, 'data')
    const told = await listensElsewhere(label)
    expect(told).toContain(`its program listens at 127.0.0.1:${String(port).trim()}, [::1]:`)
    expect(await listensElsewhere({ ...label, unit: 'gateway/other' })).toBe('; its program listens nowhere')
  } finally {
    child.kill()
  }
})

test.each([
  ['Error: listen EADDRINUSE: address already in use 0.0.0.0:8443', true],
  ['listen tcp 0.0.0.0:8443: bind: address already in use', true],
  ['java.net.BindException: Address already in use', true],
  ['OSError: [Errno 98] Address in use', true],
  ['listening', false],
])('a program whose address is taken is told whose it may be: %s', (line, isTaken) => {
  expect(addressTaken(['begins', line]).includes('each at its own address')).toBe(isTaken)
})
