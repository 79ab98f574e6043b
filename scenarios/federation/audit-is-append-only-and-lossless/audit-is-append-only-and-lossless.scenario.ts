import { expect, putJsonFile, runOn, scenario } from 'holdfast/vitest'
import { type EnrolledPeer, type Federation, federation, places, type Reply } from '../federation.ts'

const test = scenario('federation', { own: true, waits: true }).extend('federation', federation)

const filledMs = 30_000

async function restart({ site }: Federation, how: 'kill' | 'stop', peer: EnrolledPeer): Promise<void> {
  await site.node('gateway-b')[how]('gateway')
  await site.node('gateway-b').start('gateway')
  const isBack = async () => (await peer.capabilities()).status === 200
  await site.until('the lender to lend again', isBack, { withinMs: filledMs })
}

/** Until `release` nobody writes a row; whoever reads is not disturbed. */
async function blocked(federation: Federation): Promise<() => Promise<void>> {
  const database = await federation.database('b')
  await database.query('BEGIN')
  await database.query('LOCK TABLE federation_audit_log IN SHARE MODE')
  return async () => void (await database.query('COMMIT'))
}

/** Every decision about a peer, of which there are as many as it had answers at least, has its one row. */
async function expectAudited(
  federation: Federation,
  { grant: { grantId } }: EnrolledPeer,
  replies: readonly Reply<unknown>[],
): Promise<void> {
  const database = await federation.database('b')
  const decided = (await federation.site.decisions('gateway-b')).filter(
    ({ principal }) => principal?.grantId === grantId,
  )
  const ids = decided.map(({ requestId }) => requestId)
  expect(ids.length).toBeGreaterThanOrEqual(replies.length)
  const look = async () => {
    const [found] = await database.query<{ n: number; all: number }>(
      'SELECT count(DISTINCT request_id)::int AS n, count(*)::int AS all FROM federation_audit_all WHERE request_id = ANY($1)',
      [ids],
    )
    return found!.n === new Set(ids).size && found
  }
  const found = await federation.site.until('every request to have its row', look, { withinMs: filledMs })
  expect(found.all).toBe(found.n)
}

const many = (peer: EnrolledPeer, count: number) => Promise.all(Array.from({ length: count }, () => peer.list('tasks')))

const statements = [
  `UPDATE federation_audit_log SET outcome = 'allowed'`,
  'DELETE FROM federation_audit_log',
  'TRUNCATE federation_audit_log',
  `UPDATE federation_audit_archive SET outcome = 'allowed'`,
  'DELETE FROM federation_audit_archive',
  'TRUNCATE federation_audit_archive',
]

test.for(['gateway', 'gateway_app'])('FED-36: %s changes and removes no row', async (role, { federation }) => {
  const peer = await federation.asPeer('scope-a')
  await federation.audited(await peer.list('tasks'))
  const database = await federation.database('b')
  const rows = async () => (await database.query('SELECT count(*)::int AS n FROM federation_audit_all'))[0]!.n as number
  const before = await rows()

  if (role === 'gateway_app') await database.query('SET ROLE gateway_app')
  for (const statement of statements) {
    await expect(database.query(statement), statement).rejects.toMatchObject({ code: '42501' })
  }
  await database.query('RESET ROLE')
  expect(await rows()).toBeGreaterThanOrEqual(before)
  // And is written to all the same.
  await federation.audited(await peer.list('tasks'))
})

test('FED-36: while no row can be written requests are answered, and all rows are there afterwards', async ({
  federation,
  site,
}) => {
  const peer = await federation.asPeer('scope-a')
  const release = await blocked(federation)
  const replies = await many(peer, 20)
  await release()
  for (const { status, ms } of replies) {
    expect(status).toBe(200)
    expect(ms).toBeLessThan(site.bound(5_000))
  }
  await expectAudited(federation, peer, replies)
})

test('FED-36: what was in memory when the gateway was killed is there afterwards', async ({ federation, site }) => {
  const peer = await federation.asPeer('scope-a')
  const release = await blocked(federation)
  const replies = await many(peer, 20)
  await site.node('gateway-b').kill('gateway')
  await release()
  await restart(federation, 'kill', peer)
  await expectAudited(federation, peer, replies)
})

test('FED-36: what did not fit into memory is told, and is there afterwards', async ({ federation, site }) => {
  const peer = await federation.asPeer('scope-a')
  await putJsonFile<{ audit?: object }>(site, 'gateway-b', places.configuration, (json) => {
    json.audit = { queue: 100 }
  })
  await restart(federation, 'stop', peer)
  const admin = await federation.asAdmin('b')
  const release = await blocked(federation)
  const replies: Reply<unknown>[] = []
  // A certificate may have 32 connections at once.
  while (replies.length < 160) replies.push(...(await many(peer, 20)))
  expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]))
  const { audit } = await admin.ask('status:read')
  expect(audit.dropped).toBeGreaterThan(0)
  await release()
  await expectAudited(federation, peer, replies)
})

test('FED-36: what was moved into the archive is read as before', async ({ federation, site }) => {
  const peer = await federation.asPeer('scope-a')
  const reply = await peer.list('tasks')
  const { request_id: requestId } = await federation.audited(reply)
  const before = new Date(Date.now() + 1_000).toISOString()
  const said = await runOn(
    site,
    'gateway-b',
    ...['service:federation-gateway', '--config', places.configuration, 'audit', 'archive', '--before', before],
  )
  expect(JSON.parse(said).moved).toBeGreaterThan(0)
  const admin = await federation.asAdmin('b')
  const { items } = await admin.ask('audit:read', { query: { grant: peer.grant.grantId } })
  expect(items.filter((item) => item.requestId === requestId)).toMatchObject([{ archived: true, outcome: 'allowed' }])
  await federation.audited(await peer.list('tasks'))
})
