import { type CallOptions, expect, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth', { own: true })

/** Holds the only lock for writing until it is ended, as a backup that got stuck would. */
const hold = `
const { DatabaseSync } = require('node:sqlite')
const database = new DatabaseSync(process.argv[1])
database.exec('PRAGMA busy_timeout = 2000; BEGIN IMMEDIATE')
setTimeout(() => database.exec('ROLLBACK'), Number(process.argv[2]))`

interface Refused {
  readonly status: number
  readonly error: string
  readonly reason: string
  readonly guard: string
}

const writes: [what: string, change: CallOptions, expected: Refused][] = [
  ['no path of it', { path: '/v1/nothing/written.test/probe' }, refused(404, 'not_found', 'local.route path_unknown')],
  ['another method', { method: 'POST' }, refused(405, 'method_not_allowed', 'local.route method_not_allowed')],
  [
    'plain text where JSON belongs',
    { raw: { bytes: (text) => [text.replace(/^content-type: .*$/im, 'Content-Type: text/plain')] } },
    refused(415, 'media_type_unsupported', 'local.body media_type_unsupported'),
  ],
  [
    '70 000 bytes',
    { body: JSON.stringify('x'.repeat(70_000)) },
    refused(413, 'body_too_large', 'local.body body_too_large'),
  ],
  ['half an object', { body: '{"protocol":' }, refused(400, 'body_malformed', 'local.body body_malformed')],
  [
    'a member that nobody knows',
    { json: { protocol: 'http', endpoint: 'https://written.test/', weight: 1 } },
    refused(400, 'invalid_request', 'local.body member_invalid'),
  ],
]

test.for(writes)('a route is not written by %s', async ([, change, expected], { site, credential }) => {
  const own = credential('node-a')

  expect(await site.call('node-a', 'node-a', 'node:routes', own)).toBeAccepted()
  expect(await site.call('node-a', 'node-a', 'node:routes', own, change)).toBeRefused(expected)
})

test.for(['limit=0', 'limit=1&limit=2', 'state=any'])(
  'routes are not listed by %s',
  async (query, { site, credential }) => {
    const own = credential('node-a')

    expect(await site.call('node-a', 'node-a', 'node:read', own, { path: '/v1/routes?limit=1' })).toBeAccepted()
    expect(await site.call('node-a', 'node-a', 'node:read', own, { path: `/v1/routes?${query}` })).toBeRefused(
      refused(400, 'invalid_request', 'local.query query_invalid'),
    )
  },
)

test('a peer that is not there is not read, one that is there is not made again', async ({ site, credential }) => {
  const own = credential('node-a')
  const path = '/v1/peers/node-b'
  expect(await site.call('node-a', 'node-a', 'node:read', own, { path })).toBeAccepted()
  expect(await site.call('node-a', 'node-a', 'node:read', own, { path: '/v1/peers/nobody' })).toBeRefused(
    refused(404, 'not_found', 'local.object object_unknown'),
  )

  const operator = site.operator('node-a')
  const { token: peerToken } = await site.held('peer-a-to-b')
  const endpoint = `wss://${site.node('node-b').host}:9443`
  const again = { name: 'node-b', endpoint, domains: [], trustDomain: 'org-b', peerToken }
  const before = await operator.get(path)
  const told = async () => (await site.decisions('node-a', { guard: 'local.object', reason: 'peer_exists' })).length
  const toldBefore = await told()
  expect(await operator.post('/v1/peers', again)).toMatchObject({ status: 409, json: { error: 'peer_exists' } })
  expect(await operator.get(path)).toMatchObject({ status: 200, json: before.json })
  expect(await told()).toBe(toldBefore + 1)
})

test('a learned route is changed where it comes from', async ({ site, credential }) => {
  const route = { protocol: 'http', endpoint: 'https://orders.b.test/' }
  const path = '/v1/routes/b.test/orders'
  expect([200, 201]).toContain((await site.operator('node-b').put(path, route)).status)
  const learned = async () => {
    const { json } = await site.operator('node-a').get('/v1/routes?domain=b.test')
    return (json as { routes: unknown[] }).routes.length === 1
  }
  await site.until('A has learned it', learned, { withinMs: 10_000 })
  const own = credential('node-a')

  expect(await site.call('node-a', 'node-a', 'node:routes', own, { json: route })).toBeAccepted()
  expect(await site.call('node-a', 'node-a', 'node:routes', own, { json: route, path })).toBeRefused(
    refused(403, 'route_learned', 'local.object route_learned'),
  )
})

test('while nothing can be kept, nothing is written', async ({ site, credential }) => {
  const own = credential('node-a')
  expect(await site.call('node-a', 'node-a', 'node:routes', own)).toBeAccepted()

  const database = 'units/orchestrator/state/orchestrator.db'
  const holding = site.node('node-a').exec([process.execPath, '-e', hold, database, `${site.bound(2_500)}`])
  const kept = async () => {
    const verdict = await site.call('node-a', 'node-a', 'node:routes', own)
    return verdict.verdict === 'refused' && verdict
  }
  expect(await site.until('the storage takes no writes', kept, { withinMs: 5_000 })).toBeRefused(
    refused(503, 'storage_unavailable', 'local.storage storage_unavailable'),
  )
  expect(await holding).toMatchObject({ code: 0 })
  expect(await site.call('node-a', 'node-a', 'node:routes', own)).toBeAccepted()
})

function refused(status: number, error: string, why: string): Refused {
  const [guard = '', reason = ''] = why.split(' ')
  return { status, error, reason, guard }
}
