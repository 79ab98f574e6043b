import { beforeEach, expect, test, vi } from 'vitest'
import { CaError } from '../enrolment/ca-answer.ts'
import type { Session } from '../storage/database.ts'
import { queueUnregistered } from '../storage/revocation.ts'
import { sql } from '../storage/statement.ts'
import type { TestDatabase } from '../storage/testing/cluster.ts'
import { databaseForEach } from '../storage/testing/for-each.ts'
import { makeGrant, makeTenant, type TestGrant } from '../storage/testing/tenant.ts'
import { StoreUnavailable } from '../storage/unavailable.ts'
import { type Revocations, startRevocations } from './revocations.ts'

// What is told to a CA that is scripted here, over a real database.

let database: TestDatabase
let grant: TestGrant
databaseForEach(async (mine) => {
  database = mine
  grant = await makeGrant(mine.app, await makeTenant(mine.owner))
})

/** Serial numbers that the CA was told of, and how many lists were fetched. */
let told: string[]
let looks: number
let isDown: boolean
/** What a list would name that is fetched now. */
let listed: string[]
let warned: string[]
let revocations: Revocations | undefined
beforeEach(() => {
  told = []
  looks = 0
  isDown = false
  listed = told
  warned = []
  revocations = undefined
  return () => revocations?.stop()
})

function start(session: Session = database.app): void {
  revocations = startRevocations({
    session,
    ca: {
      async revoke(serial) {
        if (isDown) throw new CaError('CA_UNREACHABLE', 'the CA')
        told.push(serial)
      },
    },
    keeper: {
      async refresh() {
        looks += 1
        revocations!.inForce({ serials: new Set(listed) })
        return true
      },
    },
    log: { info() {}, warn: (event, fields) => void warned.push(`${event} ${fields?.serial ?? fields?.message}`) },
  })
}

const queue = (serial: string) =>
  queueUnregistered(database.app, { tenantId: grant.tenantId, grantId: grant.grantId, serial, reason: 'a test' })
const states = async () => {
  const rows = await database.app.query<{ serial: string; state: string }>(
    sql`SELECT serial, state FROM federation_revocation_outbox ORDER BY serial`,
  )
  return rows.map(({ serial, state }) => `${serial} ${state}`)
}
const WITHIN = { timeout: 8_000, interval: 20 }

test('more than are told at once are all told, with one list for each portion, and are in force once it names them', async () => {
  const serials = Array.from({ length: 25 }, (_, at) => `a${at.toString(16).padStart(2, '0')}`)
  for (const serial of serials) await queue(serial)
  start()
  await vi.waitFor(async () => expect(await states()).toEqual(serials.map((serial) => `${serial} effective`)), WITHIN)
  expect([told.toSorted(), looks]).toEqual([serials, 2])
})

test('a list that does not name it yet is fetched again until one does', async () => {
  listed = []
  await queue('c1')
  start()
  await vi.waitFor(async () => expect(await states()).toEqual(['c1 revoked']), WITHIN)
  expect(looks).toBe(1)
  listed = ['c1']
  await vi.waitFor(async () => expect(await states()).toEqual(['c1 effective']), WITHIN)
  expect([looks, told]).toEqual([2, ['c1']])
})

test('a CA that is down is asked again, and is warned of once for each certificate', async () => {
  isDown = true
  await queue('d1')
  start()
  const attempts = () =>
    database.app.query(sql`SELECT attempts, last_failure AS failure FROM federation_revocation_outbox`)
  await vi.waitFor(async () => expect(await attempts()).toEqual([{ attempts: 2, failure: 'CA_UNREACHABLE' }]), WITHIN)
  expect([warned, looks, told]).toEqual([['revocation-not-told d1'], 0, []])
  isDown = false
  await vi.waitFor(async () => expect(await states()).toEqual(['d1 effective']), WITHIN)
})

test('a database that is away as a list comes into force learns of it later', async () => {
  let isAway = false
  await queue('e1')
  start({
    query(statement) {
      if (isAway) return Promise.reject(new StoreUnavailable('gateway', new Error('away')))
      // From the moment on at which the CA was told.
      isAway = statement.text.includes(`state = 'revoked'`)
      return database.app.query(statement)
    },
  })
  await vi.waitFor(() => expect(warned).toHaveLength(1), WITHIN)
  expect([await states(), told]).toEqual([['e1 revoked'], ['e1']])
  isAway = false
  await vi.waitFor(async () => expect(await states()).toEqual(['e1 effective']), WITHIN)
})
