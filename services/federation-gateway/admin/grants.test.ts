import { createHash } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { lookupOf } from '../enrolment/token.ts'
import { readEnrolmentUrl } from '../enrolment/url.ts'
import { activate } from '../storage/activation.ts'
import { claimToken, findToken } from '../storage/enrolment-tokens.ts'
import { revokeInboundPeer } from '../storage/inbound-peers.ts'
import { noteEffective } from '../storage/revocation-outbox.ts'
import { sql } from '../storage/statement.ts'
import { many } from '../storage/testing/for-each.ts'
import { makeAuditRow, makeLeaf } from '../storage/testing/tenant.ts'
import { changeRights } from '../storage/users.ts'
import { type AdminTest, adminForEach, PUBLIC_URL } from '../testing/admin.ts'
import type { GrantAnswer } from '../wire/admin.ts'

let { site, database, tenant, other, admin, acme } = {} as AdminTest
adminForEach((mine) => {
  ;({ site, database, tenant, other, admin, acme } = mine)
})

const SCOPE = { resources: ['tasks', 'notes'] }
const register = async (commonName = 'gateway-a.example', by = acme) =>
  (await by.ok('peer:register', { body: { commonName } })).id
const wanted = (peerId: string, change: object = {}) => {
  return { body: { peerId, subjectUserId: tenant.alice, scope: SCOPE, ...change } }
}
const create = async (change: object = {}): Promise<GrantAnswer> =>
  acme.ok('grant:create', wanted(await register(`${crypto.randomUUID()}.example`), change))
const at = ({ id }: { id: string }) => ({ at: { id } })
const rows = (table: string) => database.owner.query({ text: `SELECT * FROM ${table} ORDER BY 1`, values: [] })

/** As an enrolment does. */
async function enrol(grant: GrantAnswer) {
  const { token } = await acme.ok('grant:token', at(grant))
  const sha256 = lookupOf(token)!
  const { issuanceId } = await claimToken(database.app, { sha256, requestId: crypto.randomUUID(), csrSha256: 'c' })
  const leaf = makeLeaf()
  const of = { tenantId: tenant.tenantId, grantId: grant.id, peerId: grant.peerId, issuanceId: issuanceId! }
  await activate(database.app, { ...of, purpose: 'enrolment', leaf, audit: makeAuditRow({ verb: 'enrol' }) })
  return leaf
}

test('a grant is made pending, and says in words what it comes to', async () => {
  const peerId = await register()
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
  const made = await acme.ok('grant:create', wanted(peerId, { expiresAt, rateLimit: 7 }))
  expect(made).toMatchObject({
    ...{ peerId, subjectUserId: tenant.alice, status: 'pending', epoch: 1, rateLimit: 7, expiresAt },
    scope: { resources: ['tasks', 'notes'], excluded_resources: [], max_rows_per_query: 100, filters: {} },
    effectiveScope: 'alice: own tasks, tasks of team T1, own notes, notes of team T1; at most 100 rows',
    ...{ warnings: [], certificates: [], certificateRevocation: 'none' },
  })
  expect(await acme.ok('grant:show', at(made))).toEqual(made)
  expect((await create()).rateLimit).toBe(60)
})

test('a resource that is granted and excluded is told of', async () => {
  const scope = { resources: ['tasks', 'credentials'], excluded_resources: ['credentials'] }
  const { warnings, effectiveScope } = await create({ scope })
  expect(warnings).toEqual(['credentials is granted and excluded: it is excluded'])
  expect(effectiveScope).not.toContain('credentials')
})

describe('adm.grant-parties', () => {
  test('the peer is one that may call us', async () => {
    const { commonName: name, ...rest } = await acme.ok('peer:show', at({ id: await register() }))
    expect([name, rest.direction]).toEqual(['gateway-a.example', 'inbound'])
    const outbound = crypto.randomUUID()
    await database.owner.query(sql`
      INSERT INTO federation_peers (id, tenant_id, direction, common_name, owner_user_id)
      VALUES (${outbound}::uuid, ${tenant.tenantId}::uuid, 'outbound', 'b.example', ${tenant.alice}::uuid)`)
    expect(await acme.refused('grant:create', wanted(outbound))).toMatchObject({
      ...{ why: '409 adm.grant-parties peer_not_inbound', code: 'conflict', paths: [] },
    })
  })

  test('the peer is not revoked, and the subject is not out of use', async () => {
    const peerId = await register()
    await changeRights(database.app, { tenantId: tenant.tenantId, id: tenant.alice }, { isDisabled: true })
    expect((await acme.refused('grant:create', wanted(peerId))).why).toBe('409 adm.grant-parties subject_not_enabled')
    await changeRights(database.app, { tenantId: tenant.tenantId, id: tenant.alice }, { isDisabled: false })
    await acme.ok('grant:create', wanted(peerId))
    await acme.ok('peer:remove', at({ id: peerId }))
    expect((await acme.refused('grant:create', wanted(peerId))).why).toBe('409 adm.grant-parties peer_ended')
    expect(await rows('federation_grants')).toHaveLength(1)
  })
})

describe('api.tenant', () => {
  test('all parties of a grant are of one tenant, and those of another are like those that are not there', async () => {
    const peerId = await register()
    const globex = admin.as(await admin.tokenOf(other.tenantId))
    const foreign = await register('gateway-a.example', globex)
    const nobody = crypto.randomUUID()
    const texts = new Set<string>()
    for (const [change, reason] of [
      [{ peerId: foreign }, 'object_other_tenant'],
      [{ subjectUserId: other.alice }, 'object_other_tenant'],
      [{ peerId: nobody }, 'object_absent'],
      [{ subjectUserId: nobody }, 'object_absent'],
    ] as const) {
      const { why, text } = await acme.refused('grant:create', wanted(peerId, change))
      expect(why).toBe(`404 api.tenant ${reason}`)
      texts.add(text)
    }
    expect(texts.size).toBe(1)
    const filters = { tasks: { include_teams: [other.team] } }
    expect(
      await acme.refused('grant:create', wanted(peerId, { scope: { resources: ['tasks'], filters } })),
    ).toMatchObject({ why: '422 adm.scope scope_team_unknown', paths: ['filters.tasks.include_teams'] })
    const mine = { tasks: { include_teams: [tenant.team] } }
    await acme.ok('grant:create', wanted(peerId, { scope: { resources: ['tasks'], filters: mine } }))
  })

  test('a grant is its own tenant’s alone, whatever is done with it', async () => {
    const grant = await create()
    const globex = admin.as(await admin.tokenOf(other.tenantId))
    const asking = {
      'grant:show': {},
      'grant:scope': { body: { scope: SCOPE } },
      'grant:revoke': {},
      'grant:token': {},
    }
    for (const [action, more] of Object.entries(asking) as ['grant:show', object][]) {
      const theirs = await globex.refused(action, { ...at(grant), ...more })
      expect(theirs.why).toBe('404 api.tenant object_other_tenant')
      const nobodys = await globex.refused(action, { ...at({ id: crypto.randomUUID() }), ...more })
      expect(nobodys.why).toBe('404 api.tenant object_absent')
      expect(nobodys.text).toBe(theirs.text)
      expect((await globex.refused(action, { ...at({ id: 'x' }), ...more })).text).toBe(theirs.text)
    }
    expect((await globex.ok('grant:list')).items).toEqual([])
    expect(await acme.ok('grant:show', at(grant))).toEqual(grant)
  })
})

describe('adm.scope', () => {
  test('all that is wrong with one is told, and nothing is stored', async () => {
    const peerId = await register()
    const scope = { resources: ['tasks', '*'], max_rows_per_query: 0, filters: { notes: {} }, more: 1 }
    const { why, code, paths } = await acme.refused('grant:create', wanted(peerId, { scope }))
    expect([why, code]).toEqual(['422 adm.scope scope_invalid', 'invalid_scope'])
    expect(paths.toSorted()).toEqual(['max_rows_per_query', 'more', 'resources.1'])
    for (const bad of [null, [], 'tasks', { resources: [] }]) {
      expect((await acme.refused('grant:create', wanted(peerId, { scope: bad }))).why).toBe(
        '422 adm.scope scope_invalid',
      )
    }
    expect(await rows('federation_grants')).toEqual([])
  })

  test('credentials are lent by those alone who say so', async () => {
    const scope = { resources: ['tasks', 'credentials'] }
    const peerId = await register()
    expect(await acme.refused('grant:create', wanted(peerId, { scope }))).toMatchObject({
      ...{ why: '422 adm.scope scope_sensitive', paths: ['resources.1'] },
    })
    const made = await acme.ok('grant:create', wanted(peerId, { scope, allowSensitive: true }))
    expect((await acme.refused('grant:scope', { ...at(made), body: { scope } })).why).toBe(
      '422 adm.scope scope_sensitive',
    )
  })
})

test('adm.expiry: a grant ends in the future', async () => {
  const now = Date.parse('2036-01-31T09:00:00Z')
  admin.now = () => now
  const peerId = await register()
  const ending = (ms: number) => wanted(peerId, { expiresAt: new Date(now + ms).toISOString() })
  for (const ms of [-60_000, 0]) {
    expect(await acme.refused('grant:create', ending(ms))).toMatchObject({
      ...{ why: '422 adm.expiry expiry_invalid', code: 'invalid_scope', paths: ['expiresAt'] },
    })
  }
  await acme.ok('grant:create', ending(1))
  expect((await acme.refused('grant:create', wanted(peerId, { expiresAt: 'soon' }))).why).toBe('400 api.body api_body')
})

test('a scope is changed, and each change is a new epoch', async () => {
  const grant = await create()
  const edited = await acme.ok('grant:scope', { ...at(grant), body: { scope: { resources: ['memory'] } } })
  expect(edited).toMatchObject({ epoch: 2, effectiveScope: 'alice: own memory; at most 100 rows' })
  const again = await acme.ok('grant:scope', { ...at(grant), body: { scope: { resources: ['memory'] } } })
  expect(again.epoch).toBe(2)
})

describe('a revocation', () => {
  test('of a grant without a certificate leaves the CA nothing to do, and is for ever', async () => {
    const grant = await create()
    const revoked = await acme.ok('grant:revoke', { ...at(grant), body: { reason: 'left the project' } })
    expect(revoked).toMatchObject({
      ...{ status: 'revoked', endReason: 'left the project', epoch: 2, certificateRevocation: 'none' },
    })
    expect(admin.asked).toEqual(['wake'])
    expect(await acme.ok('grant:revoke', at(grant))).toEqual(revoked)
    for (const [action, more] of [
      ['grant:scope', { body: { scope: SCOPE } }],
      ['grant:token', {}],
      ['grant:token', { body: { purpose: 're-enrolment' } }],
    ] as const) {
      expect(await acme.refused(action, { ...at(grant), ...more })).toMatchObject({
        ...{ why: '409 adm.transition grant_transition', code: 'conflict' },
      })
    }
    expect(await acme.ok('grant:show', at(grant))).toEqual(revoked)
  })

  test('of one with a certificate waits for the CA', async () => {
    const grant = await create()
    const leaf = await enrol(grant)
    expect((await acme.ok('grant:show', at(grant))).certificates).toEqual([
      {
        'x5t#S256': leaf.x5t,
        serial: leaf.serial,
        state: 'issued',
        notAfter: leaf.notAfter.toISOString(),
        grantId: grant.id,
      },
    ])
    const revoked = await acme.ok('grant:revoke', at(grant))
    expect(revoked).toMatchObject({ certificateRevocation: 'queued', certificates: [{ state: 'revoked' }] })
    await noteEffective(database.app, [leaf.serial])
    expect((await acme.ok('grant:revoke', at(grant))).certificateRevocation).toBe('effective')
  })

  test('of one whose time is over is refused: it has ended', async () => {
    const grant = await create({ expiresAt: new Date(Date.now() + 60_000).toISOString() })
    admin.now = () => Date.now() + 120_000
    expect((await acme.refused('grant:revoke', at(grant))).why).toBe('409 adm.transition grant_transition')
    expect((await acme.refused('grant:token', at(grant))).why).toBe('409 adm.transition grant_transition')
    admin.now = Date.now
    await acme.ok('grant:revoke', at(grant))
  })

  test('of one whose time is over for the database alone is refused as well', async () => {
    const grant = await create()
    await database.owner.query(sql`UPDATE federation_grants SET expires_at = now() WHERE id = ${grant.id}::uuid`)
    admin.now = () => 0
    const refused = '409 adm.transition grant_transition'
    expect((await acme.refused('grant:scope', { ...at(grant), body: { scope: SCOPE } })).why).toBe(refused)
    expect((await acme.refused('grant:revoke', at(grant))).why).toBe(refused)
    expect((await acme.ok('grant:show', at(grant))).status).toBe('expired')
  })

  test('that comes in between is not missed by whoever changes the scope', async () => {
    const grant = await create()
    const asked = await database.owner.transaction(async (session) => {
      await session.query(sql`
        UPDATE federation_grants SET status = 'revoked', ended_at = now() WHERE id = ${grant.id}::uuid`)
      const request = acme.refused('grant:scope', { ...at(grant), body: { scope: { resources: ['memory'] } } })
      await vi.waitFor(
        async () => {
          const waiting = sql`SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
          expect(await database.owner.query(waiting)).toHaveLength(1)
        },
        { timeout: 5_000 },
      )
      return { request }
    })
    expect((await asked.request).why).toBe('409 adm.transition grant_transition')
    expect((await acme.ok('grant:show', at(grant))).scope.resources).toEqual(['tasks', 'notes'])
  })

  test('many at once are one', async () => {
    const grant = await create()
    const all = await many(() => acme.ok('grant:revoke', at(grant)))
    expect(new Set(all.map((one) => JSON.stringify(one))).size).toBe(1)
    expect(all[0]!.epoch).toBe(2)
  })
})

describe('a token', () => {
  test('is shown once, in a URL that pins what it is for, and is nowhere in the database', async () => {
    const grant = await create()
    const before = Date.now()
    const { token, enrollmentUrl, expiresAt, caPem } = await acme.ok('grant:token', at(grant))
    expect(token).toMatch(/^[0-9a-f]{64}$/)
    const read = readEnrolmentUrl(enrollmentUrl)
    const ca = createHash('sha256').update(site.root.certificate.raw).digest('hex')
    expect(read).toMatchObject({ token, pins: { ca, grant: grant.id, subject: tenant.alice } })
    expect(enrollmentUrl.startsWith(`${PUBLIC_URL}/api/federation/enrollment/${token}#`)).toBe(true)
    expect(caPem).toBe(String(site.root.certificate))
    expect(Date.parse(expiresAt) - before).toBeGreaterThan(890_000)
    expect(JSON.stringify(await rows('federation_enrollment_tokens'))).not.toContain(token)
    expect(await findToken(database.app, lookupOf(token)!)).toMatchObject({
      ...{ token: { purpose: 'enrolment', usedAt: null }, grant: { id: grant.id }, peer: { id: grant.peerId } },
    })
  })

  test('lives as long as is asked, from 1 to 900 seconds', async () => {
    const grant = await create()
    for (const ttlSeconds of [1, 900]) {
      const before = Date.now()
      const { expiresAt } = await acme.ok('grant:token', { ...at(grant), body: { ttlSeconds } })
      expect(Math.abs(Date.parse(expiresAt) - before - ttlSeconds * 1000)).toBeLessThan(10_000)
    }
    for (const ttlSeconds of [0, 901, -1, 1.5, '60']) {
      expect(await acme.refused('grant:token', { ...at(grant), body: { ttlSeconds } })).toMatchObject({
        ...{ why: '400 api.body token_ttl', paths: ['ttlSeconds'] },
      })
    }
    expect(await rows('federation_enrollment_tokens')).toHaveLength(2)
  })

  test('adm.token-peer: is for the peer of its grant', async () => {
    const [grant, elsewhere] = [await create(), await register('gateway-c.example')]
    await acme.ok('grant:token', { ...at(grant), body: { peerId: grant.peerId } })
    expect(await acme.refused('grant:token', { ...at(grant), body: { peerId: elsewhere } })).toMatchObject({
      ...{ why: '400 adm.token-peer token_peer_mismatch', code: 'peer_mismatch' },
    })
    const nobody = { body: { peerId: crypto.randomUUID() } }
    expect((await acme.refused('grant:token', { ...at(grant), ...nobody })).why).toBe('404 api.tenant object_absent')
  })

  test('adm.transition: begins a pending grant, and begins an active one anew', async () => {
    const grant = await create()
    const again = { ...at(grant), body: { purpose: 're-enrolment' } } as const
    expect((await acme.refused('grant:token', again)).why).toBe('409 adm.transition grant_transition')
    await enrol(grant)
    expect((await acme.refused('grant:token', at(grant))).why).toBe('409 adm.transition grant_transition')
    await acme.ok('grant:token', again)
  })
})

describe('a list', () => {
  test('is by peer and by status', async () => {
    const [pending, revoked] = [await create(), await create()]
    await acme.ok('grant:revoke', at(revoked))
    const ids = async (query: object) => (await acme.ok('grant:list', { query })).items.map(({ id }) => id)
    expect(await ids({})).toEqual([revoked.id, pending.id])
    expect(await ids({ status: 'pending' })).toEqual([pending.id])
    expect(await ids({ peer: revoked.peerId })).toEqual([revoked.id])
    expect(await ids({ peer: revoked.peerId, status: 'active' })).toEqual([])
    expect((await acme.refused('grant:list', { query: { status: 'gone' } })).why).toBe('400 api.body api_body')
    expect((await acme.refused('grant:list', { query: { peer: crypto.randomUUID() } })).why).toBe(
      '404 api.tenant object_absent',
    )
  })

  test('comes page by page, each once', async () => {
    const peerId = await register()
    const made = await many(() => acme.ok('grant:create', wanted(peerId)))
    const seen: string[] = []
    let cursor: string | null | undefined
    do {
      const page = await acme.ok('grant:list', { query: { limit: '5', ...(cursor && { cursor }) } })
      expect(page.items.length).toBeLessThanOrEqual(5)
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor
    } while (cursor !== null)
    expect(seen.toSorted()).toEqual(made.map(({ id }) => id).toSorted())
  })
})

test('a peer that ends while a grant is made for it is refused as one that has ended', async () => {
  const peerId = await register()
  await revokeInboundPeer(database.app, { tenantId: tenant.tenantId, id: peerId, reason: 'x' })
  expect((await acme.refused('grant:create', wanted(peerId))).why).toBe('409 adm.grant-parties peer_ended')
})

describe('an operator', () => {
  test('acts for the tenant of what is named, or for the one that is said', async () => {
    const operator = admin.as(await admin.tokenOf())
    const peerId = await register()
    const made = await operator.ok('grant:create', wanted(peerId))
    expect(await operator.ok('grant:show', at(made))).toEqual(made)
    const ids = async (query: object) => (await operator.ok('grant:list', { query })).items.map(({ id }) => id)
    expect(await ids({ tenant: tenant.tenantId })).toEqual([made.id])
    expect(await ids({ tenant: other.tenantId })).toEqual([])
    expect(await operator.refused('grant:list')).toMatchObject({ why: '400 api.body api_body', paths: ['tenant'] })
    expect((await operator.refused('grant:list', { query: { tenant: 'nobody' } })).why).toBe(
      '404 api.tenant object_absent',
    )
    const elsewhere = { ...at(made), query: { tenant: other.tenantId } }
    expect((await operator.refused('grant:show', elsewhere)).why).toBe('404 api.tenant object_other_tenant')
  })

  test('an administrator of a tenant does not say another one', async () => {
    expect((await acme.ok('grant:list', { query: { tenant: tenant.tenantId } })).items).toEqual([])
    expect((await acme.refused('grant:list', { query: { tenant: other.tenantId } })).why).toBe(
      '404 api.tenant object_other_tenant',
    )
  })
})
