import { expect, scenario } from 'holdfast/vitest'
import { lend } from '../asking.ts'
import { AskingUser, federation, type Reply } from '../federation.ts'

const coolDownSeconds = 3
const env = { 'gateway-a/gateway': { GATEWAY_BREAKER_COOL_DOWN_SECONDS: String(coolDownSeconds) } }
const test = scenario('federation', { own: true, env }).extend('federation', federation)

/** An answer that nothing was sent for. */
const atOnceMs = 1_000
const asking = 8

test('own rows, one notice, five packets, one probe, and all as before (FED-45)', async ({ federation }) => {
  const { site } = federation
  const bob = { user: await federation.asUser('a', 'bob'), userId: federation.seed('a').user('bob').id }
  const lending = await lend(federation, { as: bob as never })
  const { user, source, peerId } = lending
  const admin = await federation.asAdmin('a')
  const { token } = await admin.ask('user:token', { parameters: { id: bob.userId } })
  const otherSession = new AskingUser(admin.endpoint, token)
  const search = (as = user) => as.search('mark', { source })
  const local = federation.seed('a').visible('bob', 'tasks')
  const events = (event: string) =>
    site
      .node('gateway-a')
      .logs()
      .filter((line) => line.includes(event) && line.includes(peerId))
  expect((await search()).value).toMatchObject({ _partial: false, _notices: [] })
  const { items: before } = (await user.list('tasks', { source })).value
  expect(before.length).toBeGreaterThan(0)

  const { server: lender, restore } = await federation.hostileLender({})
  const mute = () => {
    for (const endpoint of ['list', 'get', 'search', 'capabilities', 'renew'] as const) lender.script(endpoint, 'cut')
  }
  mute()
  const packets = () => lender.requests.filter(({ endpoint }) => endpoint !== 'renew').length + lender.connections
  const first = (await search()).value
  expect(first).toMatchObject({
    items: [],
    _partial: true,
    _sources: [{ source, state: 'offline', reason: 'peer_unreachable' }],
  })
  expect(first._notices).toMatchObject([{ code: 'peer_offline', source }])
  const everywhere = (await user.list('tasks', { source: 'all' })).value
  expect(everywhere).toMatchObject({ _partial: true, _notices: [] })
  expect(everywhere.items.map(({ id }) => id).sort()).toEqual(local)
  expect((await search(otherSession)).value._notices).toHaveLength(1)
  expect((await search(otherSession)).value._notices).toEqual([])
  expect((await user.getRow('tasks', before[0]!.id, { source })).status).toBe(503)

  // Five failures in a row: nothing more leaves A.
  const openedAt = packets()
  expect(lender.requests.filter(({ endpoint }) => endpoint !== 'renew')).toHaveLength(5)
  const failed = [await search(), await search(), await user.getRow('tasks', before[0]!.id, { source })]
  expect(failed[0]!.json).toMatchObject({ _partial: true, _sources: [{ state: 'offline', reason: 'circuit_open' }] })
  expect(failed[2]!.status).toBe(503)
  const bound = site.bound(atOnceMs)
  for (const { ms } of failed)
    expect(site.measured('an answer that nothing was sent for', ms, bound)).toBeLessThan(bound)
  expect(await federation.reason(failed[2]!, 'a')).toBe('circuit_open')
  expect(packets()).toBe(openedAt)

  // Cooled down, one of those who ask tries, and the others fail at once.
  const circuit = async () => (await admin.ask('status:read')).peers.find(({ id }) => id === peerId)?.circuit
  await site.until('it to have cooled down', async () => (await circuit()) === 'half-open', { withinMs: 15_000 })
  lender.requests.length = 0
  lender.script('search', 'silence')
  const reasons = await reasonsOf(Array.from({ length: asking }, () => search()))
  expect(reasons.filter((reason) => reason === 'circuit_open')).toHaveLength(asking - 1)
  expect(reasons.filter((reason) => reason === 'peer_timeout')).toHaveLength(1)
  expect(lender.requests.filter(({ endpoint }) => endpoint === 'search')).toHaveLength(1)

  await restore()
  await federation.connectAnonymously()
  const isBack = async () => !(await search()).value._partial
  await site.until('the lender to be asked again', isBack, { withinMs: 20_000 })
  expect(await circuit()).toBe('closed')
  const after = (await user.list('tasks', { source })).value
  expect(after).toMatchObject({ items: before, _partial: false, _notices: [] })
  expect([events('peer.offline').length, events('peer.online').length]).toEqual([1, 1])
})

async function reasonsOf(replies: readonly Promise<Reply<{ _sources: readonly { reason?: string }[] }>>[]) {
  const all = await Promise.all(replies)
  return all.map(({ value }) => value._sources[0]!.reason)
}
