import { describe, expect, test } from 'vitest'
import { makeToken } from '../enrolment/token.ts'
import {
  admitBootstrapToken,
  endOtherBootstrapTokens,
  findBearer,
  storeAdminToken,
  storeUserToken,
  withdrawToken,
} from './bearer-tokens.ts'
import { sql } from './statement.ts'
import type { TestDatabase } from './testing/cluster.ts'
import { databaseForEach } from './testing/for-each.ts'
import { makeTenant, type TestTenant } from './testing/tenant.ts'
import { createUser, deleteUser, listUsers } from './users.ts'

let database: TestDatabase
let tenant: TestTenant
databaseForEach(async (mine) => {
  database = mine
  tenant = await makeTenant(mine.owner)
})

const hash = () => makeToken().sha256
const find = (sha256: string) => findBearer(database.app, sha256)

test('a token says what it is for, and whose it is', async () => {
  const { tenantId, alice } = tenant
  const [operator, admin, user] = [hash(), hash(), hash()]
  const expiresAt = new Date('2026-01-31T09:00:00Z')
  await storeAdminToken(database.app, { name: 'ops', sha256: operator, expiresAt })
  await storeAdminToken(database.app, { tenantId, name: 'admin', sha256: admin, expiresAt: null })
  await storeUserToken(database.app, { tenantId, userId: alice, sha256: user, expiresAt: null })
  expect(await find(operator)).toMatchObject({ kind: 'operator', tenantId: null, expiresAt, withdrawnAt: null })
  expect(await find(admin)).toMatchObject({ kind: 'tenant', tenantId, expiresAt: null })
  expect(await find(user)).toMatchObject({ kind: 'user', tenantId, userId: alice })
  expect(await find(hash())).toBeUndefined()
  // What is stored is no token.
  await expect(storeAdminToken(database.app, { name: 'x', sha256: 'token', expiresAt: null })).rejects.toThrow(/check/)
})

test('a token is withdrawn by its own tenant alone', async () => {
  const { tenantId, alice } = tenant
  const other = await makeTenant(database.owner)
  const sha256 = hash()
  const id = (await storeUserToken(database.app, { tenantId, userId: alice, sha256, expiresAt: null }))!
  for (const stranger of [{ tenantId: other.tenantId }, {}]) {
    expect(await withdrawToken(database.app, { ...stranger, id })).toBe(false)
  }
  expect(await find(sha256)).toMatchObject({ withdrawnAt: null })
  expect(await withdrawToken(database.app, { tenantId, id })).toBe(true)
  const { withdrawnAt } = (await find(sha256))!
  expect(withdrawnAt).toBeInstanceOf(Date)
  expect(await withdrawToken(database.app, { tenantId, id })).toBe(true)
  expect(await find(sha256)).toMatchObject({ withdrawnAt })

  const operator = await storeAdminToken(database.app, { name: 'ops', sha256: hash(), expiresAt: null })
  expect(await withdrawToken(database.app, { tenantId, id: operator })).toBe(false)
  expect(await withdrawToken(database.app, { id: operator })).toBe(true)
})

describe('the operator token of the configuration', () => {
  /** As a gateway with this file starts: does it count, and did it end another one? */
  const start = async (sha256?: string) => {
    const counts = sha256 === undefined ? undefined : await admitBootstrapToken(database.app, sha256)
    return { counts, ended: await endOtherBootstrapTokens(database.app, sha256) }
  }
  const counts = async (sha256: string) => (await find(sha256))?.withdrawnAt === null

  test('counts as long as it stands there, and once it is replaced no more', async () => {
    const [first, second] = [hash(), hash()]
    for (const when of ['first', 'again']) expect(await start(first), when).toEqual({ counts: true, ended: false })
    expect(await find(first)).toMatchObject({ kind: 'operator', withdrawnAt: null })
    expect(await start(second)).toEqual({ counts: true, ended: true })
    expect([await counts(first), await counts(second)]).toEqual([false, true])
    expect(await start(first)).toEqual({ counts: false, ended: true })
    expect([await counts(first), await counts(second)]).toEqual([false, false])
  })

  test('is set aside by a start without it, and comes back with its file', async () => {
    const sha256 = hash()
    await start(sha256)
    expect(await start()).toEqual({ counts: undefined, ended: true })
    expect(await counts(sha256)).toBe(false)
    expect(await start()).toEqual({ counts: undefined, ended: false })
    expect(await start(sha256)).toEqual({ counts: true, ended: false })
    expect(await counts(sha256)).toBe(true)
    // As well as before: another one in its place ends it.
    await start(hash())
    expect(await start(sha256)).toMatchObject({ counts: false })
  })

  test('is touched by no start that comes to nothing, and neither is the one of that start', async () => {
    const [first, second] = [hash(), hash()]
    await start(first)
    expect(await admitBootstrapToken(database.app, second)).toBe(true)
    expect([await counts(first), await counts(second)]).toEqual([true, true])
    expect(await start(first)).toEqual({ counts: true, ended: true })
    expect([await counts(first), await counts(second)]).toEqual([true, false])
    expect(await start(second)).toEqual({ counts: true, ended: true })
  })

  test.each(['in use', 'set aside'])(
    'that was withdrawn while it was %s stays so, whatever the configuration says',
    async (was) => {
      const sha256 = hash()
      await start(sha256)
      if (was === 'set aside') await start()
      const { id } = (await find(sha256))!
      expect(await withdrawToken(database.app, { id })).toBe(true)
      const { withdrawnAt } = (await find(sha256))!
      expect(withdrawnAt).toBeInstanceOf(Date)
      expect(await start(sha256)).toEqual({ counts: false, ended: false })
      expect(await find(sha256)).toMatchObject({ withdrawnAt })
      // Another one in its place is good, and neither ends those that operators have made.
      const made = hash()
      await storeAdminToken(database.app, { name: 'ops', sha256: made, expiresAt: null })
      expect(await start(hash())).toEqual({ counts: true, ended: false })
      expect(await counts(made)).toBe(true)
    },
  )
})

test('users are of one name in a tenant; with one that is deleted go its tokens, and its name is free', async () => {
  const { tenantId } = tenant
  const carol = { tenantId, name: 'carol', displayName: 'Carol' }
  const made = (await createUser(database.app, carol))!
  expect(await createUser(database.app, carol)).toBeUndefined()
  const sha256 = hash()
  await storeUserToken(database.app, { tenantId, userId: made.id, sha256, expiresAt: null })
  const other = await makeTenant(database.owner)
  expect(
    await storeUserToken(database.app, { ...other, userId: made.id, sha256: hash(), expiresAt: null }),
  ).toBeUndefined()
  expect((await listUsers(database.app, tenant)).map(({ name }) => name)).toEqual(['alice', 'bob', 'carol'])
  expect(await deleteUser(database.app, { tenantId: other.tenantId, id: made.id })).toBeUndefined()
  expect(await deleteUser(database.app, { tenantId, id: made.id })).toEqual({ peers: [] })
  expect(await find(sha256)).toMatchObject({ withdrawnAt: expect.any(Date) })
  expect(
    await storeUserToken(database.app, { tenantId, userId: made.id, sha256: hash(), expiresAt: null }),
  ).toBeUndefined()
  expect((await listUsers(database.app, tenant)).map(({ name }) => name)).toEqual(['alice', 'bob'])
  expect(await createUser(database.app, carol)).toBeDefined()
  const [{ rows }] = (await database.app.query(sql`SELECT count(*) AS rows FROM users`)) as [{ rows: number }]
  expect(rows).toBe(6)
})
