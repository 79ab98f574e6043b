import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Keyring } from '../sealing/keyring.ts'
import {
  addOutboundPeer,
  callablePeers,
  getOutboundPeer,
  moveLocked,
  moveOutboundPeer,
  noteContact,
  outboundPeersOf,
  peersToAsk,
  removeOutboundPeer,
} from './outbound-peers.ts'
import { dropKey, keysByKid, promotePending, readKey, resealKeys, storePendingKey } from './peer-keys.ts'
import { changeRootPin, databaseSalt, recordedRootPin, rootPin } from './settings.ts'
import { sql } from './statement.ts'
import type { TestDatabase } from './testing/cluster.ts'
import { databaseForEach, many } from './testing/for-each.ts'
import { makeTenant, type TestTenant } from './testing/tenant.ts'
import { deleteUser } from './users.ts'

let database: TestDatabase
let tenant: TestTenant
databaseForEach(async (mine) => {
  database = mine
  tenant = await makeTenant(mine.owner)
})

const add = (commonName = 'b.test', ownerUserId = tenant.alice) =>
  addOutboundPeer(database.app, {
    ...{ tenantId: tenant.tenantId, ownerUserId, commonName, caPem: null },
    enrollmentUrl: 'https://b.test:8443/',
  })
const move = (id: string, event: Parameters<typeof moveOutboundPeer>[1]['event'], more: object = {}) =>
  moveOutboundPeer(database.app, { tenantId: tenant.tenantId, id, event, ...more })

const certificate = (serial: string) => ({
  certPem: 'c',
  chainPem: 'h',
  serial,
  notAfter: new Date(Date.now() + 1000),
})

describe('an outbound peer', () => {
  test('is its owner’s alone, one of a name at a time', async () => {
    const { tenantId, alice, bob } = tenant
    const added = (await many(() => add())).filter((peer) => peer !== undefined)
    expect(added).toHaveLength(1)
    expect(await add('b.test', bob)).toBeDefined()
    const mine = await outboundPeersOf(database.app, { tenantId, ownerUserId: alice, commonName: 'b.test' })
    expect(mine.map(({ id }) => id)).toEqual([added[0]!.id])
    const other = await makeTenant(database.owner)
    expect(await getOutboundPeer(database.app, { tenantId: other.tenantId, id: added[0]!.id })).toBeUndefined()
    expect(await outboundPeersOf(database.app, { tenantId: other.tenantId, ownerUserId: alice })).toEqual([])
    expect(await removeOutboundPeer(database.app, { tenantId: other.tenantId, id: added[0]!.id })).toBe(false)
    await expect(add('c.test', other.alice)).rejects.toThrow(/foreign key/)
  })

  test('moves as the states say', async () => {
    const { id } = (await add())!
    expect(await move(id, 'renewed')).toEqual({ state: undefined, why: 'peer_state' })
    const enrolledAt = {
      federationUrl: 'https://b.test:8444',
      ...{ remoteGrantId: crypto.randomUUID(), remoteSubjectUserId: crypto.randomUUID() },
    }
    expect(await move(id, 'enrol', { enrolledAt })).toEqual({ state: 'active', changed: true })
    expect(await move(id, 'renewal-failed', { reason: 'ca' })).toEqual({ state: 'degraded', changed: true })
    expect(await move(id, 'renewal-failed', { reason: 'ca' })).toEqual({ state: 'degraded', changed: false })
    await noteContact(database.app, { tenantId: tenant.tenantId, id, failure: 'peer_timeout' })
    const found = await getOutboundPeer(database.app, { tenantId: tenant.tenantId, id })
    expect(found).toMatchObject({
      ...enrolledAt,
      state: 'degraded',
      stateReason: 'ca',
      lastFailureReason: 'peer_timeout',
    })
    expect(await move(id, 'listed')).toEqual({ state: 'revoked', changed: true })
    expect(await move(crypto.randomUUID(), 'listed')).toEqual({ state: undefined, why: 'absent' })
  })

  test('that has ended makes way for another one of its name, and comes back only when that one has ended, too', async () => {
    const first = (await add())!
    await move(first.id, 'enrol')
    await move(first.id, 'leaf-ended')
    const second = (await add())!
    await move(second.id, 'enrol')
    expect(await move(first.id, 'enrol')).toEqual({ state: undefined, why: 'peer_exists' })
    const { tenantId, alice } = tenant
    const found = await outboundPeersOf(database.app, { tenantId, ownerUserId: alice })
    expect(found.map(({ id }) => id)).toEqual([second.id, first.id])
    await move(second.id, 'listed')
    expect(await move(first.id, 'enrol')).toEqual({ state: 'active', changed: true })
  })

  test('is to be asked under its name once, by its owner, with the key that is the current one', async () => {
    const first = (await add())!
    await move(first.id, 'enrol')
    await move(first.id, 'leaf-ended')
    const second = (await add())!
    const { tenantId, alice, bob } = tenant
    const toAsk = (ownerUserId: string, more = {}) => peersToAsk(database.app, { tenantId, ownerUserId, ...more })
    expect(await toAsk(alice)).toMatchObject([{ id: second.id, state: 'pending', currentKeyId: null, tenantId }])
    const key = { id: crypto.randomUUID(), sealedKey: 's', csrPem: 'c' }
    await storePendingKey(database.app, { tenantId, peerId: second.id }, key)
    await database.app.transaction(async (session) => {
      await moveLocked(session, { tenantId, id: second.id, event: 'enrol' })
      await promotePending(session, { tenantId, peerId: second.id }, certificate('1'))
    })
    await add('c.test')
    expect(await toAsk(alice, { commonName: 'b.test' })).toMatchObject([{ state: 'active', currentKeyId: key.id }])
    expect((await toAsk(alice)).map(({ commonName }) => commonName)).toEqual(['b.test', 'c.test'])
    expect(await toAsk(bob)).toEqual([])
    expect(await peersToAsk(database.app, { tenantId: crypto.randomUUID(), ownerUserId: alice })).toEqual([])
    expect((await callablePeers(database.app)).map(({ id }) => id)).toEqual([second.id])
    expect(await callablePeers(database.app, { id: first.id })).toMatchObject([{ state: 'expired' }])
  })

  test('goes with its keys when it is removed, or its owner deleted', async () => {
    const { tenantId, alice } = tenant
    const [first, second] = [(await add())!, (await add('c.test'))!]
    for (const { id: peerId } of [first, second]) {
      await storePendingKey(
        database.app,
        { tenantId, peerId },
        { id: crypto.randomUUID(), sealedKey: 's', csrPem: 'c' },
      )
    }
    expect(await removeOutboundPeer(database.app, { tenantId, id: first.id })).toBe(true)
    expect(await keysByKid(database.app)).toEqual({ malformed: 1 })
    expect(await deleteUser(database.app, { tenantId, id: alice })).toEqual({ peers: [second.id] })
    expect(await keysByKid(database.app)).toEqual({})
  })
})

describe('keys of a peer', () => {
  test('take turns: pending, current, previous', async () => {
    const place = { tenantId: tenant.tenantId, peerId: (await add())!.id }
    const key = (name: string) => ({ id: crypto.randomUUID(), sealedKey: name, csrPem: name })
    const promote = (serial: string) =>
      database.app.transaction(async (session) => {
        await moveLocked(session, { tenantId: place.tenantId, id: place.peerId, event: 'enrol' })
        return promotePending(session, place, certificate(serial))
      })
    expect(await promote('1')).toBeUndefined()
    await storePendingKey(database.app, place, key('one'))
    // The answer to the first request may have been lost: it is sent again.
    expect(await storePendingKey(database.app, place, key('two'))).toMatchObject({ csrPem: 'one', slot: 'pending' })
    expect(await promote('1')).toMatchObject({ csrPem: 'one', slot: 'current', serial: '1' })
    for (const name of ['two', 'three']) {
      await storePendingKey(database.app, place, key(name))
      await promote(name)
    }
    expect(await readKey(database.app, { ...place, slot: 'current' })).toMatchObject({ csrPem: 'three' })
    expect(await readKey(database.app, { ...place, slot: 'previous' })).toMatchObject({ csrPem: 'two' })
    expect(await readKey(database.app, { ...place, slot: 'pending' })).toBeUndefined()
    await dropKey(database.app, { ...place, slot: 'previous' })
    expect(await readKey(database.app, { ...place, slot: 'previous' })).toBeUndefined()
    const other = await makeTenant(database.owner)
    expect(await readKey(database.app, { ...place, tenantId: other.tenantId, slot: 'current' })).toBeUndefined()
  })

  test('are sealed anew under a new secret, while one that nothing opens is named and left', async () => {
    const salt = await databaseSalt(database.app)
    const [old, current] = [
      new Keyring({ secret: 'old secret of these tests, long enough', salt }),
      new Keyring({ secret: 'new', previous: ['old secret of these tests, long enough'], salt }),
    ]
    const { tenantId } = tenant
    const rows: { id: string; peerId: string; sealedKey: string }[] = []
    for (let at = 0; at < 205; at++) {
      const { id: peerId } = (await add(`p${at}.test`))!
      const id = crypto.randomUUID()
      const sealed = old.seal(Buffer.from(`key ${at}`), { rowId: id, peerId })
      // Moved from another row: it opens no more.
      const sealedKey = at === 7 ? rows[0]!.sealedKey : sealed
      rows.push({ id, peerId, sealedKey })
      await storePendingKey(database.app, { tenantId, peerId }, { id, sealedKey, csrPem: 'c' })
    }
    expect(await keysByKid(database.app)).toEqual({ [old.kid]: 205 })

    // Killed after the first batch.
    const killed = resealKeys(database.app, current, () => {
      throw new Error('killed')
    })
    await expect(killed).rejects.toThrow('killed')
    expect((await keysByKid(database.app))[current.kid]).toBeGreaterThanOrEqual(99)
    const halves = await Promise.all([resealKeys(database.app, current), resealKeys(database.app, current)])
    const again = await resealKeys(database.app, current)
    expect(again).toEqual({
      resealed: 0,
      unopened: [{ tenantId, rowId: rows[7]!.id, peerId: rows[7]!.peerId, code: 'SEAL_BROKEN' }],
    })
    expect(halves.every(({ unopened }) => unopened.length <= 1)).toBe(true)
    expect(await keysByKid(database.app)).toEqual({ [old.kid]: 1, [current.kid]: 204 })
    const alone = new Keyring({ secret: 'new', salt })
    for (const [at, { id: rowId, peerId }] of rows.entries()) {
      if (at === 7) continue
      const { sealedKey } = (await readKey(database.app, { tenantId, peerId, slot: 'pending' }))!
      expect(alone.open(sealedKey, { rowId, peerId }).toString()).toBe(`key ${at}`)
    }
  })
})

describe('settings of a database', () => {
  test('are recorded once, by whoever is first', async () => {
    const salts = await many(() => databaseSalt(database.app))
    expect(new Set(salts.map((salt) => salt.toString('hex'))).size).toBe(1)
    expect(salts[0]).toHaveLength(32)
    expect(await rootPin(database.app)).toBeUndefined()
    const pins = await many(() => recordedRootPin(database.app, randomBytes(32).toString('hex')))
    expect(new Set(pins).size).toBe(1)
    expect(await rootPin(database.app)).toBe(pins[0])
    await changeRootPin(database.app, 'other')
    expect(await recordedRootPin(database.app, 'mine')).toBe('other')
  })

  test('cannot be removed by the gateway', async () => {
    await expect(database.app.query(sql`DELETE FROM settings`)).rejects.toThrow(/permission denied/)
  })
})
