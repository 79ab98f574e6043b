import { expect, putJsonFile, runOn, scenario } from 'holdfast/vitest'
import { doneBy, gatewayCommand, killHalfWay } from '../commands.ts'
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

test('FED-36: a decision log goes on in a new file once it is renamed, and what of both was in memory when the gateway was killed is there afterwards', async ({
  federation,
  site,
}) => {
  const peer = await federation.asPeer('scope-a')
  const release = await blocked(federation)
  const replies = await many(peer, 20)
  const shell = (script: string) => runOn(site, 'gateway-b', 'sh', '-c', script, places.decisions)
  await shell('mv "$0" "$0.1"')
  replies.push(...(await many(peer, 20)))
  expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]))
  expect(Number(await shell('wc -l < "$0"'))).toBeGreaterThanOrEqual(20)
  await site.node('gateway-b').kill('gateway')
  await release()
  await restart(federation, 'kill', peer)
  // Whoever reads it here knows one file, which only grows.
  await shell('umask 077; cat "$0.1" "$0" > "$0.2" && mv "$0.2" "$0" && rm "$0.1"')
  await expectAudited(federation, peer, replies)
})

const archiveBefore = (before: string) => ['audit', 'archive', '--before', before]

/** So many are moved in one transaction. */
const atOnce = 1_000
const archivedAfterDays = 90

/** The row of one call so many times over, by the days that they are old: the database takes what was not there before. */
async function rowsOfBefore(federation: Federation, days: number, count: number): Promise<string> {
  const { request_id: id } = await federation.audited(await (await federation.asPeer('scope-a')).list('tasks'))
  const database = await federation.database('b')
  const prefix = `${days} days ago ${id}`
  await database.query(
    `INSERT INTO federation_audit_log
     SELECT (jsonb_populate_record(one, jsonb_build_object('id', gen_random_uuid(), 'request_id', $1 || ' ' || n,
       'at', now() - make_interval(days => $2, secs => n)))).*
     FROM federation_audit_log one, generate_series(1, $3::int) n WHERE request_id = $4`,
    [prefix, days, count, id],
  )
  return prefix
}

/** All that is told of rows, wherever they are; and how many of them are in the archive. */
async function toldOf(federation: Federation, prefix: string) {
  const rows = await (await federation.database('b')).query<{ row: string; archived: boolean }>(
    `SELECT (to_jsonb(one) - 'archived')::text AS row, archived FROM federation_audit_all one
     WHERE starts_with(request_id, $1) ORDER BY 1`,
    [prefix],
  )
  return { rows: rows.map(({ row }) => row), archived: rows.filter(({ archived }) => archived).length }
}

test('FED-36: what was moved into the archive is read as before', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const reply = await peer.list('tasks')
  const { request_id: requestId } = await federation.audited(reply)
  const before = new Date(Date.now() + 1_000).toISOString()
  const { moved } = await doneBy<{ moved: number }>(gatewayCommand(federation, 'b', archiveBefore(before)))
  expect(moved).toBeGreaterThan(0)
  const admin = await federation.asAdmin('b')
  const { items } = await admin.ask('audit:read', { query: { grant: peer.grant.grantId } })
  expect(items.filter((item) => item.requestId === requestId)).toMatchObject([{ archived: true, outcome: 'allowed' }])
  await federation.audited(await peer.list('tasks'))
})

test('FED-36: an archiving that is killed half-way loses and repeats no row, and goes on where it ended', async ({
  federation,
}) => {
  const old = await rowsOfBefore(federation, 400, 1.5 * atOnce)
  const { rows } = await toldOf(federation, old)
  expect(rows).toHaveLength(1.5 * atOnce)
  // The newest of them is in the second portion.
  const holder = await federation.database('b')
  await holder.query('BEGIN')
  await holder.query(
    'SELECT FROM federation_audit_log WHERE starts_with(request_id, $1) ORDER BY at DESC LIMIT 1 FOR UPDATE',
    [old],
  )
  const before = archiveBefore(new Date(Date.now() - 300 * 86_400_000).toISOString())
  await killHalfWay(federation, 'b', before, holder)
  expect(await toldOf(federation, old)).toEqual({ rows, archived: atOnce })
  await holder.query('COMMIT')

  const isFree = async () => (await gatewayCommand(federation, 'b', before)).code === 0
  await federation.site.until('the archive to be free', isFree, { withinMs: filledMs, everyMs: 250 })
  expect(await toldOf(federation, old)).toEqual({ rows, archived: rows.length })
})

test('FED-36: rows of ninety-one days are in the archive by themselves, and younger ones are not', async ({
  federation,
}) => {
  const peer = await federation.asPeer('scope-a')
  const [old, young] = [
    await rowsOfBefore(federation, archivedAfterDays + 1, 20),
    await rowsOfBefore(federation, archivedAfterDays - 1, 20),
  ]
  const [before, beside] = [await toldOf(federation, old), await toldOf(federation, young)]
  expect([before.archived, beside.archived]).toEqual([0, 0])
  // It looks every hour, and once when it starts.
  await restart(federation, 'stop', peer)

  const isArchived = async () => (await toldOf(federation, old)).archived === 20
  await federation.site.until('them to be in the archive', isArchived, { withinMs: filledMs })
  expect(await toldOf(federation, old)).toEqual({ ...before, archived: 20 })
  expect(await toldOf(federation, young)).toEqual(beside)
})
