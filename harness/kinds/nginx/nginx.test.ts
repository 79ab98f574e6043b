import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { fill } from '../../agent/template.ts'
import { issueLeaf, rogueAuthority } from '../../pki/authority.ts'
import type { Identity } from '../../pki/certificate.ts'
import { exchange, headerValues, type Request } from '../../protocols/http/exchange.ts'
import { localSeat } from '../../protocols/seat.ts'
import { compile } from '../../shipped.ts'
import { until } from '../../site/until.ts'
import { lackingPrograms } from '../../toolchain/survey.ts'
import { mistakesIn } from '../../topology/fixtures/mistakes-in.ts'
import { defineKind } from '../../topology/kind.ts'
import { LoadedTopology } from '../../topology/loaded-topology.ts'
import type { Plan, PlanUnit } from '../../topology/plan.ts'
import type { TopologyDeclaration } from '../../topology/schema.ts'
import { configurationOf } from './configuration.ts'
import { type Settings, settings } from './settings.ts'

/** Answers at one listener whoever presents a secret. */
const shop = defineKind({
  name: 'shop',
  summary: 'a shop',
  settings: z.strictObject({}),
  plan: () => ({
    summary: 'a shop',
    files: [],
    service: {
      command: { program: { path: 'true' }, args: [] },
      ready: { tcp: { port: 9000 } },
      listeners: [{ name: 'main', port: 9000, protocol: 'https', clientCertificate: 'requested' }],
    },
    actions: {
      'shop:enter': {
        summary: '',
        listener: 'main',
        carrier: 'bearer',
        request: { http: { method: 'GET', path: '/', expect: [200] } },
      },
    },
    verification: {
      'shop:enter': { takes: [['bearer-secret']], checks: [], fields: { secret: 'Authorization' } },
    },
  }),
})

type Change = (topology: {
  nodes: Record<string, { units: Record<string, { settings: object }> }>
  credentials: Record<string, object>
}) => void

function topologyWith(proxy: object, change: Change = () => {}): LoadedTopology {
  const node = (name: string, units = {}) => ({ host: `${name}.test`, domain: 'lab', units })
  const certificate = (holder: string) => ({
    kind: 'certificate',
    issuer: 'ca',
    holder,
    lifetime: '10m',
    handover: 'enrol',
  })
  const declared = {
    name: 'front',
    summary: 'a shop behind nginx',
    trustDomains: { lab: { ca: 'ca' } },
    nodes: {
      ca: node('ca', { ca: { kind: 'step-ca' } }),
      shop: node('shop', { shop: { kind: 'shop' } }),
      edge: node('edge', { proxy: { kind: 'nginx', settings: { upstream: 'shop', ...proxy } } }),
      guest: node('guest'),
    },
    credentials: {
      'cert-edge': certificate('edge'),
      club: { kind: 'bearer-secret', issuer: 'shop', holders: ['guest', 'shop'], handover: 'copy' },
    },
    accepts: [{ target: 'shop', action: 'shop:enter', credential: 'club' }],
  }
  change(declared as never)
  return new LoadedTopology('front', declared as unknown as TopologyDeclaration, {}, { kinds: [shop] })
}

const planOf = (proxy: object = {}): Plan => compile(topologyWith(proxy))
const proxyIn = ({ nodes }: Plan): PlanUnit => nodes.edge!.units.find(({ name }) => name === 'proxy')!
const mistakesOf = (proxy: object, change?: Change) =>
  mistakesIn(() => compile(topologyWith(proxy, change))).map(({ path, message }) => `${path}: ${message}`)

test('it hands calls on to a listener of another node, after that, and says when they come through', () => {
  const proxy = proxyIn(planOf({ port: 443, ready: '/readyz' }))

  expect(proxy.after).toEqual(expect.arrayContaining(['shop/shop', 'edge/cert-edge', 'edge/anchor-lab']))
  expect(proxy.service?.ready).toEqual({
    http: { url: 'https://edge.test:443/readyz', tls: { ca: '@{dir}/anchors/lab.pem' }, expect: [200] },
  })
  expect(proxy.machine).toEqual(['nginx'])
  expect(proxy.hop).toMatchObject({ listener: 'main', to: { node: 'shop', listener: 'main' } })
  expect(proxy.files[0]!.text).toContain('proxy_pass https://@{address:shop}:9000;')
  expect(proxy.files[0]!.text).toContain('proxy_ssl_name shop.test;')
})

test.each([
  [{}, []],
  [{ authorization: 'plain' }, []],
  [{ authorization: 'strip' }, ['secret']],
  [{ authorization: 'no-headers' }, ['secret']],
  [{ headers: { authorization: '' } }, ['secret']],
])('through a proxy with %j the target is judged without %j', (proxy, lost) => {
  const { ways } = planOf(proxy).nodes.shop!.units.find(({ name }) => name === 'shop')!.verification!['shop:enter']!
  expect(ways!['through edge']!.loses).toEqual(['certificate', ...lost])
})

const constant = /sets one credential for everybody who comes through, which makes each of them a member/
test.each<[string, object, RegExp]>([
  [
    'one credential for everybody',
    { authorization: 'constant' },
    /^nodes\.edge\.units\.proxy\.settings\.authorization: sets one/,
  ],
  ['the same as a field', { headers: { authorization: 'Bearer x' } }, constant],
  ['the same in a location', { locations: { '/v1/': { headers: { Authorization: 'Basic eDp5' } } } }, constant],
  ['a node that is not there', { upstream: 'shpo' }, /"shpo" is not declared/],
  ['a listener that is not there', { listener: 'back' }, /needs the listener "back" of "shop", which has main/],
])('%s is a mistake of the topology', (_, proxy, message) => {
  expect(mistakesOf(proxy).join('\n')).toMatch(message)
})

test('a location that sets a field itself, and so inherits none, is a mistake with the lines that are left out', () => {
  const own = { 'X-Shop': 'yes' }
  const all = { Host: '$http_host', Connection: '', Forwarded: '$forwarded', Authorization: '$http_authorization' }
  expect(mistakesOf({ locations: { '/v1/': { headers: own } } })).toEqual([
    'nodes.edge.units.proxy.settings.locations./v1/.headers: sets header fields itself, and so inherits none of the others: ' +
      'Host, Connection, Forwarded, Authorization; repeat them there: proxy_set_header Host "$http_host"; ' +
      'proxy_set_header Connection ""; proxy_set_header Forwarded "$forwarded"; proxy_set_header Authorization "$http_authorization";',
  ])
  const repeated = Object.fromEntries(Object.entries(all).map(([field, value]) => [field.toLowerCase(), value]))
  expect(mistakesOf({ locations: { '/v1/': { headers: { ...own, ...repeated } } } })).toEqual([])
  expect(mistakesOf({ locations: { '/v1/': {} } })).toEqual([])
})

test('a proxy that holds a secret of those behind it is a mistake of the topology', () => {
  const giveIt: Change = ({ credentials }) =>
    void Object.assign(credentials.club!, { holders: ['guest', 'shop', 'edge'] })
  expect(mistakesOf({}, giveIt)).toEqual([
    'nodes.edge.units.proxy: its node holds "club", which a proxy never needs; take "edge" out of the holders',
  ])
})

// A real one, before an origin of ours.

const lacking = await lackingPrograms(['nginx'])
const host = 'shop.test'
let dir: string
let anchorPem: string
let origin: Server
let seen: { headers: IncomingMessage['headers']; raw: readonly string[]; proxy: string; count: number; from: string }
let answer: (request: IncomingMessage, response: ServerResponse) => void
const running: (() => Promise<void>)[] = []

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-nginx-'))
  const authority = await rogueAuthority()
  anchorPem = authority.anchorPem
  const [own, edge] = await Promise.all(
    [host, 'edge.test'].map((subject) => issueLeaf({ authority, subject, sans: [subject] })),
  )
  await Promise.all(
    Object.entries({ ca: anchorPem, ...named('edge', edge!) }).map(([name, text]) =>
      writeFile(join(dir, `${name}.pem`), text),
    ),
  )
  const tls = { cert: own!.certPem, key: own!.keyPem, ca: anchorPem, requestCert: true }
  origin = createServer(tls, (request, response) => {
    const socket = request.socket as TLSSocket
    const { count = 0 } = seen ?? {}
    seen = {
      ...{ headers: request.headers, raw: request.rawHeaders, count: count + 1 },
      proxy: socket.getPeerX509Certificate()?.subjectAltName ?? '',
      from: String(socket.remoteAddress),
    }
    answer(request, response)
  })
  await once(origin.listen(0, '127.0.0.1'), 'listening')
})
afterEach(async () => {
  for (const stop of running.splice(0)) await stop()
})
afterAll(async () => {
  origin.close().closeAllConnections()
  await rm(dir, { recursive: true, force: true })
})

const named = (name: string, { certPem, keyPem }: Identity) => ({ [`${name}-cert`]: certPem, [`${name}-key`]: keyPem })
const portOf = (server: { address(): unknown }) => (server.address() as { port: number }).port

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  await once(server.close(), 'close')
  return port
}

/** nginx as its kind configures it, with the command of that; answers how it is called. */
async function proxied(told: object = {}, upstream = host) {
  const port = await freePort()
  const unitDir = await mkdtemp(join(dir, 'unit-'))
  const read: Settings = settings.parse({ upstream: 'shop', port, ...told })
  const file = (name: string) => join(dir, `${name}.pem`)
  const places = { ca: file('ca'), cert: file('edge-cert'), key: file('edge-key') }
  const at = { host: upstream, address: '127.0.0.1', port: portOf(origin) }
  const text = fill(configurationOf(read, { ...places, ...at }), { dir, unitDir, address: '127.0.0.1' }, 'test')
  await writeFile(join(unitDir, 'nginx.conf'), text)
  const { args } = proxyIn(planOf()).service!.command!
  const child = spawn('/bin/sh', [...args.slice(0, -1), join(unitDir, 'nginx.conf')], {
    cwd: unitDir,
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaints = ''
  child.stderr.on('data', (text) => {
    complaints += text
  })
  running.push(async () => {
    if (child.exitCode !== null) return
    child.kill()
    await once(child, 'exit')
  })
  const call = (request: Partial<Request> = {}) =>
    exchange(
      { seat: localSeat(), address: '127.0.0.1', port, host: 'edge.test', anchorPem },
      { method: 'GET', path: '/', headers: [], ...request },
    )
  answer = (_, response) => void response.end('{}')
  await until(`nginx listens: ${complaints}`, async () => (await call().catch(() => undefined))?.status != null, {
    withinMs: 10_000,
  })
  return { call, unitDir, port }
}

const bearer = (text: string): Request['headers'] => [['Authorization', `Bearer ${text}`]]

test.skipIf(lacking !== undefined).each([
  ['forward', 'Bearer abc'],
  ['plain', 'Bearer abc'],
  ['strip', undefined],
  ['no-headers', undefined],
  ['cache', 'Bearer abc'],
])(
  `with %s${lacking ?? ''} the node behind it gets %s, from a proxy that shows who it is`,
  async (authorization, got) => {
    const { call } = await proxied({ authorization })
    const { conn, status } = await call({
      path: '/first',
      headers: [...bearer('abc'), ['X-Other', 'there'], ['Forwarded', 'for=forged']],
    })

    expect(status).toBe(200)
    expect(seen.headers.authorization).toBe(got)
    expect(seen.headers['x-other']).toBe(authorization === 'no-headers' ? undefined : 'there')
    expect(seen.proxy).toBe('DNS:edge.test')
    // Whom it comes from, and not what he says of himself (RFC 7239 section 6).
    expect(seen.headers.forwarded).toBe(`for="${conn}"`)
    expect(seen.headers.host).toMatch(/^edge\.test:\d+$/)
  },
)

test.skipIf(lacking !== undefined)(
  'a body comes through without the fields of its caller, and one of more than a megabyte does not',
  async () => {
    const { call } = await proxied({ authorization: 'no-headers' })
    answer = (request, response) => void request.pipe(response)
    const post = (body: string) => call({ method: 'POST', headers: [['Content-Type', 'text/plain']], body })

    expect(await post('a body')).toMatchObject({ status: 200, body: 'a body' })
    expect(await post('x'.repeat(1_048_577))).toMatchObject({ status: 413 })
  },
)

test.skipIf(lacking !== undefined)('it hands nothing on to a node that is not the one that is meant', async () => {
  const { call } = await proxied({}, 'other.test')
  const { count } = seen ?? { count: 0 }

  expect(await call({ headers: bearer('abc') })).toMatchObject({ status: 502 })
  expect(seen?.count ?? 0).toBe(count)
})

test.skipIf(lacking !== undefined)('what is streamed comes as it is sent, unless it is kept', async () => {
  const { call } = await proxied()
  answer = (_, response) => {
    response.setHeader('Cache-Control', 'max-age=60')
    response.end('{}')
  }
  const before = seen.count
  await call({ path: '/x' })
  await call({ path: '/x' })
  expect(seen.count).toBe(before + 2)
})

test.skipIf(lacking !== undefined)(
  'a cache answers everybody with what nobody forbade to keep, and with nothing else',
  async () => {
    const { call } = await proxied({ authorization: 'cache' })
    const asked = async (path: string, headers: Request['headers'] = []) => {
      const before = seen.count
      const { headers: answered } = await call({ path, headers })
      return [seen.count - before, ...headerValues(answered, 'X-Cache-Status')]
    }
    const answeringWith = (...lines: [string, string][]) => {
      answer = (_, response) => {
        for (const [name, value] of lines) response.setHeader(name, value)
        response.end('{}')
      }
    }
    answeringWith()
    expect([await asked('/open', bearer('abc')), await asked('/open')]).toEqual([
      [1, 'MISS'],
      [0, 'HIT'],
    ])
    answeringWith(['Cache-Control', 'no-store'])
    expect([await asked('/kept', bearer('abc')), await asked('/kept')]).toEqual([
      [1, 'MISS'],
      [1, 'MISS'],
    ])
    answeringWith(['Vary', 'Authorization'])
    expect([await asked('/varies', bearer('abc')), await asked('/varies')]).toEqual([
      [1, 'MISS'],
      [1, 'MISS'],
    ])
  },
)

test.skipIf(lacking !== undefined)('a location with fields of its own inherits none', async () => {
  const { call } = await proxied({ authorization: 'strip', locations: { '/own/': { headers: { 'X-Shop': 'yes' } } } })
  await call({ path: '/', headers: bearer('abc') })
  expect(seen.headers.authorization).toBeUndefined()
  await call({ path: '/own/x', headers: bearer('abc') })
  // What is taken away elsewhere comes through there: why the kind refuses such a location.
  expect(seen.headers).toMatchObject({ authorization: 'Bearer abc', 'x-shop': 'yes' })
})

test.skipIf(lacking !== undefined)('nothing that a caller presents stands in its logs', async () => {
  const { call, unitDir } = await proxied()
  const secret = 'a3f09c51d2e8b7460f1e2d3c4b5a6978'
  await call({ path: `/x?access_token=${secret}`, headers: bearer(secret) })
  answer = (_, response) => void response.destroy()
  expect(await call({ path: `/x?access_token=${secret}`, headers: bearer(secret) })).toMatchObject({ status: 502 })
  const log = await readFile(join(unitDir, 'access.log'), 'utf8')

  expect(log).toMatch(/^127\.0\.0\.1:\d+ GET 200 .* 200 -$/m)
  expect(log).toMatch(/ GET 502 /)
  expect(log).not.toContain(secret.slice(0, 8))
})
