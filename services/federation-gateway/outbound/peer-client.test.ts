import type { ServerResponse } from 'node:http'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PEER, type TestCa } from '../testing/certificates.ts'
import { ROW_ID } from '../testing/federation.ts'
import {
  type Answer,
  type Held,
  hold,
  holdServer,
  json,
  type LiveServer,
  liveRoot,
  liveServer,
} from '../testing/live.ts'
import { Breaker } from './breaker.ts'
import { FederationClientError, type PeerAccess, PeerClient } from './peer-client.ts'

// A lender that does what a test says.

const LENDER = 'localhost'
let root: TestCa
let other: TestCa
let server: Held
let client: Held
let servers: LiveServer[]
let clients: PeerClient[]
let breaker: Breaker

beforeAll(async () => {
  root = await liveRoot('root')
  other = await liveRoot('other')
  server = await holdServer(root, [LENDER])
  client = await hold(root)
})
beforeEach(() => {
  servers = []
  clients = []
  breaker = new Breaker()
})
afterEach(async () => {
  for (const one of clients) one.close()
  for (const one of servers) await one[Symbol.asyncDispose]()
})

const strict = () => ({ requestCert: true, ca: String(root.certificate), minVersion: 'TLSv1.3' as const })

async function lender(answer: Answer, tls: Held = server, more: object = {}): Promise<LiveServer> {
  const one = await liveServer({ ...tls, ...strict(), ...more }, answer)
  servers.push(one)
  return one
}

const accessTo = (federationUrl: string): PeerAccess => {
  const anchorPem = String(root.certificate)
  return { federationUrl, commonName: LENDER, anchorPem, certPem: client.cert, keyPem: client.key }
}

function asker(federationUrl: string, changes: Partial<PeerAccess> = {}, localAddress?: string): PeerClient {
  const one = new PeerClient(
    { ...accessTo(federationUrl), ...changes },
    { breaker, deadlineMs: 400, connectMs: 400, localAddress },
  )
  clients.push(one)
  return one
}

const at = '2026-01-31T09:00:00.000001Z'
const note = (number = 0, _source = LENDER) => {
  const id = `${ROW_ID.slice(0, -4)}${String(number).padStart(4, '0')}`
  return { id, ownerId: ROW_ID, teamId: null, title: 't', body: 'b', createdAt: at, updatedAt: at, _source }
}
const listed = (items: object[], more: object = {}) => ({
  items,
  nextCursor: null,
  _truncated: false,
  _partial: false,
  ...more,
})
const lends =
  (...items: object[]): Answer =>
  (_, response) =>
    json(response, 200, listed(items))

const failureOf = (promise: Promise<unknown>): Promise<FederationClientError> =>
  promise.then(
    () => {
      throw new Error('there was an answer')
    },
    (failure) => {
      expect(failure).toBeInstanceOf(FederationClientError)
      return failure as FederationClientError
    },
  )

test('a list is asked for as it is written, with our certificate, and its rows are of that peer', async () => {
  let shown: string | undefined
  const [traceId, spanId] = ['a'.repeat(32), 'b'.repeat(16)]
  const one = await lender((request, response) => {
    shown = (request.socket as unknown as { getPeerCertificate(): { subject: { CN: string } } }).getPeerCertificate()
      .subject.CN
    const { 'accept-encoding': encoding, traceparent } = request.headers
    expect([encoding, traceparent]).toEqual(['identity', `00-${traceId}-${spanId}-01`])
    json(response, 200, listed([note()], { nextCursor: 'next', _truncated: true }))
  })
  const answer = await asker(one.url).list(
    'notes',
    { limit: 1, cursor: 'c', filter: { teamId: ROW_ID } },
    { trace: { traceId, spanId, isSampled: true } },
  )
  expect(answer).toEqual({
    ...listed([note(0, `federated:${LENDER}`)], { nextCursor: 'next', _truncated: true }),
    isCut: false,
  })
  expect(one.heard).toMatchObject([{ method: 'POST', url: '/api/federation/v1/list/notes' }])
  expect(JSON.parse(one.heard[0]!.body)).toEqual({ limit: 1, cursor: 'c', filter: { teamId: ROW_ID } })
  expect(shown).toBe(PEER)
})

test('a peer is called from the address that was named, also once another certificate is used', async () => {
  const from: (string | undefined)[] = []
  const one = await lender((request, response) => {
    from.push(request.socket.remoteAddress)
    json(response, 200, listed([]))
  })
  const named = asker(one.url, {}, '127.0.0.2')
  await named.list('notes', { limit: 1 })
  named.replace(accessTo(one.url))
  await named.list('notes', { limit: 1 })
  expect(from).toEqual(['127.0.0.2', '127.0.0.2'])
})

test('rows above what was asked for are cut, the page behind them is not asked for, and no row is of another source', async () => {
  const rows = [note(1), note(2), note(3)]
  const more = (response: ServerResponse) => json(response, 200, listed(rows, { nextCursor: 'behind' }))
  const answer = await asker((await lender((_, response) => more(response))).url).list('notes', { limit: 2 })
  expect([answer.items.length, answer.nextCursor, answer.isCut]).toEqual([2, null, true])

  for (const spoofed of ['local', 'federated:c.example', `federated:${LENDER}`]) {
    const taken = await asker((await lender(lends(note(1, spoofed)))).url).list('notes', { limit: 2 })
    expect([taken.items[0]?._source, taken.isCut]).toEqual([`federated:${LENDER}`, true])
  }
})

test('the other verbs are asked and read as strictly', async () => {
  const hit = { resource: 'notes', id: ROW_ID, title: 't', score: 1, _source: LENDER }
  const issued = { certPem: 'c', certChainPem: 'c', serial: 'ab', notAfter: '2026-01-31T09:00:00Z' }
  const one = await lender((request, response) => {
    if (request.url?.includes('/get/')) json(response, 200, { item: note() })
    else if (request.url?.endsWith('/search'))
      json(response, 200, { items: [hit, hit], _truncated: false, _partial: false })
    else json(response, 200, issued)
  })
  const peer = asker(one.url)
  expect(await peer.get('notes', ROW_ID)).toEqual({ item: note(0, `federated:${LENDER}`), isCut: false })
  const found = await peer.search({ q: 'x', limit: 1 })
  expect([found.items, found.isCut]).toEqual([[{ ...hit, _source: `federated:${LENDER}` }], true])
  expect(await peer.renew('csr')).toEqual(issued)
  expect(one.heard.map(({ url }) => url?.replace('/api/federation/v1', ''))).toEqual([
    `/get/notes/${ROW_ID}`,
    '/search',
    '/renew',
  ])
})

describe('whether the grant stands', () => {
  const capabilities = {
    resources: ['notes'],
    excluded_resources: [],
    max_rows_per_query: 9,
    supported_verbs: ['list'],
    grant_expires_at: null,
  }
  test('is asked by its epoch, and answered by it', async () => {
    const one = await lender((request, response) => {
      if (request.headers['if-none-match'] === '"7"') response.writeHead(304, { etag: '"7"' }).end()
      else
        response.writeHead(200, { etag: '"7"', 'content-type': 'application/json' }).end(JSON.stringify(capabilities))
    })
    expect(await asker(one.url).standing(7)).toEqual({ epoch: 7 })
    expect(await asker(one.url).standing(6)).toEqual({ epoch: 7, capabilities })
    expect(await asker(one.url).standing(undefined)).toEqual({ epoch: 7, capabilities })
  })

  test.each<[what: string, known: number | undefined, status: number, etag: string | undefined]>([
    ['nothing has changed, to who did not ask', undefined, 304, '"7"'],
    ['nothing has changed, of another epoch', 7, 304, '"8"'],
    ['nothing has changed, of none', 7, 304, undefined],
    ['something, of no epoch', 7, 200, undefined],
    ['something, of a weak one', 7, 200, 'W/"7"'],
  ])('is no answer where it says that %s', async (_, known, status, etag) => {
    const one = await lender((_, response) => {
      response
        .writeHead(status, { 'content-type': 'application/json', ...(etag && { etag }) })
        .end(status === 200 ? JSON.stringify(capabilities) : '')
    })
    expect(await failureOf(asker(one.url).standing(known))).toMatchObject({
      code: 'peer_answer_invalid',
      guard: 'out.answer',
    })
  })
})

describe('a server gets no byte of a request', () => {
  test.each<[who: string, tls: () => Promise<Held>, more?: object]>([
    ['of another root', () => holdServer(other, [LENDER])],
    ['of another name', () => holdServer(root, ['c.example'])],
    ['with the name in its subject alone', () => holdServer(root, [], { subject: `CN=${LENDER}` })],
    ['of TLS 1.2', async () => server, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }],
  ])('%s', async (_, tls, more) => {
    const one = await lender(lends(), await tls(), more)
    const failure = await failureOf(asker(one.url).list('notes', { limit: 1 }))
    expect(failure).toMatchObject({
      code: 'peer_tls_untrusted',
      guard: 'out.server',
      refusal: { status: 503, error: 'peer_unavailable' },
      isReset: false,
    })
    expect(one.heard).toEqual([])
  })

  test('of the root of another peer', async () => {
    const theirs = await lender(lends(), await holdServer(other, [LENDER]))
    const anchored = asker(theirs.url, { anchorPem: String(other.certificate) })
    expect((await anchored.list('notes', { limit: 1 })).items).toEqual([])
    expect((await failureOf(asker(theirs.url).list('notes', { limit: 1 }))).code).toBe('peer_tls_untrusted')
    expect(theirs.heard).toHaveLength(1)
  })
})

const secret = 'words-of-the-peer'
describe('an answer is none', () => {
  const jsonOf =
    (status: number, body: object, headers: Record<string, string> = {}): Answer =>
    (_, response) =>
      void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  test.each<[what: string, code: string, guard: string, status: number, answer: Answer]>([
    ['that never comes', 'peer_timeout', 'out.server', 503, () => {}],
    [
      'that comes by drops',
      'peer_timeout',
      'out.server',
      503,
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        const drop = setInterval(() => response.write(' '), 50)
        response.on('close', () => clearInterval(drop))
      },
    ],
    [
      'that is cut off',
      'peer_unreachable',
      'out.server',
      503,
      (_, response) => {
        response.writeHead(200, { 'content-length': '100' }).write(secret)
        setTimeout(() => response.destroy(), 20)
      },
    ],
    [
      'that leads elsewhere',
      'peer_redirect',
      'out.answer',
      503,
      (_, response) => response.writeHead(307, { location: `/${secret}` }).end(),
    ],
    [
      'that is a page',
      'peer_answer_invalid',
      'out.answer',
      503,
      (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(secret),
    ],
    [
      'that says that it is a page',
      'peer_answer_invalid',
      'out.answer',
      503,
      (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(JSON.stringify(listed([]))),
    ],
    [
      'that nothing has changed',
      'peer_answer_invalid',
      'out.answer',
      503,
      (_, response) => response.writeHead(304).end(),
    ],
    [
      'that is no JSON',
      'peer_answer_invalid',
      'out.answer',
      503,
      (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(secret),
    ],
    [
      'that is packed',
      'peer_answer_invalid',
      'out.answer',
      503,
      jsonOf(200, listed([]), { 'content-encoding': 'gzip' }),
    ],
    ['with a member more', 'peer_answer_invalid', 'out.answer', 503, jsonOf(200, listed([], { secret }))],
    [
      'with rows of another kind',
      'peer_answer_invalid',
      'out.answer',
      503,
      jsonOf(200, listed([{ id: ROW_ID, text: secret, createdAt: at, _source: LENDER }])),
    ],
    ['of 204', 'peer_answer_invalid', 'out.answer', 503, jsonOf(201, listed([]))],
    [
      'that says how long it is, and is too long',
      'peer_answer_too_large',
      'out.answer',
      503,
      (_, response) => response.writeHead(200, { 'content-length': String(4 * 1024 * 1024 + 1) }).write(secret),
    ],
    [
      'that has no end',
      'peer_answer_too_large',
      'out.answer',
      503,
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        const more = () => response.destroyed || response.write('x'.repeat(1024 * 1024), () => setImmediate(more))
        more()
      },
    ],
    ['of 401', 'peer_answered_error', 'out.status', 503, jsonOf(401, { secret })],
    ['of 403', 'peer_refused', 'out.status', 403, jsonOf(403, { secret })],
    ['of 404', 'peer_row_absent', 'out.status', 404, jsonOf(404, { secret })],
    ['of 409', 'peer_answered_error', 'out.status', 503, jsonOf(409, { secret })],
    ['of 429', 'peer_rate_limited', 'out.status', 429, jsonOf(429, { secret }, { 'retry-after': '7' })],
    ['of 500', 'peer_answered_error', 'out.status', 503, jsonOf(500, { secret })],
  ])('%s', async (_, code, guard, status, answer) => {
    const one = await lender(answer)
    const failure = await failureOf(asker(one.url).list('notes', { limit: 1 }))
    expect(failure).toMatchObject({ code, guard, refusal: { status, reason: code }, isReset: false })
    expect(JSON.stringify([String(failure), failure, failure.stack])).not.toContain(secret)
    expect(failure.cause).toBeUndefined()
    expect(one.heard).toHaveLength(1)
    // Five of what is a failure of the peer open its circuit, and none of what is an answer.
    for (let calls = 1; calls < 5; calls += 1) await failureOf(asker(one.url).list('notes', { limit: 1 }))
    expect(breaker.state).toBe(
      /^(peer_refused|peer_row_absent|peer_rate_limited)$/.test(code) || /40[19]/.test(_) ? 'closed' : 'open',
    )
  })

  test.each([
    ['7', 7],
    ['0', 1],
    ['soon', 1],
    ['99999999', 3600],
  ])('of 429, to be asked again after %s, is in %i s', async (text, seconds) => {
    const one = await lender(jsonOf(429, {}, { 'retry-after': text }))
    expect((await failureOf(asker(one.url).list('notes', { limit: 1 }))).refusal.retryAfter).toBe(seconds)
  })
})

test('a peer that is not there, and one that hangs up on us, are unreachable; only the second may have turned us away', async () => {
  const gone = await lender(lends())
  await gone[Symbol.asyncDispose]()
  servers.pop()
  expect(await failureOf(asker(gone.url).list('notes', { limit: 1 }))).toMatchObject({
    code: 'peer_unreachable',
    isReset: false,
  })
  const hangsUp = await lender((request) => request.socket.destroy())
  expect(await failureOf(asker(hangsUp.url).list('notes', { limit: 1 }))).toMatchObject({
    code: 'peer_unreachable',
    isReset: true,
  })
  const stranger = await hold(other)
  const strict = await lender(lends(), server, { rejectUnauthorized: true })
  const turnedAway = asker(strict.url, { certPem: stranger.cert, keyPem: stranger.key })
  expect(await failureOf(turnedAway.list('notes', { limit: 1 }))).toMatchObject({
    code: 'peer_unreachable',
    isReset: true,
  })
  expect((await asker(strict.url).list('notes', { limit: 1 })).items).toEqual([])
})

test('while its circuit is open nothing is sent', async () => {
  const one = await lender((_, response) => json(response, 500, {}))
  for (let calls = 0; calls < 5; calls += 1) await failureOf(asker(one.url).list('notes', { limit: 1 }))
  const failure = await failureOf(asker(one.url).list('notes', { limit: 1 }))
  expect(failure).toMatchObject({
    code: 'circuit_open',
    guard: 'out.circuit',
    refusal: { status: 503, retryAfter: 30 },
  })
  expect(one.heard).toHaveLength(5)
})

test('a call that nobody waits for is abandoned, and says nothing of the peer', async () => {
  const one = await lender(() => {})
  for (let calls = 0; calls < 6; calls += 1) {
    const gone = new AbortController()
    const failing = failureOf(asker(one.url).list('notes', { limit: 1 }, { signal: gone.signal }))
    setTimeout(() => gone.abort(), 20)
    expect((await failing).code).toBe('call_abandoned')
  }
  expect(breaker.state).toBe('closed')
})

test('another certificate is used for the next call, and what is under way is answered still', async () => {
  const shown: string[] = []
  let answer = () => {}
  const one = await lender((request, response) => {
    shown.push(
      (request.socket as unknown as { getPeerCertificate(): { serialNumber: string } }).getPeerCertificate()
        .serialNumber,
    )
    if (shown.length > 1) return json(response, 200, listed([]))
    answer = () => json(response, 200, listed([]))
  })
  const peer = asker(one.url)
  const first = peer.list('notes', { limit: 1 })
  await expect.poll(() => shown.length).toBe(1)
  const next = await hold(root)
  peer.replace({
    federationUrl: one.url,
    commonName: LENDER,
    anchorPem: String(root.certificate),
    certPem: next.cert,
    keyPem: next.key,
  })
  await peer.list('notes', { limit: 1 })
  answer()
  expect((await first).items).toEqual([])
  expect(shown).toEqual([client, next].map(({ certificate }) => certificate.serialNumber))
})

test('neither the client nor its failures hold the key', async () => {
  const peer = asker('https://localhost:1')
  await failureOf(peer.list('notes', { limit: 1 }))
  const [line = ''] = client.key.split('\n').slice(1)
  expect(JSON.stringify(Object.entries(peer))).not.toContain(line)
})
