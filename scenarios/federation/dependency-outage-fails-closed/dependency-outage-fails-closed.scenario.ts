import { expect, scenario } from 'holdfast/vitest'
import { type EnrolledPeer, type Federation, federation, places, type Reply, requestFor } from '../federation.ts'
import { refusal, stateOf } from '../lending.ts'
import { expectNotEnrolled, expectRefused, leaked, storedOf } from '../refusals.ts'

const test = scenario('federation', { own: true, waits: true }).extend('federation', federation)

/** Said within 2 s; the rest is the machine's. */
const refusedMs = 6_000
const backMs = 30_000

interface Outage {
  readonly node: string
  readonly begin: 'pause' | 'stop' | 'kill'
  readonly end: 'resume' | 'start'
}

const ways = [
  ['paused', 'pause', 'resume'],
  ['stopped', 'stop', 'start'],
  ['killed', 'kill', 'start'],
] as const

/** What is asked while a service is away; it is back afterwards, whatever came of it. */
async function during<Result>({ site }: Federation, { node, begin, end }: Outage, ask: () => Promise<Result>) {
  await site.node(node)[begin]()
  try {
    return await ask()
  } finally {
    await site.node(node)[end]()
  }
}

function untilBack({ site }: Federation, what: string, ask: () => Promise<Reply<unknown>>): Promise<boolean> {
  return site.until(what, async () => (await ask()).status === 200, { withinMs: backMs, everyMs: 250 })
}

const unavailable = (guard: string, reason: string) => ({ status: 503, error: 'dependency_unavailable', guard, reason })

/** Every verb, and all else that a lender is asked. */
async function askAll(
  federation: Federation,
  peer: EnrolledPeer,
): Promise<readonly (readonly [string, Reply<unknown>])[]> {
  const row = federation.seed('b').visible('alice', 'tasks')[0]!
  const admin = await federation.asAdmin('b')
  const { csrPem } = await requestFor(peer.grant.commonName)
  const asked = {
    list: () => peer.list('tasks'),
    get: () => peer.get('tasks', row),
    search: () => peer.search('task'),
    capabilities: () => peer.capabilities(),
    renew: () => peer.renew(csrPem),
    administer: () => admin.try('grant:show', { parameters: { id: peer.grant.grantId } }),
  }
  return Promise.all(Object.entries(asked).map(async ([what, ask]) => [what, await ask()] as const))
}

test.for(ways)(
  'FED-14: while the database of the lender is %s it answers nothing but 503, and goes on by itself',
  async ([, begin, end], { federation, site }) => {
    const [peer, invited] = [await federation.asPeer('scope-a'), await federation.invite()]
    expect((await peer.list('tasks')).status).toBe(200)

    const { replies, enrolled } = await during(federation, { node: 'db-b', begin, end }, async () => ({
      replies: await askAll(federation, peer),
      enrolled: await federation.redeem(invited),
    }))
    for (const [what, reply] of [...replies, ['enrol', enrolled] as const]) {
      expect({ what, status: reply.status, error: reply.error?.code, after: reply.header('retry-after') }).toEqual({
        ...{ what, status: 503, error: 'dependency_unavailable', after: '5' },
      })
      expect(reply.ms, what).toBeLessThan(site.bound(refusedMs))
      expect(await federation.decided(reply), what).toMatchObject([
        { verdict: 'refused', status: 503, guard: 'store.available', reason: 'database_unavailable' },
      ])
    }

    await untilBack(federation, 'it to lend again', () => peer.list('tasks'))
    const [, listed] = replies[0]!
    expect(await federation.audited(listed)).toMatchObject({
      outcome: 'error',
      status: 503,
      reason: 'database_unavailable',
    })
    // Nothing of it was spent.
    expect((await federation.redeem(invited)).status).toBe(200)
  },
)

test.for(ways)(
  'while the database of the asker is %s it answers nobody, whatever it has in memory',
  async ([, begin, end], { federation, site }) => {
    const alice = await federation.asUser('a', 'alice')
    const source = 'federated:gateway-b.somebiz.local.io'
    // The second one comes from memory.
    await alice.list('tasks', { source })
    expect((await alice.list('tasks', { source })).value._cached).toBe(true)

    const replies = await during(federation, { node: 'db-a', begin, end }, () =>
      Promise.all([alice.list('tasks', { source }), alice.list('tasks'), alice.list('tasks', { source: 'all' })]),
    )
    for (const reply of replies) {
      expect([reply.status, reply.error?.code]).toEqual([503, 'dependency_unavailable'])
      expect(reply.ms).toBeLessThan(site.bound(refusedMs))
      expect(federation.seed('b').markersIn(reply.body)).toEqual([])
      expect(await federation.reason(reply, 'a')).toBe('database_unavailable')
    }
    await untilBack(federation, 'it to answer again', () => alice.list('tasks', { source }))
    expect((await alice.list('tasks', { source })).value.items.length).toBeGreaterThan(0)
  },
)

test.for(ways)(
  'FED-14: while the CA is %s nobody is enrolled, and who was enrolled goes on',
  async ([, begin, end], { federation }) => {
    const [unknown, known] = [await federation.invite(), await federation.invite({ subject: 'bob' })]
    // The lender has just heard that the CA is well, and so asks it.
    const peer = await federation.asPeer('scope-a')
    const before = await storedOf(federation, known)

    await during(federation, { node: 'ca', begin, end }, async () => {
      const spent = await federation.redeem(unknown)
      await expectNotEnrolled(federation, spent, unavailable('enr.ca-sign', 'ca_timeout'), unknown)
      const isKnown = async () => {
        const other = await federation.invite({ subject: 'carol' })
        return (await federation.reason(await federation.redeem(other))) === 'ca_unreachable'
      }
      await federation.site.until('the lender to know that the CA is away', isKnown, { withinMs: backMs })
      const refused = await federation.redeem(known)
      await expectNotEnrolled(federation, refused, unavailable('enr.ca-ready', 'ca_unreachable'), known)
      expect((await peer.list('tasks')).status).toBe(200)
    })

    expect(await storedOf(federation, known)).toEqual(before)
    await untilBack(federation, 'it to enrol again', () => federation.redeem(known))
    expect((await federation.redeem(unknown)).status).toBe(410)
    const admin = await federation.asAdmin('b')
    expect((await admin.grant(unknown.grantId)).status).toBe('pending')
    const next = { ...unknown, ...(await admin.invite(unknown.grantId)) }
    expect((await federation.redeem(next)).status).toBe(200)
  },
)

test('while its decision log cannot be written a lender does nothing for anybody, and goes on once it can', async ({
  federation,
  site,
}) => {
  const [peer, invited] = [await federation.asPeer('scope-a'), await federation.invite()]
  const admin = await federation.asAdmin('b')
  const before = (await peer.list('tasks')).value
  const state = await stateOf(federation, [peer.grant.grantId, invited.grantId])
  const node = site.node('gateway-b')
  const { decisionLog } = JSON.parse(await node.readFile(places.configuration)) as { decisionLog: string }
  const size = async () => Number((await node.$`stat -c %s ${decisionLog}`).stdout)
  const written = await size()

  // There is room for the beginning of a record, which must not stay.
  const free = await site.fullDisk('gateway-b', 'gateway', written + 20)
  const replies = [
    // By this one it learns of it.
    ['first', await peer.list('tasks')],
    ...(await askAll(federation, peer)),
    ['revoke', await admin.try('grant:revoke', { parameters: { id: peer.grant.grantId }, body: {} })],
    ['enrol', await federation.redeem(invited)],
    ['health', await admin.get('/healthz')],
  ] as const
  for (const [what, reply] of replies) {
    expect({ what, status: reply.status, error: reply.error?.code, after: reply.header('retry-after') }).toEqual({
      ...{ what, status: 503, error: 'dependency_unavailable', after: '5' },
    })
    expect(leaked(federation, reply), what).toEqual([])
    expect(reply.ms, what).toBeLessThan(site.bound(refusedMs))
  }
  expect(await size()).toBe(written)
  expect(await stateOf(federation, [peer.grant.grantId, invited.grantId])).toEqual(state)

  await free()
  // It tries with a refusal whether there is a record again.
  const unwritable = refusal(503, 'dependency_unavailable')('log.writable', 'decision_log_unwritable')
  await expectRefused(federation, await peer.list('tasks'), unwritable)
  expect((await peer.list('tasks')).value).toEqual(before)
  expect((await federation.redeem(invited)).status).toBe(200)
})
