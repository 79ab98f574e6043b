import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { rogueAuthority, type SigningAuthority } from '../../pki/authority.ts'
import type { Identity } from '../../pki/certificate.ts'
import { spoiled, unspoiled } from '../../pki/spoiled.ts'
import type { Endpoint } from '../endpoint.ts'
import { localSeat } from '../seat.ts'
import { type TlsRequest, tls } from './index.ts'

const names = { subject: 'b.test', sans: ['b.test'] }
const versions = ['TLSv1.3', 'TLSv1.2'] as const
const shell = promisify(execFile)
let authority: SigningAuthority
let right: Identity
let rogue: Identity
let folder: string

beforeAll(async () => {
  authority = await rogueAuthority()
  right = await unspoiled({ authority, ...names })
  rogue = await spoiled.otherCa({ authority, ...names })
  folder = await mkdtemp(join(tmpdir(), 'holdfast-tls-'))
  await writeFile(join(folder, 'ca.pem'), authority.anchorPem)
  await writeFile(join(folder, 'cert.pem'), right.certPem)
  await writeFile(join(folder, 'key.pem'), right.keyPem, { mode: 0o600 })
})
afterAll(() => rm(folder, { recursive: true }))

/** A server that demands a certificate, and lets in whom Node lets in unless `judge` does it. */
async function serving(judge: (socket: TLSSocket) => void = () => {}, options: TlsOptions = {}): Promise<Endpoint> {
  const { certPem: cert, keyPem: key } = right
  const server = createServer({ cert, key, ca: authority.anchorPem, requestCert: true, ...options }, (socket) => {
    socket.on('error', () => {})
    socket.resume()
    judge(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const at = { address: '127.0.0.1', port, host: 'b.test', anchorPem: authority.anchorPem }
  return { seat: localSeat('127.0.0.9'), ...at, timeoutMs: 5_000 }
}

function shaking(
  to: Endpoint,
  certificate: Identity | undefined,
  request: TlsRequest = { expect: 'silence' },
  options: Parameters<typeof tls.prepare>[0]['options'] = {},
) {
  return tls.prepare({ request, presented: { certificate }, options }).send(to)
}

test.each(versions)(
  'whoever is let in over %s is told apart by what comes then, and by nothing before it',
  async (version) => {
    const silent = await serving()
    const speaking = await serving((socket) => socket.write('welcome'))
    for (const [to, expect_, body] of [
      [silent, 'silence', ''],
      [silent, 'ticket', ''],
      [speaking, 'bytes', 'welcome'],
    ] as const) {
      const called = await shaking(to, right, { expect: expect_ }, { handshake: { version } })
      expect(called).toMatchObject({ promised: true, text: body, answer: { version, body, error: null, status: null } })
      expect(called.conn).toMatch(/^127\.0\.0\.9:\d+$/)
      expect(tls.text(called.answer)).toBe(version)
    }
  },
)

test.each(['ticket', 'bytes', 'silence'] as const)(
  'who is refused gets no %s, whether he is told why or not',
  async (expected) => {
    const to = await serving((socket) => socket.write('welcome'))

    const bare = await shaking(to, undefined, { expect: expected })
    expect(bare).toMatchObject({
      promised: false,
      answer: { error: 'certificate_required', version: 'TLSv1.3', body: '' },
    })
    expect(tls.text(bare.answer)).toBe('certificate_required')

    // Node has its own yes or no after the handshake, and ends the connection without a word.
    const strange = await shaking(to, rogue, { expect: expected })
    expect(strange).toMatchObject({ promised: false, answer: { error: null, failure: { code: 'closed' } } })
    expect(tls.text(strange.answer)).toBeUndefined()
    expect(strange.conn).toMatch(/^127\.0\.0\.9:\d+$/)
  },
)

test('over TLS 1.2 a refusal comes within the handshake, so that no version was agreed on', async () => {
  const to = await serving()
  const bare = await shaking(to, undefined, undefined, { handshake: { version: 'TLSv1.2' } })
  expect(bare).toMatchObject({ promised: false, answer: { error: 'handshake_failure', version: null } })
})

test('a version and an application protocol that nobody speaks there are refused by their alerts', async () => {
  const to = await serving(undefined, { minVersion: 'TLSv1.3', ALPNProtocols: ['door/1'] })
  const old = await shaking(to, right, undefined, { handshake: { version: 'TLSv1.2' } })
  expect(old.answer.error).toBe('protocol_version')
  expect((await shaking(to, right, { expect: 'silence', alpn: ['gate/1'] })).answer.error).toBe(
    'no_application_protocol',
  )
  expect((await shaking(to, right, { expect: 'silence', alpn: ['door/1'] })).promised).toBe(true)
  expect((await shaking(to, right)).promised).toBe(true)
})

test('a program that judges after its handshake has sent tickets by then, so its silence must be waited for', async () => {
  const late = await serving((socket) => void pause(200).then(() => !socket.authorized && socket.end()), {
    rejectUnauthorized: false,
  })

  expect((await shaking(late, rogue, { expect: 'ticket' })).promised).toBe(true)
  expect(await shaking(late, rogue)).toMatchObject({ promised: false, answer: { failure: { code: 'closed' } } })
})

test('bytes are no silence, and what never comes is waited for no longer than the call may take', async () => {
  const speaking = await serving((socket) => socket.write('go away'))
  const called = await shaking(speaking, right)
  expect(called).toMatchObject({ promised: false, text: 'go away', answer: { failure: { code: 'spoken to' } } })

  const silent = { ...(await serving()), timeoutMs: 200 }
  const waited = await shaking(silent, right, { expect: 'bytes' })
  expect(waited).toMatchObject({ promised: false, answer: { failure: { message: 'no bytes came in 200 ms' } } })
})

test('a server that is not the one that is meant is nobody to be refused by', async () => {
  const to = await serving()
  const other = { ...to, anchorPem: (await rogueAuthority()).anchorPem }
  await expect(shaking(other, right)).rejects.toMatchObject({ code: 'HOLDFAST_SERVER_UNTRUSTED' })
  await expect(shaking({ ...to, address: '127.0.0.10' }, right)).rejects.toMatchObject({
    code: 'HOLDFAST_TARGET_UNREACHABLE',
  })
})

test('calls differ by their handshakes, and the plain one is without', () => {
  const handshake = { version: 'TLSv1.2' } as const
  const request = { expect: 'silence' } as const
  const presented = { certificate: right, token: 'secret' }
  const one = tls.prepare({ request, presented, options: {} })
  const other = tls.prepare({ request, presented, options: { handshake } })

  expect(one).toMatchObject({ carried: [], plain: undefined })
  expect(other.plain).toEqual({ element: 'wire', options: {}, isCredential: false })
  expect(other.elements).not.toEqual(one.elements)
  expect(() => tls.prepare({ request, presented, before: presented, options: {} })).toThrow('one handshake')
})

test('an alert reads as the text that stands for it, and a status belongs elsewhere', () => {
  const answer = { status: null, error: 'unknown_ca', version: null, body: '' }
  expect(tls.wanted(tls.read('unknown_ca'))).toBe('unknown_ca')
  expect(tls.wanted({})).toBeUndefined()
  expect(tls.problems(answer, tls.read('unknown_ca'))).toEqual([])
  expect(tls.problems(answer, {})).toEqual([])
  expect(tls.problems(answer, { error: 'bad_certificate' })).toEqual(['alert unknown_ca, expected bad_certificate'])
  expect(tls.problems({ ...answer, error: null }, { status: 401 })).toEqual(['a handshake has no status, expected 401'])
})

test('the command that is pasted makes the same handshake, and says DONE to whoever is let in', async () => {
  const { address, host, port } = await serving((socket) => !socket.authorized && socket.end(), {
    rejectUnauthorized: false,
  })
  const place = { request: { expect: 'silence' }, host, port, address, anchor: join(folder, 'ca.pem') } as const
  const certificate = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const said = async (command: string) => {
    return (await shell('sh', ['-c', `${command} 2>&1`]).catch((failure) => failure)).stdout as string
  }

  expect(await said(tls.paste!({ ...place, certificate }))).toMatch(/Verification: OK[\s\S]*\nDONE\n/)
  expect(await said(tls.paste!(place))).not.toContain('DONE')
  expect(await said(tls.paste!({ ...place, certificate, host: 'a.test' }))).toMatch(/hostname mismatch/)
  expect(tls.paste!({ ...place, request: { expect: 'ticket', alpn: ['a', 'b'] } })).toMatch(/ -alpn a,b$/)
})
