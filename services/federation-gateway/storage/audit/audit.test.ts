import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Decision, type DecisionLog, openDecisionLog } from '../../../shared/decision-log.ts'
import type { Session } from '../database.ts'
import { setting } from '../settings.ts'
import { sql } from '../statement.ts'
import { type Cluster, startCluster, type TestDatabase } from '../testing/cluster.ts'
import { makeAuditRow } from '../testing/tenant.ts'
import { StoreUnavailable } from '../unavailable.ts'
import { archiveAudit } from './archive.ts'
import { type AuditedDecision, auditRowOf } from './decision.ts'
import { insertAudit, readAudit } from './rows.ts'
import { AuditWriter } from './writer.ts'

let cluster: Cluster
let database: TestDatabase
let folder: string
beforeAll(async () => {
  cluster = await startCluster()
}, 120_000)
beforeEach(async () => {
  database = await cluster.database()
  folder = await mkdtemp(join(tmpdir(), 'holdfast-audit-'))
  return async () => {
    await database[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
})
afterAll(() => cluster[Symbol.asyncDispose]())

const rowsIn = async (table = 'federation_audit_log') =>
  (
    await database.app.query<{ id: string }>({
      text: `SELECT request_id AS id FROM ${table} ORDER BY at, id`,
      values: [],
    })
  ).map(({ id }) => id)

describe('the audit', () => {
  const refused = [
    [`UPDATE federation_audit_log SET reason = 'x'`],
    ['DELETE FROM federation_audit_log'],
    ['TRUNCATE federation_audit_log'],
    [`UPDATE federation_audit_archive SET reason = 'x'`],
    ['DELETE FROM federation_audit_archive'],
    ['TRUNCATE federation_audit_archive'],
    ['DROP TABLE federation_audit_log CASCADE'],
    ['ALTER TABLE federation_audit_log DISABLE TRIGGER ALL'],
  ]
  test.each(refused)('is append-only for the gateway: %s', async (text) => {
    const row = makeAuditRow()
    expect(await insertAudit(database.app, [row])).toBe(1)
    await expect(database.app.query({ text, values: [] })).rejects.toMatchObject({ code: '42501' })
    expect(await rowsIn()).toEqual([row.requestId])
  })

  test.each(refused.slice(0, 6))('is append-only for its owner, too: %s', async (text) => {
    await expect(database.owner.query({ text, values: [] })).rejects.toThrow(/is append-only: \w+ is refused/)
  })

  test('is moved by the archiver, and by him only moved', async () => {
    const archiver = database.open({ role: 'gateway_archiver', withinMs: 10_000 })
    await insertAudit(database.app, [makeAuditRow()])
    for (const text of ['TRUNCATE federation_audit_log', `UPDATE federation_audit_log SET reason = 'x'`]) {
      await expect(archiver.query({ text, values: [] })).rejects.toMatchObject({ code: '42501' })
    }
    await expect(archiver.query(sql`DELETE FROM federation_audit_archive`)).rejects.toMatchObject({ code: '42501' })
    await expect(insertAudit(archiver, [makeAuditRow()])).rejects.toMatchObject({ code: '42501' })
    await expect(archiver.query(sql`SELECT FROM tasks`)).rejects.toMatchObject({ code: '42501' })
    expect(await archiver.query(sql`DELETE FROM federation_audit_log`)).toEqual([])
    // Not even with a right that somebody gave him.
    await database.owner.query(sql`GRANT DELETE ON federation_audit_archive TO gateway_archiver`)
    await expect(archiver.query(sql`DELETE FROM federation_audit_archive`)).rejects.toThrow(/is append-only: DELETE/)
  })

  test('has one row for each request, and takes none that is in the archive', async () => {
    const [row, old] = [makeAuditRow(), makeAuditRow({ at: '2020-01-01T00:00:00Z' })]
    const inserted = await Promise.all(Array.from({ length: 8 }, () => insertAudit(database.app, [row, old])))
    expect(inserted.reduce((sum, rows) => sum + rows)).toBe(2)
    const archiver = database.open({ role: 'gateway_archiver', withinMs: 10_000 })
    expect(await archiveAudit(archiver, new Date('2021-01-01'))).toBe(1)
    expect(await insertAudit(database.app, [row, old])).toBe(0)
    expect(await rowsIn()).toEqual([row.requestId])
    expect(await rowsIn('federation_audit_archive')).toEqual([old.requestId])
  })

  test('is read from log and archive, newest first, each tenant its own', async () => {
    const [tenantId, grantId] = [crypto.randomUUID() as string, crypto.randomUUID() as string]
    const at = (second: number) => `2026-01-31T09:00:0${second}.000001Z`
    const rows = [
      makeAuditRow({ at: at(1), tenantId, grantId }),
      makeAuditRow({ at: at(2), tenantId }),
      makeAuditRow({ at: at(3), tenantId: crypto.randomUUID() }),
      makeAuditRow({ at: at(4), tenantId, grantId }),
    ]
    await insertAudit(database.app, rows)
    await archiveAudit(database.open({ role: 'gateway_archiver', withinMs: 10_000 }), new Date(at(2)))
    const read = async (query: object) =>
      (await readAudit(database.app, { limit: 10, ...query })).map(
        ({ requestId }) => rows.findIndex((row) => row.requestId === requestId) + 1,
      )
    expect(await read({})).toEqual([4, 3, 2, 1])
    expect(await read({ tenantId })).toEqual([4, 2, 1])
    expect(await read({ tenantId, grantId })).toEqual([4, 1])
    expect(await read({ tenantId, since: at(2) })).toEqual([4, 2])
    expect(await read({ tenantId, limit: 1, below: { at: at(4), id: rows[3]!.id } })).toEqual([2])
    const [newest] = await readAudit(database.app, { limit: 1 })
    expect(newest).toEqual({ ...rows[3], archived: false })
  })
})

describe('the archive', () => {
  test('that was interrupted goes on where it was, and loses and repeats nothing', async () => {
    const rows = Array.from({ length: 2_300 }, () => makeAuditRow({ at: '2020-01-01T00:00:00Z' }))
    const before = new Date('2021-01-01')
    await insertAudit(database.app, [...rows, makeAuditRow({ at: before.toISOString() })])
    const archiver = database.open({ role: 'gateway_archiver', withinMs: 10_000 })
    const killed = archiveAudit(archiver, before, () => {
      throw new Error('killed')
    })
    await expect(killed).rejects.toThrow('killed')
    expect(await rowsIn('federation_audit_archive')).toHaveLength(1_000)
    expect(await rowsIn('federation_audit_all')).toHaveLength(2_301)
    // In the middle of a batch, by the server.
    const [{ pid }] = (await archiver.query(sql`SELECT pg_backend_pid() AS pid`)) as [{ pid: number }]
    await database.owner.transaction(async (session) => {
      await session.query(sql`LOCK TABLE federation_audit_archive IN ACCESS EXCLUSIVE MODE`)
      const torn = archiveAudit(archiver, before)
      const settled = torn.catch((failure: unknown) => failure)
      await vi.waitFor(async () => {
        const waiting = await database.owner.query(sql`SELECT FROM pg_locks WHERE NOT granted AND pid = ${pid}::int`)
        expect(waiting).toHaveLength(1)
      })
      await cluster.superuser.query('SELECT pg_terminate_backend($1)', [pid])
      expect(await settled).toMatchObject({ code: 'database_unavailable' })
    })
    expect(await rowsIn('federation_audit_all')).toHaveLength(2_301)

    expect(await archiveAudit(archiver, before)).toBe(1_300)
    expect(await archiveAudit(archiver, before)).toBe(0)
    expect((await rowsIn('federation_audit_archive')).toSorted()).toEqual(
      rows.map(({ requestId }) => requestId).toSorted(),
    )
    expect(await rowsIn()).toHaveLength(1)
  })

  test('is made by one at a time', async () => {
    await database.owner.transaction(async (session) => {
      await session.query(sql`SELECT pg_advisory_xact_lock(4118522371::bigint)`)
      const archiver = database.open({ role: 'gateway_archiver', withinMs: 10_000 })
      expect(await archiveAudit(archiver, new Date())).toBeUndefined()
    })
  })
})

describe('the writer', () => {
  let log: DecisionLog
  let file: string
  beforeEach(() => {
    file = join(folder, 'decisions.jsonl')
    log = openDecisionLog(file, { node: 'b', unit: 'gateway' })
    return () => log.close()
  })
  const start = async (options: { session?: Session; capacity?: number; onRejected?: () => void } = {}) => {
    const writer = await AuditWriter.start({ session: database.app, decisionLog: file, name: 'b/gateway', ...options })
    onTestFinished(() => writer.close(0))
    return writer
  }
  const decision = (change: Partial<AuditedDecision> = {}): AuditedDecision => ({
    ...{ conn: '', listener: 'federation', requestId: crypto.randomUUID(), action: 'federation:list/tasks' },
    ...{ verdict: 'accepted', layer: 'http', status: 200, error: null, guard: null, reason: null, target: 'b', ms: 1 },
    ...{ principal: { grantId: crypto.randomUUID(), serial: 'abc' }, rowsOut: 3 },
    audit: { direction: 'inbound', verb: 'list', resource: 'tasks' },
    ...change,
  })
  /** A request: recorded, answered, told. */
  const ask = (writer: AuditWriter, change: Partial<AuditedDecision> = {}, isTold = true) => {
    const decided = decision(change)
    const entry = writer.open(decided.requestId)
    log.record(decided)
    if (isTold) entry.settle(auditRowOf(decided, new Date().toISOString(), { bytesOut: 7 }))
    return decided.requestId
  }
  const settled = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 10_000, interval: 20 })
  const position = async () => (await setting<{ offset: number }>(database.app, 'audit-position-b/gateway'))?.offset

  test('makes a row visible within a second, with all that is known of the request', async () => {
    const writer = await start()
    const requestId = ask(writer)
    const began = performance.now()
    await settled(async () => expect(await rowsIn()).toEqual([requestId]))
    expect(performance.now() - began).toBeLessThan(1_000)
    expect(await readAudit(database.app, { limit: 1 })).toMatchObject([
      { requestId, verb: 'list', resource: 'tasks', outcome: 'allowed', certSerial: 'abc', rowsOut: 3, bytesOut: 7 },
    ])
    expect(writer.state).toMatchObject({ queued: 0, stored: 1, dropped: 0, isBehind: false, failingSince: undefined })
  })

  test('says each outcome, and keeps nothing that a caller wrote', () => {
    const of = (change: Partial<AuditedDecision>, sent = {}) =>
      auditRowOf(decision(change), '2026-01-31T09:00:00Z', sent)
    const denied = { verdict: 'refused', status: 403, reason: 'grant_revoked' } as const
    expect(of(denied)).toMatchObject({ outcome: 'denied', status: 403, reason: 'grant_revoked' })
    expect(of({ verdict: 'refused', status: 503 }).outcome).toBe('error')
    expect(of({}, { isAborted: true }).outcome).toBe('aborted')
    expect(of({ audit: { direction: 'inbound', verb: 'enrol', outcome: 'failed' } }).outcome).toBe('failed')
    const audit = { direction: 'inbound', verb: 'list', resource: 'marker' } as const
    expect(of({ audit, principal: {} })).toMatchObject({ resource: null, grantId: null, certSerial: null })
    // RFC 9562: its first 48 bits are the time.
    expect(of({}).id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(Number.parseInt(of({}).id.replaceAll('-', '').slice(0, 12), 16)).toBe(Date.parse('2026-01-31T09:00:00Z'))
  })

  test('drops and counts what the queue cannot take, waits for nobody, and finds it again in the decision log', async () => {
    const writer = await start({ capacity: 50 })
    const asked: string[] = []
    for (let at = 0; at < 2_000; at++) asked.push(ask(writer))
    expect(writer.state).toMatchObject({ queued: 50, dropped: 1_950, isBehind: true })
    await settled(() => expect(writer.state).toMatchObject({ queued: 0, isBehind: false }))
    expect((await rowsIn()).toSorted()).toEqual(asked.toSorted())
    expect(writer.state).toMatchObject({ stored: 50, refilled: 1_950, rejected: 0 })
  })

  test('keeps its rows while the database cannot take them, and says since when', async () => {
    const short = database.open({ role: 'gateway_app', withinMs: 150 })
    const writer = await start({ session: short })
    let asked = ''
    await database.owner.transaction(async (session) => {
      await session.query(sql`LOCK TABLE federation_audit_log`)
      asked = ask(writer)
      await settled(() => expect(writer.state.failingSince).toBeInstanceOf(Date))
    })
    await settled(async () => expect(await rowsIn()).toEqual([asked]))
    // Its rows are there before it has heard so.
    await settled(() => expect(writer.state).toMatchObject({ queued: 0, failingSince: undefined }))
  })

  test('that was killed is followed by one that makes the missing rows of the decision log, once', async () => {
    let isKilled = false
    const dying: Session = {
      query: (statement) =>
        isKilled ? Promise.reject(new StoreUnavailable('b', undefined)) : database.app.query(statement),
    }
    const first = await start({ session: dying })
    const stored = ask(first)
    await settled(async () => expect(await rowsIn()).toEqual([stored]))
    isKilled = true
    // Neither its queue nor a request that was under way comes to the database.
    const lost = [ask(first), ask(first, {}, false)]
    const second = await start()
    await settled(() => expect(second.state.isBehind).toBe(false))
    expect((await rowsIn()).toSorted()).toEqual([stored, ...lost].toSorted())
    expect(second.state.refilled).toBe(2)
  })

  test('notes no place beyond a request that is under way', async () => {
    const writer = await start()
    ask(writer)
    await settled(async () => expect(await rowsIn()).toHaveLength(1))
    const decided = decision()
    writer.open(decided.requestId)
    log.record(decided)
    for (let at = 0; at < 10; at++) ask(writer)
    await settled(async () => expect(await rowsIn()).toHaveLength(11))
    await writer.close()
    const before = await position()
    const next = await start()
    await settled(async () => expect(await rowsIn()).toHaveLength(12))
    await next.close()
    expect(await position()).toBeGreaterThan(before!)
  })

  test('reads a log from its beginning where another file is in its place, and passes by what is torn or not its own', async () => {
    const writer = await start()
    ask(writer)
    await writer.close()
    log.close()
    await rm(file)
    const [one, other] = [decision(), decision()]
    const { audit: _, ...plain } = decision()
    const line = (value: object) => `${JSON.stringify({ ts: '2026-01-31T09:00:00.000Z', seq: 1, ...value })}\n`
    writeFileSync(file, line(one))
    appendFileSync(file, `{"torn\n${line(plain as Decision)}${line(other)}`)
    appendFileSync(file, '{"ts":"half')
    log = openDecisionLog(join(folder, 'unused.jsonl'), { node: 'b', unit: 'gateway' })
    const next = await start()
    await settled(() => expect(next.state.isBehind).toBe(false))
    expect(await rowsIn()).toEqual(expect.arrayContaining([one.requestId, other.requestId]))
    expect(await rowsIn()).toHaveLength(3)
  })

  describe('of a log that is renamed', () => {
    const unknown = () => Promise.reject(new StoreUnavailable('b', undefined))
    const rotate = (to: number) => renameSync(file, `${file}.${to}`)
    const noted = () => setting<{ head: string; offset: number }>(database.app, 'audit-position-b/gateway')

    test('takes what comes before there is another one, and what comes into that', async () => {
      const writer = await start()
      const asked = [ask(writer)]
      rotate(1)
      for (let at = 0; at < 3; at++) asked.push(ask(writer))
      await settled(async () => expect(await rowsIn()).toHaveLength(4))
      await writer.close()
      expect((await rowsIn()).toSorted()).toEqual(asked.toSorted())
      expect(await noted()).toEqual({ head: expect.stringMatching(/^[0-9a-f]{64}$/), offset: statSync(file).size })
    })

    test('finds again what it dropped, in each of the files', async () => {
      const writer = await start({ capacity: 50 })
      const asked: string[] = []
      for (const to of [1, 2, 3]) {
        for (let at = 0; at < 300; at++) asked.push(ask(writer))
        rotate(to)
      }
      expect(writer.state).toMatchObject({ queued: 50, dropped: 850 })
      // Whatever becomes of the names: the gateway is at work on them.
      for (const to of [1, 2, 3]) await rm(`${file}.${to}`)
      await settled(() => expect(writer.state).toMatchObject({ queued: 0, isBehind: false, refilled: 850 }))
      expect((await rowsIn()).toSorted()).toEqual(asked.toSorted())
    })

    /** Renamed before its record, which begins another one, and again before anybody looks. */
    const askBetween = (writer: AuditWriter) => {
      const decided = decision()
      const entry = writer.open(decided.requestId)
      rotate(1)
      log.record(decided)
      rotate(2)
      entry.settle(auditRowOf(decided, new Date().toISOString(), { bytesOut: 7 }))
      return decided.requestId
    }

    test.each([
      ['and there is none yet that has its name', 0],
      ['and another one is begun', 2],
    ])('twice between two requests finds again what stands in the file between, %s', async (_, later) => {
      // What was there before is none of it.
      writeFileSync(`${file}.9`, `${JSON.stringify({ ts: '2026-01-31T09:00:00.000Z', ...decision() })}\n`)
      utimesSync(`${file}.9`, 1, 1)
      const writer = await start({ capacity: 1 })
      const asked = [ask(writer), askBetween(writer)]
      for (let at = 0; at < later; at++) asked.push(ask(writer))
      expect(writer.state).toMatchObject({ queued: 1, dropped: 1 + later })
      await settled(() => expect(writer.state).toMatchObject({ queued: 0, isBehind: false, refilled: 1 + later }))
      expect((await rowsIn()).toSorted()).toEqual(asked.toSorted())
      asked.push(ask(writer))
      await settled(async () => expect(await rowsIn()).toHaveLength(asked.length))
      await writer.close()
      const [first] = readFileSync(file, 'utf8').split('\n') as [string]
      const head = createHash('sha256').update(first).digest('hex')
      expect(await noted()).toEqual({ head, offset: statSync(file).size })
    })

    test('twice between two requests of a process that was killed is found by the next one', async () => {
      let isKilled = false
      const dying: Session = { query: (asked) => (isKilled ? unknown() : database.app.query(asked)) }
      const first = await start({ session: dying })
      const stored = ask(first)
      await settled(async () => expect((await noted())?.offset).toBe(statSync(file).size))
      isKilled = true
      const lost = [askBetween(first), ask(first)]
      const second = await start()
      await settled(() => expect(second.state.isBehind).toBe(false))
      expect((await rowsIn()).toSorted()).toEqual([stored, ...lost].toSorted())
    })

    test('that was killed is followed by one that finds the file where its place is, and what came after', async () => {
      let isKilled = false
      const dying: Session = { query: (asked) => (isKilled ? unknown() : database.app.query(asked)) }
      // What lies beside it and is of before, or of somebody else, is none of it.
      writeFileSync(`${file}.9`, `${JSON.stringify({ ts: '2026-01-31T09:00:00.000Z', ...decision() })}\n`)
      const first = await start({ session: dying })
      const stored = ask(first)
      await settled(async () => expect((await noted())?.offset).toBe(statSync(file).size))
      isKilled = true
      const lost = [ask(first), ask(first, {}, false)]
      for (const to of [1, 2]) {
        rotate(to)
        lost.push(ask(first), ask(first))
      }
      const second = await start()
      await settled(() => expect(second.state.isBehind).toBe(false))
      expect((await rowsIn()).toSorted()).toEqual([stored, ...lost].toSorted())
      expect(second.state.refilled).toBe(6)
    })

    test('leaves it to the log to fail where no other one can be begun, and goes on once one can', async () => {
      const writer = await start()
      const asked = [ask(writer)]
      rotate(1)
      await symlink(file, file)
      const entry = writer.open(crypto.randomUUID())
      expect(() => log.record(decision())).toThrow(/ELOOP/)
      entry.cancel()
      await rm(file)
      asked.push(ask(writer))
      await settled(async () => expect((await rowsIn()).toSorted()).toEqual(asked.toSorted()))
    })

    test('notes a place in the old one for as long as there is no record in the new one', async () => {
      const writer = await start()
      const asked = [ask(writer)]
      await settled(async () => expect(await rowsIn()).toHaveLength(1))
      rotate(1)
      writeFileSync(file, '')
      await writer.close()
      expect(await position()).toBe(statSync(`${file}.1`).size)
      // In a process that ended before it noted anything.
      asked.push(
        ask(
          await start({
            session: { query: (one) => (one.text.startsWith('SELECT') ? database.app.query(one) : unknown()) },
          }),
        ),
      )
      rotate(2)
      writeFileSync(file, '')
      const last = await start()
      await settled(() => expect(last.state.isBehind).toBe(false))
      expect((await rowsIn()).toSorted()).toEqual(asked.toSorted())
    })
  })

  test('loses one row that the database refuses, and none beside it', async () => {
    const rejected: string[] = []
    const writer = await start({ onRejected: (...[id]: unknown[]) => void rejected.push(id as string) })
    const bad = randomBytes(4).toString('hex')
    const asked = Array.from({ length: 7 }, (_, at) =>
      ask(writer, at === 3 ? { requestId: bad, principal: { grantId: 'x' } } : {}),
    )
    await settled(async () => expect(await rowsIn()).toHaveLength(6))
    expect(rejected).toEqual([bad])
    expect(await rowsIn()).toEqual(expect.arrayContaining(asked.filter((id) => id !== bad)))
  })

  test('stores what is left when it is closed', async () => {
    const writer = await start()
    const asked = Array.from({ length: 1_200 }, () => ask(writer))
    await writer.close()
    expect((await rowsIn()).toSorted()).toEqual(asked.toSorted())
  })
})
