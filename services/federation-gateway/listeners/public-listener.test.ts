import { Agent, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { Decision } from '../../shared/decision-log.ts'
import type { TlsListener } from '../../shared/tls-listener.ts'
import { StoreUnavailable } from '../storage/unavailable.ts'
import { type Answer, ask, makeSite, type Site } from '../testing/federation.ts'
import { refused } from '../wire/errors.ts'
import { Refused } from './exchange.ts'
import { createPublicListener, type PublicEntry, type PublicRoute } from './public-listener.ts'
import { Records } from './records.ts'

let site: Site
let listener: TlsListener
let decisions: Decision[]
let isFull: boolean
let problem: string | undefined
let list: Buffer | undefined
let routes: PublicRoute[]
let entries: PublicEntry[]

beforeAll(async () => {
  site = await makeSite()
})
beforeEach(async () => {
  decisions = []
  isFull = false
  problem = undefined
  list = Buffer.from([0x30, 0xff])
  routes = []
  entries = []
  const nothing = () => {}
  const records = new Records(
    {
      record(decision) {
        if (isFull) throw new Error('no space')
        decisions.push(decision)
      },
      close() {},
    },
    { error: nothing },
  )
  listener = createPublicListener({
    ...{ host: '127.0.0.1', port: 0, names: ['localhost'], node: 'gateway-b', material: site.material, records },
    ...{ log: { info: nothing, warn: nothing, error: nothing }, notReady: () => problem, list: () => list },
    onEnded: (entry) => void entries.push(entry),
    mostConnections: 2,
    routes: [
      {
        method: 'POST',
        path: '/things/:id',
        action: 'thing:write',
        get audit() {
          return routes[0]?.audit
        },
        handle: (exchange, parameters) => routes[0]!.handle(exchange, parameters),
      },
    ],
  })
  await listener.listen()
})
afterEach(() => listener.close(0))

const call = (path: string, method = 'GET', headers: Record<string, string> = {}): Promise<Answer> =>
  ask(`https://localhost:${(listener.server.address() as AddressInfo).port}${path}`, {
    method,
    headers,
    ca: String(site.root.certificate),
  })

test('it tells whether the gateway is there, and whether it is ready, and why not', async () => {
  expect(await call('/healthz')).toMatchObject({ status: 200, text: '{"status":"ok"}' })
  expect(await call('/readyz')).toMatchObject({ status: 200, text: '{"status":"ready"}' })
  problem = 'crl_stale'
  const { status, text, headers } = await call('/readyz')
  expect([status, JSON.parse(text), headers['retry-after']]).toEqual([
    503,
    { status: 'unavailable', reason: 'crl_stale' },
    '1',
  ])
  expect((await call('/healthz')).status).toBe(200)
})

test('it mirrors the list of revoked certificates as it is', async () => {
  const { status, headers } = await call('/api/federation/crl')
  expect([status, headers['content-type'], headers['content-length']]).toEqual([200, 'application/pkix-crl', '2'])
  list = undefined
  expect((await call('/api/federation/crl')).status).toBe(503)
})

test('a route that it is given has its parameters, its action on record, and texts that tell nothing of what refused', async () => {
  routes = [{ method: 'POST', path: '', action: '', handle: (_, { id }) => ({ status: 201, body: { id } }) }]
  expect(await call('/things/7', 'POST')).toMatchObject({ status: 201, text: '{"id":"7"}' })
  const details = [{ path: 'a', message: 'is missing' }]
  const texts = await Promise.all(
    ['one', 'two'].map(async (reason) => {
      routes = [
        {
          ...routes[0]!,
          handle: () => {
            throw new Refused('api.token', refused('unauthorized', reason), details)
          },
        },
      ]
      const { status, headers, text } = await call('/things/7', 'POST')
      expect([status, headers['www-authenticate']]).toEqual([401, 'Bearer realm="gateway"'])
      return JSON.stringify({ ...JSON.parse(text).error, requestId: '' })
    }),
  )
  expect(new Set(texts).size).toBe(1)
  routes = [
    {
      ...routes[0]!,
      handle: () => {
        throw new Refused('api.body', refused('invalid_request', 'api_body'), details)
      },
    },
  ]
  expect(JSON.parse((await call('/things/7', 'POST')).text).error.details).toEqual(details)
  expect(decisions.map(({ action, listener: at, status }) => [action, at, status])).toEqual([
    ['thing:write', 'public', 201],
    ['thing:write', 'public', 401],
    ['thing:write', 'public', 401],
    ['thing:write', 'public', 400],
  ])
})

test('each request is told once it has ended, and one that has a row in the audit says so in its record, too', async () => {
  const audit = { direction: 'inbound', verb: 'enrol' } as const
  routes = [
    {
      ...{ method: 'POST', path: '', action: '', audit },
      handle(exchange) {
        exchange.principal.peerId = 'peer'
        return { status: 200, body: {}, rowsOut: 3 }
      },
    },
  ]
  await call('/things/7', 'POST')
  await call('/nowhere')
  await call('/things/7', 'DELETE')
  const [{ requestId }, unaudited] = decisions as [Decision, Decision]
  expect(decisions[0]).toMatchObject({ audit, rowsOut: 3 })
  expect(unaudited).not.toHaveProperty('audit')
  expect(unaudited).not.toHaveProperty('rowsOut')
  await vi.waitFor(() => expect(entries).toHaveLength(3))
  expect(entries).toMatchObject([
    { requestId, audit, status: 200, rowsOut: 3, bytesOut: 2, isAborted: false, principal: { peerId: 'peer' } },
    { requestId: unaudited.requestId, audit: undefined, status: 404, reason: 'route_unknown', verdict: 'refused' },
    { audit, status: 405, reason: 'method_unknown' },
  ])
})

test.each<
  [what: string, path: string, method: string, headers: Record<string, string>, status: number, reason: string]
>([
  ['a route of the other listener', '/api/federation/v1/capabilities', 'GET', {}, 404, 'route_unknown'],
  ['another method', '/healthz', 'DELETE', {}, 405, 'method_unknown'],
  ['another host', '/healthz', 'GET', { host: 'gateway-a.example' }, 421, 'authority_mismatch'],
])('%s is refused', async (_, path, method, headers, status, reason) => {
  expect((await call(path, method, headers)).status).toBe(status)
  expect(decisions).toMatchObject([{ verdict: 'refused', status, reason }])
})

test('a route whose database cannot be asked is answered as one of the other listener, and recovers by itself', async () => {
  let isLost = true
  routes = [
    {
      ...{ method: 'POST', path: '', action: '' },
      async handle() {
        if (isLost) throw new StoreUnavailable('gateway at localhost', new Error('timeout'))
        return { status: 200, body: {} }
      },
    },
  ]
  const { status, headers, text } = await call('/things/7', 'POST')
  expect([status, headers['retry-after'], JSON.parse(text).error.code]).toEqual([503, '5', 'dependency_unavailable'])
  expect(decisions).toMatchObject([{ guard: 'store.available', reason: 'database_unavailable' }])
  isLost = false
  expect((await call('/things/7', 'POST')).status).toBe(200)
})

test('without a record there is no answer but that', async () => {
  let worked = 0
  routes = [{ method: 'POST', path: '', action: '', handle: () => ({ status: 200, body: { worked: ++worked } }) }]
  isFull = true
  const answers = [await call('/things/7', 'POST'), await call('/things/7', 'POST')]
  for (const { status, text, headers } of answers) {
    expect([status, JSON.parse(text).error.code, headers['retry-after']]).toEqual([503, 'dependency_unavailable', '5'])
  }
  expect(worked).toBe(1)
})

test('there are so many connections, and one that is refused for it is on record', async () => {
  const { port } = listener.server.address() as AddressInfo
  const agents = [1, 2].map(() => new Agent({ keepAlive: true, maxSockets: 1, ca: String(site.root.certificate) }))
  const ask = (agent: Agent) =>
    new Promise((resolve, reject) => {
      const asked = request({ agent, host: 'localhost', port, path: '/healthz' }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode))
      })
      asked.on('error', reject).end()
    })
  expect([await ask(agents[0]!), await ask(agents[1]!)]).toEqual([200, 200])
  decisions.length = 0
  await expect(call('/healthz')).rejects.toThrow()
  expect(decisions).toMatchObject([{ layer: 'tls', guard: 'tls.connections', reason: 'connection_limit' }])
  expect(await ask(agents[0]!)).toBe(200)
  agents[1]!.destroy()
  await expect.poll(async () => (await call('/healthz').catch(() => ({ status: 0 }))).status).toBe(200)
  agents[0]!.destroy()
})
