import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Database, undo } from './database.ts'
import { Patience } from './patience.ts'
import { sql } from './statement.ts'
import { type Cluster, startCluster, type TestDatabase } from './testing/cluster.ts'
import { StoreUnavailable } from './unavailable.ts'

let cluster: Cluster
let database: TestDatabase
beforeAll(async () => {
  cluster = await startCluster()
  database = await cluster.database()
  await database.owner.query(sql`CREATE TABLE things (id int PRIMARY KEY)`)
}, 120_000)
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
})

/** A machine may be busy with others. */
const until = <Value>(holds: () => Promise<Value>) => vi.waitFor(holds, { timeout: 20_000, interval: 20 })
const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (failure: unknown) => failure,
  )
/** Of a request that waits as long as the database would. */
const request = () => ({ signal: new AbortController().signal, patience: new Patience(10_000) })
const things = async () =>
  (await database.owner.query<{ id: number }>(sql`SELECT id FROM things ORDER BY id`)).map(({ id }) => id)

test('values are parameters, and whole numbers of 64 bits are numbers', async () => {
  const text = `'; DROP TABLE things; --`
  const rows = await database.owner.query(sql`SELECT ${text}::text AS text, ${2 ** 40}::bigint AS number`)
  expect(rows).toEqual([{ text, number: 2 ** 40 }])
})

test('sessions of the gateway begin as gateway_app, and RESET leads to nothing more', async () => {
  await database.app.transaction(async (session) => {
    await session.query(sql`RESET ROLE`)
    expect(await session.query(sql`SELECT current_user::text AS role`)).toEqual([{ role: 'gateway_app' }])
  })
})

test('a session prepares what is asked with values once, and not more of it than it should hold', async () => {
  const session = database.open({ withinMs: 10_000, sessions: 1 })
  const kept = () => session.query<{ statement: string }>(sql`SELECT statement FROM pg_prepared_statements`)
  for (const number of [1, 2]) await session.query(sql`SELECT ${number}::int AS number`)
  expect(await kept()).toEqual([{ statement: 'SELECT $1::int AS number' }])
  for (let at = 0; at < 300; at += 1) await session.query({ text: `SELECT $1::int AS n${at}`, values: [at] })
  expect(await kept()).toHaveLength(200)
  expect(await session.query(sql`SELECT ${7}::int AS unnamed`)).toEqual([{ unnamed: 7 }])
})

describe('a transaction', () => {
  test('is done as a whole', async () => {
    await database.owner.transaction(async (session) => {
      await session.query(sql`INSERT INTO things VALUES (1)`)
      await session.query(sql`INSERT INTO things VALUES (2)`)
    })
    expect(await things()).toEqual([1, 2])
  })

  test('that fails, or is undone, leaves nothing', async () => {
    const failure = new TypeError('ours')
    const failing = database.owner.transaction(async (session) => {
      await session.query(sql`INSERT INTO things VALUES (3)`)
      throw failure
    })
    expect(await failureOf(failing)).toBe(failure)
    const undone = database.owner.transaction(async (session) => {
      await session.query(sql`INSERT INTO things VALUES (3)`)
      return undo('undone')
    })
    expect(await undone).toBe('undone')
    expect(await things()).toEqual([1, 2])
  })

  test('that fails in the database can be followed by another one', async () => {
    const failure = await failureOf(database.owner.transaction((session) => session.query(sql`SELECT 1 / 0`)))
    expect(failure).toMatchObject({ code: '22012' })
    expect(failure).not.toBeInstanceOf(StoreUnavailable)
    expect(await things()).toEqual([1, 2])
  })
})

describe('work that nobody does at the same time', () => {
  const other = () => database.open({ role: 'gateway_app', withinMs: 5_000 })

  test('is done by one of those who would do it, in whatever process, and by the next one after that', async () => {
    const [begun, going] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const first = database.app.exclusively('work', async () => {
      begun.resolve()
      await going.promise
      return 1
    })
    await begun.promise
    expect(await other().exclusively('work', async () => 2)).toBeUndefined()
    expect(await other().exclusively('other work', async () => 2)).toEqual({ result: 2 })
    going.resolve()
    expect(await first).toEqual({ result: 1 })
    expect(await other().exclusively('work', async () => 2)).toEqual({ result: 2 })
  })

  test('fails as it fails, and is then another’s', async () => {
    const failure = new Error('of the work')
    const session = database.open({ role: 'gateway_app', withinMs: 5_000, sessions: 1 })
    const process = () => session.query(sql`SELECT pg_backend_pid() AS pid`)
    const before = await process()
    expect(await failureOf(session.exclusively('work', () => Promise.reject(failure)))).toBe(failure)
    expect(await other().exclusively('work', async () => 2)).toEqual({ result: 2 })
    // It was let go: nobody had to wait until the server had ended the session for it.
    expect(await process()).toEqual(before)
  })

  test('is another’s once the session of who did it is lost', async () => {
    const lost = database.app.exclusively('work', async () => {
      await cluster.superuser.query(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted",
      )
    })
    expect(await failureOf(lost)).toBeInstanceOf(StoreUnavailable)
    // The server gives up what a session held a moment after it has told its end.
    const next = other()
    await until(async () => expect(await next.exclusively('work', async () => 2)).toEqual({ result: 2 }))
  })
})

describe('a database that cannot be asked', () => {
  test('is another thing than a statement that fails', async () => {
    expect(await failureOf(database.app.query(sql`SELECT 1`))).toBeUndefined()
    expect(await failureOf(database.app.query(sql`SELECT 1 / 0`))).not.toBeInstanceOf(StoreUnavailable)
  })

  test('is one where nobody listens, without a word of the login', async () => {
    await using nobody = new Database({ url: 'postgres://keeper:secret@127.0.0.1:1/gateway', withinMs: 500 })
    const failure = await failureOf(nobody.query(sql`SELECT 1`))
    expect(failure).toBeInstanceOf(StoreUnavailable)
    expect((failure as Error).message).toMatch(/^the database gateway at 127\.0\.0\.1:1 does not answer \(ECONNREF/)
    expect(JSON.stringify(failure) + String((failure as Error).cause)).not.toContain('secret')
  })

  test('is one that does not take the login', async () => {
    await using other = new Database({ url: database.url.replace('keeper', 'stranger'), withinMs: 5_000 })
    expect(await failureOf(other.query(sql`SELECT 1`))).toBeInstanceOf(StoreUnavailable)
  })

  test('is one when all sessions are taken, and no later than its time', async () => {
    const small = database.open({ withinMs: 1_000, sessions: 1 })
    const began = performance.now()
    const failures: unknown[] = []
    await failureOf(small.transaction(async () => void failures.push(await failureOf(small.query(sql`SELECT 1`)))))
    const [failure] = failures
    expect(failure).toBeInstanceOf(StoreUnavailable)
    expect(performance.now() - began).toBeLessThan(4_000)
    expect(await small.query(sql`SELECT 1 AS one`)).toEqual([{ one: 1 }])
  })

  test('is one when the share of all sessions is taken, and no later: for whom it is, and for nobody else', async () => {
    const small = database.open({ withinMs: 1_000, sessions: 4 })
    await database.owner.transaction(async (session) => {
      await session.query(sql`LOCK TABLE things`)
      const began = performance.now()
      const ask = () => failureOf(small.shared('one', request()).query(sql`SELECT FROM things`))
      const asked = Array.from({ length: 20 }, ask)
      expect(await small.shared('other', request()).query(sql`SELECT 1 AS one`)).toEqual([{ one: 1 }])
      for (const failure of await Promise.all(asked)) expect(failure).toBeInstanceOf(StoreUnavailable)
      expect(performance.now() - began).toBeLessThan(5_000)
    })
    expect(await small.shared('one', request()).query(sql`SELECT 1 AS one`)).toEqual([{ one: 1 }])
  })

  test('is told nothing by whom a session comes too late for', async () => {
    const small = database.open({ withinMs: 2_000, sessions: 2 })
    const one = small.shared('one', request())
    const released = Promise.withResolvers<void>()
    const held = small.exclusively('held', () => released.promise)
    await expect.poll(() => small.load.open - small.load.idle).toBe(1)
    const began = performance.now()
    const first = one.query(sql`SELECT pg_sleep(0.5)`)
    // It has the session of the first one until nobody waits for the next one any more.
    const between = small.exclusively('between', () =>
      expect.poll(() => performance.now() - began, { timeout: 10_000 }).toBeGreaterThan(2_050),
    )
    const late = failureOf(one.query(sql`INSERT INTO things VALUES (9)`))
    await Promise.all([first, between, late])
    released.resolve()
    await held
    expect(await late).toBeInstanceOf(StoreUnavailable)
    // Each session is as good as before, nobody has it, and nothing was done.
    await expect.poll(() => small.load).toMatchObject({ open: 2, idle: 2, waiting: 0 })
    expect(await things()).not.toContain(9)
  })

  test('is one when a session is still waited for after one’s own turn, and no later', async () => {
    const small = database.open({ withinMs: 4_000, sessions: 2 })
    const one = small.shared('one', request())
    const released = Promise.withResolvers<void>()
    const held = small.exclusively('held', () => released.promise)
    await expect.poll(() => small.load.open - small.load.idle).toBe(1)
    const first = one.query(sql`SELECT pg_sleep(3)`)
    const between = small.exclusively('between', () => released.promise)
    const began = performance.now()
    const failure = await failureOf(one.query(sql`SELECT 1`))
    expect(performance.now() - began).toBeLessThan(6_000)
    expect(failure).toBeInstanceOf(StoreUnavailable)
    released.resolve()
    await Promise.all([first, held, between])
  })

  test('is one for a request that has waited for it as long as it may, whatever each statement took', async () => {
    const session = database.open({ withinMs: 10_000 })
    const patient = session.patiently(new Patience(3_000))
    const ask = () => patient.query(sql`SELECT pg_sleep(2)`)
    expect(await failureOf(ask())).toBeUndefined()
    expect(await failureOf(ask())).toBeInstanceOf(StoreUnavailable)
    expect(await failureOf(patient.transaction(async () => {}))).toBeInstanceOf(StoreUnavailable)
    // Another one is another one's.
    expect(await failureOf(session.patiently(new Patience(10_000)).query(sql`SELECT pg_sleep(2)`))).toBeUndefined()
    const shared = { ...request(), patience: new Patience(3_000) }
    const asked = () => session.shared('one', shared).query(sql`SELECT pg_sleep(2)`)
    expect([await failureOf(asked()), await failureOf(asked())]).toEqual([undefined, expect.any(StoreUnavailable)])
  })

  test('is one for a request whose patience is over before it has its turn', async () => {
    const small = database.open({ withinMs: 10_000, sessions: 4 })
    const first = small.shared('one', request()).query(sql`SELECT pg_sleep(2)`)
    const began = performance.now()
    const second = small.shared('one', { ...request(), patience: new Patience(300) }).query(sql`SELECT 1`)
    expect(await failureOf(second)).toBeInstanceOf(StoreUnavailable)
    expect(performance.now() - began).toBeLessThan(1_500)
    await first
    expect(await small.shared('one', request()).query(sql`SELECT 1 AS one`)).toEqual([{ one: 1 }])
  })

  test('is one for a request whose patience is over before there is a session', async () => {
    const small = database.open({ withinMs: 10_000, sessions: 1 })
    const first = small.query(sql`SELECT pg_sleep(2)`)
    const began = performance.now()
    const ask = () => failureOf(small.patiently(new Patience(300)).query(sql`SELECT 1`))
    for (const failure of await Promise.all([ask(), ask()])) expect(failure).toBeInstanceOf(StoreUnavailable)
    expect(performance.now() - began).toBeLessThan(1_500)
    await first
    expect(await small.query(sql`SELECT 1 AS one`)).toEqual([{ one: 1 }])
  })

  test('is one whose statement waits for a lock, and the server stops waiting, too', async () => {
    const short = database.open({ withinMs: 300 })
    await database.owner.transaction(async (session) => {
      await session.query(sql`LOCK TABLE things`)
      const failure = await failureOf(short.query(sql`INSERT INTO things VALUES (9)`))
      expect(failure).toBeInstanceOf(StoreUnavailable)
      await until(async () => {
        expect(await database.owner.query(sql`SELECT FROM pg_locks WHERE NOT granted`)).toEqual([])
      })
    })
    expect(await things()).toEqual([1, 2])
  })

  test('is one while the server hangs, and is there again when it goes on', async () => {
    const short = database.open({ withinMs: 1_500 })
    await short.query(sql`SELECT 1`)
    const [{ pid }] = (await short.query<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`)) as [{ pid: number }]
    process.kill(pid, 'SIGSTOP')
    const began = performance.now()
    try {
      expect(await failureOf(short.query(sql`SELECT 1`))).toBeInstanceOf(StoreUnavailable)
      expect(performance.now() - began).toBeLessThan(5_000)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    expect(await short.query(sql`SELECT 1 AS one`)).toEqual([{ one: 1 }])
  })

  test('is one while the server is down, in the middle of a transaction too, and needs no restart', async () => {
    const app = database.open({ role: 'gateway_app', withinMs: 5_000 })
    await app.query(sql`SELECT 1`)
    const torn = app.transaction(async (session) => {
      await session.query(sql`SELECT 1`)
      await cluster.kill()
      await session.query(sql`SELECT 1`)
    })
    expect(await failureOf(torn)).toBeInstanceOf(StoreUnavailable)
    expect(await failureOf(app.query(sql`SELECT 1`))).toBeInstanceOf(StoreUnavailable)
    await cluster.start()
    expect(await app.query(sql`SELECT 1 AS one`)).toEqual([{ one: 1 }])
  })
})
