import { expect, scenario } from 'holdfast/vitest'
import { lend } from '../asking.ts'
import { federation, federationPath } from '../federation.ts'
import { expectLimited } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

const limit = 5
/** Who sent a request, as proxies write it down, and whoever likes. */
const forged = (at: number) =>
  [
    ['X-Forwarded-For', `192.0.2.${at}`],
    ['Forwarded', `for=192.0.2.${at}`],
    ['X-Real-IP', `192.0.2.${at}`],
    ['Client-Cert', `:${Buffer.from(`certificate ${at}`).toString('base64')}:`],
    ['X-SSL-Client-Cert', `certificate ${at}`],
    ['X-Grant-Id', crypto.randomUUID()],
  ] as const

test('as many as it allows, and the next is told when to come again (FED-37)', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a', { rateLimit: limit })
  for (let at = 1; at <= limit; at += 1) expect((await peer.list('tasks')).status, `request ${at}`).toBe(200)

  const reply = await peer.list('tasks')
  expectLimited(reply)
  expect(await federation.decided(reply)).toMatchObject([{ guard: 'rate.grant', reason: 'rate_grant', status: 429 }])
  const row = { outcome: 'denied', status: 429, reason: 'rate_grant', grant_id: peer.grant.grantId, rows_out: null }
  expect(await federation.audited(reply)).toMatchObject(row)
  // Of every verb: they are all requests.
  for (const other of [await peer.search('x'), await peer.capabilities()]) expectLimited(other)
})

test('over two connections together, whatever the requests say of who sends them (FED-37)', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a', { rateLimit: limit })
  const connections = [peer.kept(), peer.kept()]
  for (const one of connections) federation.site.own(one)
  const statuses: number[] = []
  for (let at = 0; at <= limit; at += 1) {
    const request = { method: 'GET', path: `${federationPath}/capabilities`, headers: forged(at) }
    statuses.push((await connections[at % 2]!.send(request)).status)
  }

  expect(statuses).toEqual([...Array(limit).fill(200), 429])
  expect(connections.map(({ opened }) => opened())).toEqual([1, 1])
  expectLimited(await peer.list('tasks', {}, { headers: forged(99) }))
})

test('another grant has all of its own, and a forged leaf spends none of it (FED-37)', async ({ federation }) => {
  const [peer, other] = [
    await federation.asPeer('scope-a', { rateLimit: limit }),
    await federation.asPeer('scope-a', { rateLimit: limit }),
  ]
  const forger = await federation.forge(peer)
  for (let at = 0; at <= 2 * limit; at += 1) {
    const reply = await forger.list('tasks')
    expect(reply.status).toBe(403)
    if (at === 2 * limit) expect(await federation.reason(reply)).toBe('cert_unregistered')
  }
  for (let at = 0; at < limit; at += 1) expect((await peer.list('tasks')).status).toBe(200)
  expectLimited(await peer.list('tasks'))
  for (let at = 0; at < limit; at += 1) expect((await other.list('tasks')).status).toBe(200)
})

test('whoever asks is told so by his own gateway, with the time', async ({ federation }) => {
  const { user, source } = await lend(federation, { rateLimit: limit })
  for (let at = 0; at < limit; at += 1) expect((await user.search('x', { source })).status).toBe(200)

  const reply = await user.search('x', { source })
  expectLimited(reply)
  expect(await federation.reason(reply, 'a')).toBe('peer_rate_limited')
  expect((await user.search('x', { source: 'all' })).value).toMatchObject({
    _partial: true,
    _sources: [{ state: 'ok' }, { source, state: 'refused', reason: 'peer_rate_limited' }],
  })
})
