import { describe, expect, test } from 'vitest'
import { hashOfToken } from '../enrolment/token.ts'
import { findBearer } from '../storage/bearer-tokens.ts'
import { addOutboundPeer } from '../storage/outbound-peers.ts'
import { nativeUser } from '../storage/rights.ts'
import { sql } from '../storage/statement.ts'
import { makeGrant } from '../storage/testing/tenant.ts'
import { type AdminTest, adminForEach } from '../testing/admin.ts'

let { database, tenant, admin, acme, globex, operator } = {} as AdminTest
adminForEach((mine) => {
  ;({ database, tenant, admin, acme, globex, operator } = mine)
})

const at = (id: string, more: object = {}) => ({ at: { id, ...more } })
const bearerOf = (token: string) => findBearer(database.app, hashOfToken(token))

describe('a user', () => {
  test('is made, and is of one name in a tenant', async () => {
    const carol = await acme.ok('user:create', { body: { name: 'carol' } })
    expect(carol).toMatchObject({ name: 'carol', displayName: 'carol', isDisabled: false })
    expect(await acme.refused('user:create', { body: { name: 'carol' } })).toMatchObject({
      ...{ why: '409 adm.user-unique user_exists', code: 'conflict' },
    })
    await globex.ok('user:create', { body: { name: 'carol', displayName: 'Carol', email: 'carol@globex.example' } })
    const { items } = await acme.ok('user:list')
    expect(items.map(({ name }) => name)).toEqual(['alice', 'bob', 'carol'])
    expect(items.at(-1)).toEqual(carol)
  })

  test('can be put out of use and back, and have its rights taken away', async () => {
    const grant = await makeGrant(database.app, tenant)
    const change = (body: object) => acme.ok('user:change', { ...at(tenant.alice), body })
    expect((await change({ isDisabled: true })).isDisabled).toBe(true)
    await change({ sharePersonal: false, deniedResources: ['notes'] })
    const { rights } = (await nativeUser(database.app, { tenantId: tenant.tenantId, userId: tenant.alice }))!
    expect(rights).toMatchObject({ sharePersonal: false, deniedResources: ['notes'] })
    expect((await change({ isDisabled: false })).isDisabled).toBe(false)
    expect((await acme.ok('grant:show', at(grant.grantId))).epoch).toBe(4)
    expect((await acme.refused('user:change', { ...at(tenant.alice), body: {} })).why).toBe('400 api.body api_body')
  })

  test('goes with its grants, its tokens, and the peers that were called for it', async () => {
    const grant = await makeGrant(database.app, tenant)
    const { token } = await acme.ok('user:token', at(tenant.alice))
    const peer = await addOutboundPeer(database.app, {
      ...{ tenantId: tenant.tenantId, ownerUserId: tenant.alice, commonName: 'b.example' },
      ...{ enrollmentUrl: 'https://b.example/', caPem: null },
    })
    expect(await acme.ok('user:delete', at(tenant.alice))).toEqual({ id: tenant.alice, removedPeers: [peer!.id] })
    expect(admin.asked).toEqual(['wake', `removed ${peer!.id}`])
    expect((await bearerOf(token))?.withdrawnAt).toBeInstanceOf(Date)
    expect(await acme.ok('grant:show', at(grant.grantId))).toMatchObject({
      ...{ status: 'revoked', endReason: 'subject_deleted' },
    })
    expect((await acme.refused('user:delete', at(tenant.alice))).why).toBe('404 api.tenant object_absent')
  })

  test('api.tenant: is of one tenant, whatever is done with it', async () => {
    const { id: token } = await acme.ok('user:token', at(tenant.alice))
    const askings = {
      'user:change': { body: { isDisabled: true } },
      'user:delete': {},
      'user:token': {},
      'user:withdraw': {},
    }
    for (const [action, more] of Object.entries(askings) as ['user:delete', object][]) {
      const theirs = await globex.refused(action, { ...at(tenant.alice, { token }), ...more })
      expect(theirs.why).toBe('404 api.tenant object_other_tenant')
      const nobodys = await globex.refused(action, { ...at(crypto.randomUUID(), { token }), ...more })
      expect(nobodys.why).toBe('404 api.tenant object_absent')
      expect(nobodys.text).toBe(theirs.text)
    }
    expect((await acme.ok('user:list')).items[0]).toMatchObject({ name: 'alice', isDisabled: false })
  })
})

describe('a token of a user', () => {
  test('is shown once, lives as long as is asked, and is withdrawn', async () => {
    const now = Date.now()
    admin.now = () => now
    const { id, token, expiresAt } = await acme.ok('user:token', { ...at(tenant.alice), body: { lifetimeSeconds: 60 } })
    expect(expiresAt).toBe(new Date(now + 60_000).toISOString())
    expect(await bearerOf(token)).toMatchObject({ id, kind: 'user', userId: tenant.alice, withdrawnAt: null })
    const rows = JSON.stringify(await database.owner.query(sql`SELECT * FROM user_tokens`))
    expect(rows).not.toContain(token)
    expect((await acme.ok('user:token', at(tenant.alice))).expiresAt).toBe(null)
    // It is alice's, and so not bob's.
    expect((await acme.refused('user:withdraw', at(tenant.bob, { token: id }))).why).toBe(
      '404 api.tenant object_absent',
    )
    expect((await acme.refused('user:withdraw', at(tenant.alice, { token: 'x' }))).why).toBe(
      '404 api.tenant object_absent',
    )
    expect(await acme.ok('user:withdraw', at(tenant.alice, { token: id }))).toEqual({ id, withdrawn: true })
    expect((await bearerOf(token))?.withdrawnAt).toBeInstanceOf(Date)
  })

  test('opens nothing that is for administrators', async () => {
    const { token } = await acme.ok('user:token', at(tenant.alice))
    expect((await admin.as(token).refused('user:list')).why).toBe('401 api.token bearer_wrong_kind')
  })
})

describe('a token of an administrator', () => {
  test('is made by operators, for one tenant or for all', async () => {
    const mine = await operator.ok('admin:token', { body: { name: 'acme', tenantId: tenant.tenantId } })
    expect(await bearerOf(mine.token)).toMatchObject({ id: mine.id, kind: 'tenant', tenantId: tenant.tenantId })
    await admin.as(mine.token).ok('user:list')
    const all = await operator.ok('admin:token', { body: { name: 'ops' } })
    expect(await bearerOf(all.token)).toMatchObject({ kind: 'operator' })
    const nobody = { body: { name: 'x', tenantId: crypto.randomUUID() } }
    expect((await operator.refused('admin:token', nobody)).why).toBe('404 api.tenant object_absent')
  })

  test('api.role: by nobody else', async () => {
    const { id } = await operator.ok('admin:token', { body: { name: 'ops' } })
    expect(await acme.refused('admin:token', { body: { name: 'ops' } })).toMatchObject({
      ...{ why: '403 api.role operator_only', code: 'forbidden' },
    })
    expect((await acme.refused('admin:withdraw', at(id))).why).toBe('403 api.role operator_only')
  })

  test('ends at once when it is withdrawn', async () => {
    for (const body of [{ name: 'ops' }, { name: 'acme', tenantId: tenant.tenantId }]) {
      const { id, token } = await operator.ok('admin:token', { body })
      await admin.as(token).ok('user:list', { query: { tenant: tenant.tenantId } })
      expect(await operator.ok('admin:withdraw', at(id))).toEqual({ id, withdrawn: true })
      expect((await admin.as(token).refused('user:list')).why).toBe('401 api.token bearer_withdrawn')
    }
    for (const id of [crypto.randomUUID(), 'x']) {
      expect((await operator.refused('admin:withdraw', at(id))).why).toBe('404 api.tenant object_absent')
    }
  })
})
