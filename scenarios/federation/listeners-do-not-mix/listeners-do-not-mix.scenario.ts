import { expect, scenario } from 'holdfast/vitest'
import { Caller, federation, federationPath } from '../federation.ts'
import { atTls, forbidden, notFound, refusal, stateOf } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

const misdirected = refusal(421, 'misdirected_request')('http.authority', 'authority_mismatch')
const list = { method: 'POST', path: `${federationPath}/list/tasks`, json: {} }
/** The same caller, whose handshake is another one. */
const shaking = ({ endpoint }: Caller, handshake: NonNullable<typeof endpoint.handshake>) =>
  new Caller({ ...endpoint, handshake })

test('the listener of peers serves nothing but federation, whatever token comes along', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const invited = await federation.invite()
  const { token } = await federation.asOperator('b')
  const user = await federation.asUser('b', 'alice')
  const headers = (bearer: string) => [['Authorization', `Bearer ${bearer}`] as const]
  expect((await peer.call(list)).status).toBe(200)
  const state = await stateOf(federation, [peer.grant.grantId, invited.grantId])
  const elsewhere = [
    { method: 'GET', path: '/' },
    { method: 'GET', path: '/healthz' },
    { method: 'GET', path: '/readyz' },
    { method: 'GET', path: '/api/federation/crl' },
    { method: 'POST', path: `/api/federation/enrollment/${invited.token}`, json: { csrPem: invited.request.csrPem } },
    { method: 'GET', path: '/api/admin/federation/grants', headers: headers(token) },
    { method: 'GET', path: '/api/admin/federation/status', headers: headers(token) },
    {
      method: 'PATCH',
      path: `/api/admin/federation/grants/${peer.grant.grantId}/revoke`,
      json: {},
      headers: headers(token),
    },
    { method: 'POST', path: '/api/admin/tokens', json: {}, headers: headers(token) },
    { method: 'POST', path: '/api/query/list/tasks', json: {}, headers: headers(user.token) },
    { method: 'GET', path: '/api/query/capabilities', headers: headers(user.token) },
  ]
  for (const sent of elsewhere) {
    const reply = await peer.call(sent)
    await expectRefused(federation, reply, notFound('http.route', 'route_unknown'), {
      what: `${sent.method} ${sent.path}`,
    })
  }
  // Nobody who is refused learns what there is.
  const forged = await federation.forge(peer)
  const unknown = await forged.call({ method: 'GET', path: '/healthz' })
  await expectRefused(federation, unknown, forbidden('grant.certificate', 'cert_unregistered'))

  expect(await stateOf(federation, [peer.grant.grantId, invited.grantId])).toEqual(state)
  // Where they are served, they are.
  expect((await federation.redeem(invited)).status).toBe(200)
  expect((await user.list('tasks')).status).toBe(200)
  expect((await peer.call(list)).status).toBe(200)
})

test('the public listener serves no verb of federation, with a certificate or a token', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const admin = await federation.asOperator('b')
  const row = (await peer.list('tasks')).value.items[0]!.id
  const open = new Caller({ ...(await federation.endpoint('b', 'public', 'a')), identity: peer.identity })
  const verbs = [
    list,
    { method: 'POST', path: `${federationPath}/get/tasks/${row}`, json: {} },
    { method: 'POST', path: `${federationPath}/search`, json: { q: 'plan' } },
    { method: 'GET', path: `${federationPath}/capabilities` },
    { method: 'POST', path: `${federationPath}/renew`, json: { csrPem: 'x' } },
  ]
  for (const sent of verbs) {
    for (const bearer of [undefined, admin.token]) {
      const headers = bearer === undefined ? [] : [['Authorization', `Bearer ${bearer}`] as const]
      const reply = await open.call({ ...sent, headers })
      expect([reply.status, reply.error?.code], sent.path).toEqual([404, 'not_found'])
      const decided = await federation.decided(reply)
      expect(decided, sent.path).toMatchObject([{ listener: 'public', guard: 'http.route', reason: 'route_unknown' }])
    }
  }
  expect((await open.call({ method: 'GET', path: '/healthz' })).status).toBe(200)
})

test('each answers to its own name alone, in the handshake and in each request (TLS-13)', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const { host, port } = peer.endpoint
  const elsewhere = federation.site.node('gateway-a').host
  for (const name of [
    elsewhere,
    `${elsewhere}:${port}`,
    'localhost',
    `127.0.0.1:${port}`,
    `x.${host}`,
    `${host}.x`,
    '',
  ]) {
    const reply = await peer.call({ ...list, headers: [['Host', name]] })
    await expectRefused(federation, reply, misdirected, { what: `Host: ${name}` })
  }
  const asked = shaking(peer, { servername: elsewhere })
  await expectRefused(federation, await asked.call(list), misdirected, { what: 'another name in the handshake' })
  // By no name at all nobody else is meant.
  expect((await shaking(peer, { servername: null }).call(list)).status).toBe(200)
  expect((await peer.call({ ...list, headers: [['Host', host]] })).status).toBe(200)

  const open = new Caller(await federation.endpoint('b', 'public', 'a'))
  const reply = await open.call({ method: 'GET', path: '/readyz', headers: [['Host', elsewhere]] })
  expect([reply.status, await federation.reason(reply)]).toEqual([421, 'authority_mismatch'])
})

test('in the clear there is no request (TLS-18)', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const body = '{}'
  const headers = [['Content-Type', 'application/json'] as const]
  const plain = await peer.plain({ method: 'POST', path: list.path, body, headers })
  await expectRefused(federation, plain, atTls('tls_plaintext', 'tls.protocol'))
  const preface = await peer.plain({ method: 'PRI', path: '*', body: 'SM\r\n\r\n' })
  await expectRefused(federation, preface, atTls('tls_plaintext', 'tls.protocol'), { what: 'HTTP/2 in the clear' })
  expect((await peer.call(list)).status).toBe(200)
})

test('no upgrade leads out of HTTP/1.1 (TLS-18)', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const settings = [
    ['Connection', 'Upgrade, HTTP2-Settings'],
    ['Upgrade', 'h2c'],
    ['HTTP2-Settings', 'AAMAAABkAAQAoAAAAAIAAAAA'],
  ] as const
  const reply = await peer.call({ ...list, headers: [['Content-Type', 'application/json'], ...settings] })
  // It may be refused, or answered as what it is otherwise; it is never done.
  expect(reply.status).not.toBe(101)
  expect(reply.header('upgrade')).toBeUndefined()
  await expectRefused(
    federation,
    await shaking(peer, { alpn: ['h2'] }).call(list),
    atTls('tls_protocol', 'tls.protocol'),
  )
})

test.for(['TLSv1', 'TLSv1.1', 'TLSv1.2'] as const)(
  '%s would show the certificate in the clear (TLS-16)',
  async (version, { federation }) => {
    const peer = await federation.asPeer('scope-a')
    const state = await stateOf(federation, [peer.grant.grantId])
    await expectRefused(federation, await shaking(peer, { version }).call(list), atTls('tls_protocol', 'tls.protocol'))
    expect(await stateOf(federation, [peer.grant.grantId])).toEqual(state)
    expect((await shaking(peer, { version: 'TLSv1.3' }).call(list)).status).toBe(200)
  },
)

test('the public listener, too, answers over TLS alone, and by none of its old versions (TLS-16, TLS-18)', async ({
  federation,
}) => {
  const open = new Caller(await federation.endpoint('b', 'public', 'a'))
  const health = { method: 'GET', path: '/healthz' }
  const failed = atTls('handshake_failed', 'tls.handshake')
  await expectRefused(federation, await open.plain(health), failed, { what: 'in the clear' })
  for (const version of ['TLSv1', 'TLSv1.1'] as const) {
    await expectRefused(federation, await shaking(open, { version }).call(health), failed, { what: version })
  }
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    expect((await shaking(open, { version }).call(health)).status, version).toBe(200)
  }
})
