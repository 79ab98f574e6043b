import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Database, type Session } from './database.ts'
import { MigrationMismatch, migrate, migrationsOf } from './migrate.ts'
import { MIGRATIONS } from './migrations/index.ts'
import { findStore, startStore } from './start-check.ts'
import { sql } from './statement.ts'
import { type Cluster, startCluster } from './testing/cluster.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster()
}, 120_000)
afterAll(() => cluster[Symbol.asyncDispose]())

const names = MIGRATIONS.map(({ name }) => name)

describe('migrations', () => {
  test('are done once, in their order, however many do them at once', async () => {
    await using database = await cluster.database({ empty: true })
    const done = await Promise.all([migrate(database.owner), migrate(database.owner), migrate(database.owner)])
    // They take turns: what each of them did is in order, and together it is all, once.
    expect(done.flat().sort()).toEqual(names)
    for (const own of done) expect(own).toEqual(own.toSorted())
    expect(await migrate(database.owner)).toEqual([])
    expect((await migrationsOf(database.app))?.map(({ name }) => name)).toEqual(names)
  })

  test('that fail leave nothing, and those before them stay', async () => {
    await using database = await cluster.database()
    const half = { name: '9001-half', sql: 'CREATE TABLE half (id int); SELECT 1 / 0' }
    const good = { name: '9000-good', sql: 'CREATE TABLE good (id int)' }
    await expect(migrate(database.owner, [...MIGRATIONS, good, half])).rejects.toThrow('division by zero')
    const [found] = await database.owner.query(
      sql`SELECT to_regclass('good') IS NOT NULL AS good, to_regclass('half') IS NOT NULL AS half`,
    )
    expect(found).toEqual({ good: true, half: false })
    expect((await migrationsOf(database.owner))?.at(-1)?.name).toBe('9000-good')
  })

  test('that were changed, or are not known, are refused by name before anything is done', async () => {
    await using database = await cluster.database()
    const more = { name: '9000-more', sql: 'CREATE TABLE more (id int)' }
    const changed = MIGRATIONS.map((one) => (one.name === names[1] ? { ...one, sql: `${one.sql} ` } : one))
    await expect(migrate(database.owner, [...changed, more])).rejects.toThrow(
      expect.objectContaining({
        code: 'migration_changed',
        message: expect.stringContaining(`migration ${names[1]} `),
      }),
    )
    await expect(migrate(database.owner, [...MIGRATIONS.slice(0, -1), more])).rejects.toThrow(MigrationMismatch)
    const [found] = await database.owner.query(sql`SELECT to_regclass('more') IS NOT NULL AS there`)
    expect(found).toEqual({ there: false })
  })
})

describe('start.store', () => {
  test('passes a database that is as it must be', async () => {
    await using database = await cluster.database()
    expect(startStore.check(await findStore(database.app))).toBeUndefined()
  })

  test.each<[string, string, RegExp]>([
    ['an unknown migration', `INSERT INTO migrations VALUES ('9999-other', 'x')`, /9999-other .* is not known here; /],
    ['a changed one', `UPDATE migrations SET checksum = 'x' WHERE name = '0003-rows'`, /0003-rows .*another one.*; /],
    ['a missing one', `DELETE FROM migrations WHERE name = '0006-audit'`, /lacks 0006-audit; run gateway migrate/],
    ['no migrations', 'DROP TABLE migrations', /lacks 0001-roles, .*; run gateway migrate/],
    [
      'a right to change the audit',
      'GRANT UPDATE ON federation_audit_log TO gateway_app',
      /\(UPDATE federation_audit_log\)/,
    ],
    [
      'one to empty its archive',
      'GRANT TRUNCATE ON federation_audit_archive TO gateway_app',
      /\(TRUNCATE federation_audit_ar/,
    ],
    [
      'an audit that nothing watches',
      'ALTER TABLE federation_audit_log DISABLE TRIGGER federation_audit_is_append_only',
      /gateway_app .* may change the audit log \(no trigger on federation_audit_log\); /,
    ],
  ])('refuses %s', async (_, spoil, text) => {
    await using database = await cluster.database()
    await database.owner.query({ text: spoil, values: [] })
    const found = await findStore(database.app)
    expect(found.mistake).toMatch(text)
    expect(startStore.check(found)).toEqual({ reason: 'store_unusable', status: null })
  })

  test('refuses the owner as the role of the gateway', async () => {
    await using database = await cluster.database()
    expect((await findStore(database.owner)).mistake).toMatch(/role keeper .* may change the audit log \(DELETE fed/)
  })

  test('refuses a role that is not there, and one that may not even look', async () => {
    await using database = await cluster.database()
    const stranger = database.open({ role: 'nobody_of_that_name' as never })
    expect((await findStore(stranger)).mistake).toMatch(/\(role "nobody_of_that_name" does not .*; run gateway migrate/)
    await database.owner.query(sql`REVOKE SELECT ON migrations FROM gateway_app`)
    expect((await findStore(database.app)).mistake).toMatch(/\(permission denied for table migrations\); run gateway/)
  })

  test('refuses a server that is too old', async () => {
    const answers = (version: number) => ({
      place: 'gateway at db',
      query: async () => [{ version, name: 'x', there: false }] as never,
    })
    expect((await findStore(answers(149_999))).mistake).toMatch(/is PostgreSQL x; name one of version 15 or newer/)
    expect((await findStore(answers(150_000))).mistake).toMatch(/lacks 0001-roles/)
  })

  test('waits for a database, and says what the last answer was when its time is over', async () => {
    await using database = await cluster.database()
    await using nobody = new Database({ url: 'postgres://keeper@127.0.0.1:1/gateway' })
    let pauses = 0
    const late: Session & { place: string } = {
      place: nobody.place,
      query: (statement) => (pauses < 3 ? nobody : database.app).query(statement),
    }
    const pause = async () => void pauses++
    expect(await findStore(late, { pause })).toEqual({ mistake: undefined })
    expect(pauses).toBe(3)
    expect((await findStore(nobody, { withinMs: 0, pause })).mistake).toMatch(
      /^the database gateway at 127\.0\.0\.1:1 does not answer \(ECONNREFUSED\); .*, and has not for 0 s$/,
    )
  })
})
