import { once } from 'node:events'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rogueAuthority } from '../../pki/authority.ts'
import { unspoiled } from '../../pki/spoiled.ts'
import type { Endpoint } from '../endpoint.ts'
import { localSeat } from '../seat.ts'
import { type Handshake, inTinyRecords, inTwoSegments, offering } from '../tls/handshake.ts'
import { exchange } from './exchange.ts'
import { readAnswers } from './raw-answers.ts'
import { rawExchange } from './raw-exchange.ts'

let server: https.Server
let endpoint: Endpoint
let asked: (string | undefined)[] = []

beforeAll(async () => {
  const authority = await rogueAuthority()
  const { certPem: cert, keyPem: key } = await unspoiled({ authority, subject: 'b.test', sans: ['b.test'] })
  server = https.createServer({ cert, key, minVersion: 'TLSv1.2' }, (request, response) => {
    asked.push(request.url)
    response.end(`${request.url} ${(request.socket as { servername?: string | false }).servername}`)
  })
  server.on('clientError', (_, socket) => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  endpoint = {
    seat: localSeat('127.0.0.9'),
    address: '127.0.0.1',
    port,
    host: 'b.test',
    anchorPem: authority.anchorPem,
  }
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const get = (path: string, ...lines: string[]) =>
  `GET ${path} HTTP/1.1\r\nHost: b.test\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`

test('bytes are sent as they are, in as many segments as are given', async () => {
  asked = []
  const halves = [get('/a').slice(0, 10), get('/a').slice(10)]
  const heard = await rawExchange(endpoint, { steps: [halves] })

  expect(heard).toMatchObject({ status: 200, body: '/a b.test', isClosed: false, failure: undefined })
  expect(heard.conn).toMatch(/^127\.0\.0\.9:\d+$/)
  expect(asked).toEqual(['/a'])
})

test('each step waits for the answer to the one before, and all answers are told', async () => {
  const { answers } = await rawExchange(endpoint, { steps: [[get('/a')], [get('/b')]] })
  expect(answers.map(({ body }) => body)).toEqual(['/a b.test', '/b b.test'])
})

test('several answers to one write are told, and that the connection was closed', async () => {
  const both = get('/a') + get('/b', 'Connection: close')
  const { answers, isClosed } = await rawExchange(endpoint, { steps: [[both]], until: 'closed' })
  expect(answers.map(({ body }) => body)).toEqual(['/a b.test', '/b b.test'])
  expect(isClosed).toBe(true)
})

test('a connection that is left open is told as such when the time is over', async () => {
  const brief = { ...endpoint, timeoutMs: 300 }
  const heard = await rawExchange(brief, { steps: [[get('/a')]], until: 'closed' })
  expect(heard).toMatchObject({ status: 200, isClosed: false })
  const silent = await rawExchange(brief, { steps: [['GET / HT']] })
  expect(silent).toMatchObject({ status: null, failure: { code: expect.any(String) } })
})

test('a request in plain text to a TLS port is answered with nothing', async () => {
  const heard = await rawExchange(endpoint, { steps: [[get('/a')]], isPlain: true, until: 'closed' })
  expect(heard).toMatchObject({ status: null, isClosed: true, answers: [] })
  expect(heard.conn).toMatch(/^127\.0\.0\.9:\d+$/)
})

test.each<[string, Handshake, string]>([
  ['in tiny records', { firstFlight: inTinyRecords }, 'b.test'],
  ['in two segments', { firstFlight: inTwoSegments }, 'b.test'],
  ['with TLS 1.2 alone', { version: 'TLSv1.2' }, 'b.test'],
  ['with another name', { servername: 'a.test' }, 'a.test'],
  ['without a name', { servername: null }, 'false'],
])('a handshake %s', async (_, handshake, servername) => {
  const answer = await exchange({ ...endpoint, handshake }, { method: 'GET', path: '/', headers: [] })
  expect(answer).toMatchObject({ status: 200, body: `/ ${servername}` })
  expect(answer.conn).toMatch(/^127\.0\.0\.9:\d+$/)
})

test.each<[string, Handshake]>([
  ['TLS 1.1', { version: 'TLSv1.1' }],
  ['no key exchange that proves the server', { version: 'TLSv1.2', ciphers: 'aNULL' }],
  // TLS_RSA_WITH_RC4_128_SHA, TLS_RSA_EXPORT_WITH_RC4_40_MD5
  ['cipher suites of long ago', { version: 'TLSv1.2', firstFlight: offering([0x0005, 0x0003]) }],
])('a handshake with %s fails, and our port is known', async (_, handshake) => {
  const answer = await exchange({ ...endpoint, handshake }, { method: 'GET', path: '/', headers: [] })
  expect(answer).toMatchObject({ status: null, failure: { code: expect.stringMatching(/SSL|EPROTO|ECONNRESET/) } })
  expect(answer.conn).toMatch(/^127\.0\.0\.9:\d+$/)
})

test('answers are read to their own length, and no further', () => {
  const read = (text: string, isEnded = false) =>
    readAnswers(Buffer.from(text), isEnded).map(({ status, body, isWhole }) => [status, body, isWhole])
  const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n'

  expect(read(`${ok}abHTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n`)).toEqual([
    [200, 'ab', true],
    [404, '', true],
  ])
  expect(read(`${ok}a`)).toEqual([[200, 'a', false]])
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n'
  expect(read(`${chunked}0\r\n\r\n${ok}de`)).toEqual([
    [200, 'abc', true],
    [200, 'de', true],
  ])
  expect(read(`${chunked}4\r\nde`)).toEqual([[200, 'abc', false]])
  expect(read('HTTP/1.1 400 Bad Request\r\n\r\nno')).toEqual([[400, 'no', false]])
  expect(read('HTTP/1.1 400 Bad Request\r\n\r\nno', true)).toEqual([[400, 'no', true]])
  expect(read('HTTP/1.1 101 Switching Protocols\r\n\r\n\x81')).toMatchObject([[101, expect.any(String), false]])
  expect(read('SSH-2.0\r\n\r\n')).toEqual([])
})
