import { describe, expect, test } from 'vitest'
import { makeToken } from '../enrolment/token.ts'
import type { AdmissionStore } from '../listeners/federation-listener.ts'
import { readScope } from '../scope/document.ts'
import { GRANT_STATUSES, type GrantEvent, grantAfter } from '../states/grant.ts'
import { type Activation, activate, giveUp } from './activation.ts'
import { findAdmission } from './admission.ts'
import { readAudit } from './audit/rows.ts'
import { acceptLeaf, listLeaves, wasKeyUsed } from './certificates.ts'
import { claimToken, findToken, storeToken } from './enrolment-tokens.ts'
import { createGrant, editScope, expireGrants, getGrant, listGrants, revokeGrant } from './grants.ts'
import { getInboundPeer, registerPeer, revokeInboundPeer } from './inbound-peers.ts'
import { failAbandoned } from './issuance.ts'
import { whoseIs } from './ownership.ts'
import { openRenewal, registerRenewal } from './renewal.ts'
import { noteEffective, noteFailed, noteRevoked, outboxState, takeDue } from './revocation-outbox.ts'
import { sql } from './statement.ts'
import type { TestDatabase } from './testing/cluster.ts'
import { databaseForEach, MANY, many } from './testing/for-each.ts'
import {
  makeAuditRow,
  makeGrant,
  makeLeaf,
  makeTenant,
  SCOPE,
  type TestGrant,
  type TestTenant,
} from './testing/tenant.ts'
import { changeRights, deleteUser } from './users.ts'

let database: TestDatabase
let tenant: TestTenant
databaseForEach(async (mine) => {
  database = mine
  tenant = await makeTenant(mine.owner)
})

const grantOf = ({ tenantId, grantId: id }: TestGrant) => getGrant(database.app, { tenantId, id })
const outbox = async () =>
  (
    await database.app.query<{ serial: string }>(sql`SELECT serial FROM federation_revocation_outbox ORDER BY serial`)
  ).map(({ serial }) => serial)
const statuses = async ({ tenantId, grantId }: TestGrant) =>
  (await listLeaves(database.app, { tenantId, grantId })).map(({ status }) => status).toSorted()

async function token(grant: TestGrant, purpose: 'enrolment' | 're-enrolment' = 'enrolment', ttlSeconds = 900) {
  const made = makeToken()
  await storeToken(database.app, { ...grant, purpose, ttlSeconds, made })
  return made.sha256
}
const claim = (sha256: string) =>
  claimToken(database.app, { sha256, requestId: crypto.randomUUID(), csrSha256: 'c'.repeat(64) })

/** A claimed token, and what an enrolment would do next. */
async function claimed(grant: TestGrant, purpose: 'enrolment' | 're-enrolment' = 'enrolment'): Promise<Activation> {
  const { issuanceId } = await claim(await token(grant, purpose))
  return { ...grant, issuanceId: issuanceId!, purpose, leaf: makeLeaf(), audit: makeAuditRow({ verb: 'enrol' }) }
}
async function enrolled(grant: TestGrant): Promise<Activation> {
  const activation = await claimed(grant)
  expect(await activate(database.app, activation)).toBe('active')
  return activation
}

describe('a grant', () => {
  test('is pending, of one tenant, and made for parties that are there', async () => {
    const grant = await makeGrant(database.app, tenant)
    expect(await grantOf(grant)).toMatchObject({
      status: 'pending',
      epoch: 1,
      scope: SCOPE,
      certificateRevocation: 'none',
    })
    const other = await makeTenant(database.owner)
    expect(await getGrant(database.app, { tenantId: other.tenantId, id: grant.grantId })).toBeUndefined()
    const ask = (change: object) =>
      createGrant(database.app, {
        ...{ ...grant, subjectUserId: tenant.alice, scope: SCOPE, rateLimit: 60, expiresAt: null },
        ...change,
      })
    expect(await ask({})).toBeDefined()
    expect(await ask({ subjectUserId: other.alice })).toBeUndefined()
    expect(await ask({ tenantId: other.tenantId })).toBeUndefined()
    await changeRights(database.app, { tenantId: tenant.tenantId, id: tenant.alice }, { isDisabled: true })
    expect(await ask({})).toBeUndefined()
    const what = { what: 'grant', id: grant.grantId } as const
    expect(await whoseIs(database.app, { tenantId: tenant.tenantId, ...what })).toBe('own')
    expect(await whoseIs(database.app, { tenantId: other.tenantId, ...what })).toBe('other')
    expect(await whoseIs(database.app, { ...what, tenantId: other.tenantId, id: crypto.randomUUID() })).toBe('absent')
  })

  test('of one tenant cannot be put for a peer or a user of another, whoever writes', async () => {
    const [other, grant] = [await makeTenant(database.owner), await makeGrant(database.app, tenant)]
    const put = (column: string, value: string) =>
      database.owner.query({
        text: `UPDATE federation_grants SET ${column} = $1 WHERE id = $2`,
        values: [value, grant.grantId],
      })
    await expect(put('subject_user_id', other.alice)).rejects.toThrow(/foreign key/)
    await expect(put('tenant_id', other.tenantId)).rejects.toThrow(/foreign key/)
    await expect(put('subject_user_id', tenant.bob)).resolves.toEqual([])
    // Nor can its subject go: bob is in no team that would hold him, too.
    const ofGrant = /foreign key .*"federation_grants"/
    const move = sql`UPDATE users SET tenant_id = ${other.tenantId}::uuid, name = 'moved' WHERE id = ${tenant.bob}::uuid`
    await expect(database.owner.query(move)).rejects.toThrow(ofGrant)
    await expect(database.owner.query(sql`DELETE FROM users WHERE id = ${tenant.bob}::uuid`)).rejects.toThrow(ofGrant)
  })

  test('lists are in pages, newest first, by peer and by the status of the moment', async () => {
    const past = new Date(Date.now() - 1000)
    const first = await makeGrant(database.app, tenant)
    const second = await makeGrant(database.app, tenant, { peerId: first.peerId })
    const ended = await makeGrant(database.app, tenant, { expiresAt: past })
    const { tenantId } = tenant
    const list = async (query: object) =>
      (await listGrants(database.app, { tenantId, limit: 10, ...query })).map(({ id }) => id)
    expect(await list({})).toEqual([ended, second, first].map(({ grantId }) => grantId))
    expect(await list({ peerId: first.peerId })).toEqual([second.grantId, first.grantId])
    expect(await list({ status: 'expired' })).toEqual([ended.grantId])
    expect(await list({ status: 'pending', limit: 1 })).toEqual([second.grantId])
    const { createdAt } = (await grantOf(second))!
    expect(await list({ below: { createdAt, id: second.grantId } })).toEqual([first.grantId])
    expect(await list({ tenantId: (await makeTenant(database.owner)).tenantId })).toEqual([])
  })

  test('moves in the database as the states say, whoever writes', async () => {
    const events: [GrantEvent, string][] = [
      ['enrol', `SET status = 'active'`],
      ['rescope', `SET scope = jsonb_set(scope, '{max_rows_per_query}', to_jsonb(floor(random() * 1000)::int))`],
      ['revoke', `SET status = 'revoked'`],
      ['expire', `SET status = 'expired'`],
    ]
    for (const status of GRANT_STATUSES) {
      for (const [event, change] of events) {
        // A scope that nobody reads any more may be written: it leads nowhere.
        if (event === 'rescope' && (status === 'revoked' || status === 'expired')) continue
        // The database knows the events by their results only: an end stays, whichever asked for it.
        const grant = await makeGrant(database.app, tenant)
        const move = (text: string) =>
          database.owner.query({ text: `UPDATE federation_grants ${text} WHERE id = $1`, values: [grant.grantId] })
        if (status !== 'pending') await move(`SET status = '${status}'`)
        const { epoch } = (await grantOf(grant))!
        const after = grantAfter({ status, epoch }, event)
        const [to] = /(?<=status = ')\w+/.exec(change) ?? [status]
        const isDone = await move(change).then(
          () => true,
          () => false,
        )
        const found = await grantOf(grant)
        if (after !== undefined && after.status === to) {
          expect([status, event, isDone, found]).toEqual([status, event, true, { ...found!, ...after }])
        } else expect([status, event, found]).toEqual([status, event, { ...found!, status, epoch }])
      }
    }
  })

  test('gets a new epoch with each change of its subject’s rights, and with no other', async () => {
    const grant = await makeGrant(database.app, tenant)
    const { tenantId, alice, bob, team } = tenant
    const place = { tenantId, id: alice }
    const epoch = async () => (await grantOf(grant))!.epoch
    const member = (text: string, user = alice) => database.app.query({ text, values: [tenantId, team, user] })
    const steps: [number, () => Promise<unknown>][] = [
      [1, () => changeRights(database.app, place, { sharePersonal: false })],
      [0, () => changeRights(database.app, place, { sharePersonal: false })],
      [1, () => changeRights(database.app, place, { deniedResources: ['notes'] })],
      [1, () => changeRights(database.app, place, { isDisabled: true })],
      [1, () => changeRights(database.app, place, { isDisabled: false })],
      [0, () => database.app.query(sql`UPDATE users SET display_name = 'A' WHERE id = ${alice}::uuid`)],
      [1, () => member('DELETE FROM team_members WHERE tenant_id = $1 AND team_id = $2 AND user_id = $3')],
      [1, () => member(`INSERT INTO team_members VALUES ($1, $2, $3, 'viewer')`)],
      [
        1,
        () => member(`UPDATE team_members SET role = 'member' WHERE tenant_id = $1 AND team_id = $2 AND user_id = $3`),
      ],
      [0, () => member(`INSERT INTO team_members VALUES ($1, $2, $3, 'viewer')`, bob)],
      [
        1,
        () =>
          editScope(database.app, { tenantId, id: grant.grantId, scope: readScope({ resources: ['tasks'] }).scope! }),
      ],
      [
        0,
        () =>
          editScope(database.app, { tenantId, id: grant.grantId, scope: readScope({ resources: ['tasks'] }).scope! }),
      ],
    ]
    for (const [at, [more, step]] of steps.entries()) {
      const before = await epoch()
      await step()
      expect([at, await epoch()]).toEqual([at, before + more])
    }
  })

  test('whose time is over is expired by the sweep, once, and is edited and revoked no more', async () => {
    const grant = await makeGrant(database.app, tenant, { expiresAt: new Date(Date.now() - 1) })
    const later = await makeGrant(database.app, tenant, { expiresAt: new Date(Date.now() + 60_000) })
    const place = { tenantId: grant.tenantId, id: grant.grantId }
    expect(await editScope(database.app, { ...place, scope: SCOPE })).toBeUndefined()
    const ended = { grant: undefined, why: 'grant_transition' }
    expect(await revokeGrant(database.app, { ...place, reason: 'r' })).toEqual(ended)
    const swept = (await many(() => expireGrants(database.app))).flat()
    expect(swept).toEqual([place])
    expect(await grantOf(grant)).toMatchObject({ status: 'expired', epoch: 2 })
    expect(await revokeGrant(database.app, { ...place, reason: 'r' })).toEqual(ended)
    expect(await grantOf(later)).toMatchObject({ status: 'pending', epoch: 1 })
  })
})

describe('an enrolment token', () => {
  test('is found by its hash, with what the guards look at', async () => {
    const grant = await makeGrant(database.app, tenant)
    const sha256 = await token(grant)
    expect(await findToken(database.app, sha256)).toMatchObject({
      ...{ tenantId: grant.tenantId, token: { purpose: 'enrolment', usedAt: null } },
      ...{ grant: { id: grant.grantId, subjectUserId: tenant.alice, status: 'pending' } },
      peer: { id: grant.peerId, status: 'pending' },
    })
    expect(await findToken(database.app, 'f'.repeat(64))).toBeUndefined()
    const stranger = { ...grant, tenantId: (await makeTenant(database.owner)).tenantId }
    const made = makeToken()
    expect(await storeToken(database.app, { ...stranger, purpose: 'enrolment', ttlSeconds: 1, made })).toBeUndefined()
  })

  test('is claimed by one of many, and leaves a trace in the journal', async () => {
    const sha256 = await token(await makeGrant(database.app, tenant))
    const answers = await many(() => claim(sha256))
    expect(answers.filter(({ issuanceId }) => issuanceId !== undefined)).toHaveLength(1)
    expect(answers.filter((answer) => 'why' in answer && answer.why === 'used')).toHaveLength(MANY - 1)
    expect(await findToken(database.app, sha256)).toMatchObject({ token: { usedAt: expect.any(Date) } })
    const [{ open }] = (await database.app.query(
      sql`SELECT count(*) AS open FROM federation_issuance WHERE state = 'open'`,
    )) as [{ open: number }]
    expect(open).toBe(1)
  })

  test('of several for one grant lets one certificate be on its way, and the others are not burnt', async () => {
    const grant = await makeGrant(database.app, tenant)
    const hashes = await many(() => token(grant))
    const answers = await Promise.all(hashes.map(claim))
    expect(answers.filter(({ issuanceId }) => issuanceId !== undefined)).toHaveLength(1)
    expect(answers.filter((answer) => 'why' in answer && answer.why === 'busy')).toHaveLength(MANY - 1)
    const found = await Promise.all(hashes.map((sha256) => findToken(database.app, sha256)))
    expect(found.filter((one) => one!.token.usedAt !== null)).toHaveLength(1)
  })

  test('of a grant that is no longer what the token is for is not claimed, and not burnt', async () => {
    const [grant, ended] = [await makeGrant(database.app, tenant), await makeGrant(database.app, tenant)]
    const [late, early, over] = [await token(grant), await token(grant, 're-enrolment'), await token(ended)]
    const moved = { issuanceId: undefined, why: 'moved' }
    expect(await claim(early)).toEqual(moved)
    await enrolled(grant)
    expect(await claim(late)).toEqual(moved)
    await revokeGrant(database.app, { tenantId: ended.tenantId, id: ended.grantId, reason: 'r' })
    expect(await claim(over)).toEqual(moved)
    const found = await Promise.all([late, early, over].map((sha256) => findToken(database.app, sha256)))
    expect(found.map((one) => one!.token.usedAt)).toEqual([null, null, null])
    expect(await claim(early)).toEqual({ issuanceId: expect.any(String) })
  })

  test('whose time is over is not claimed', async () => {
    const sha256 = await token(await makeGrant(database.app, tenant), 'enrolment', 900)
    await database.owner.query(sql`UPDATE federation_enrollment_tokens SET expires_at = now()`)
    expect(await claim(sha256)).toEqual({ issuanceId: undefined, why: 'used' })
  })

  test('that was claimed by somebody who is gone is told once, and another one can be claimed', async () => {
    const grant = await makeGrant(database.app, tenant)
    await claim(await token(grant))
    expect(await failAbandoned(database.app, { olderThanSeconds: 60, reason: 'gateway_restarted' })).toEqual([])
    const told = (
      await many(() => failAbandoned(database.app, { olderThanSeconds: 0, reason: 'gateway_restarted' }))
    ).flat()
    expect(told).toEqual([
      {
        id: expect.any(String),
        ...{ tenantId: grant.tenantId, grantId: grant.grantId },
        requestId: expect.any(String),
        purpose: 'enrolment',
      },
    ])
    expect(await grantOf(grant)).toMatchObject({ status: 'pending' })
    await enrolled(grant)
  })
})

describe('an activation', () => {
  test('is one transaction: grant, peer, certificate, journal and audit', async () => {
    const grant = await makeGrant(database.app, tenant)
    const { leaf, audit } = await enrolled(grant)
    expect(await grantOf(grant)).toMatchObject({ status: 'active', epoch: 2 })
    expect(await getInboundPeer(database.app, { tenantId: grant.tenantId, id: grant.peerId })).toMatchObject({
      state: 'active',
    })
    expect(await statuses(grant)).toEqual(['issued'])
    expect(await readAudit(database.app, { limit: 10 })).toMatchObject([{ requestId: audit.requestId }])
    expect(await wasKeyUsed(database.app, leaf.spkiSha256)).toBe(true)
    expect(await outbox()).toEqual([])
    const { x5t, serial } = leaf
    const named = { x5t, serial, commonName: 'peer.test', grantId: grant.grantId, subjectUserId: tenant.alice }
    // As the federation listener asks for it.
    const found: Awaited<ReturnType<AdmissionStore['admission']>> = await findAdmission(database.app, named)
    const rights = { tenantId: grant.tenantId, userId: tenant.alice, deniedResources: [], sharePersonal: true }
    expect(found.registered).toEqual({ grantId: grant.grantId, x5t: leaf.x5t, status: 'issued', supersededAt: null })
    expect(found.grant).toMatchObject({
      ...{ tenantId: grant.tenantId, status: 'active', epoch: 2, rateLimit: 60, scope: SCOPE },
      peer: { direction: 'inbound', status: 'active' },
      subject: { tenantId: grant.tenantId, disabledAt: null, deletedAt: null },
      rights: { ...rights, teams: [{ id: tenant.team, role: 'maintainer' }] },
    })
    const other = await findAdmission(database.app, { grantId: grant.grantId, serial: 'abc' })
    expect(other).toMatchObject({ grant: { status: 'active' }, registered: undefined })
    const unknown = await findAdmission(database.app, { grantId: crypto.randomUUID(), serial: leaf.serial })
    expect(unknown).toEqual({ grant: undefined, registered: undefined })
  })

  test('of one grant succeeds once, and what the others were issued is revoked', async () => {
    const grant = await makeGrant(database.app, tenant)
    const first = await claimed(grant)
    // As if the rule that only one is on its way were not there.
    const activations = [first, ...(await many(async () => ({ ...first, leaf: makeLeaf(), audit: makeAuditRow() })))]
    const outcomes = await Promise.all(activations.map((one) => activate(database.app, one)))
    expect(outcomes.filter((outcome) => outcome === 'active')).toHaveLength(1)
    expect(outcomes.filter((outcome) => outcome === 'lost_race')).toHaveLength(MANY)
    const lost = activations.filter((_, at) => outcomes[at] === 'lost_race').map(({ leaf }) => leaf.serial)
    expect(await outbox()).toEqual(lost.toSorted())
    expect(await statuses(grant)).toEqual(['issued'])
    expect(await readAudit(database.app, { limit: 100 })).toHaveLength(1)
  })

  test.each(['peer', 'grant', 'subject'] as const)(
    'together with a revocation of the %s ends revoked, whoever is first',
    async (what) => {
      const { tenantId, alice } = tenant
      const all = await many(async () => claimed(await makeGrant(database.app, tenant)))
      const revoke = {
        peer: ({ peerId: id }: Activation) => revokeInboundPeer(database.app, { tenantId, id, reason: 'r' }),
        grant: ({ grantId: id }: Activation) => revokeGrant(database.app, { tenantId, id, reason: 'r' }),
        subject: () => deleteUser(database.app, { tenantId, id: alice }),
      }[what]
      const outcomes = await Promise.all(
        all.map(async (one) => (await Promise.all([activate(database.app, one), revoke(one)]))[0]),
      )
      const ends = await Promise.all(all.map(grantOf))
      expect(ends.map((grant) => grant!.status)).toEqual(Array(MANY).fill('revoked'))
      expect(await outbox()).toEqual(all.map(({ leaf }) => leaf.serial).toSorted())
      const leaves = await Promise.all(all.map(statuses))
      expect(leaves).toEqual(outcomes.map((outcome) => (outcome === 'active' ? ['revoked'] : [])))
    },
  )

  test('with a key or a serial number of another certificate takes nothing, and does not end that other one', async () => {
    const first = await enrolled(await makeGrant(database.app, tenant))
    const { spkiSha256, serial } = first.leaf
    for (const leaf of [makeLeaf({ spkiSha256 }), makeLeaf({ serial })]) {
      const grant = await makeGrant(database.app, tenant)
      expect(await activate(database.app, { ...(await claimed(grant)), leaf })).toBe('known_leaf')
      expect(await grantOf(grant)).toMatchObject({ status: 'pending' })
      const revoked = await outbox()
      expect(revoked).not.toContain(serial)
      if (leaf.serial !== serial) expect(revoked).toEqual([leaf.serial])
    }
  })

  test('for a new beginning revokes all earlier certificates, without an overlap', async () => {
    const grant = await makeGrant(database.app, tenant)
    const first = await enrolled(grant)
    await acceptLeaf(database.app, { ...grant, serial: first.leaf.serial })
    const again = await claimed(grant, 're-enrolment')
    expect(await activate(database.app, again)).toBe('active')
    expect(await statuses(grant)).toEqual(['issued', 'revoked'])
    expect(await outbox()).toEqual([first.leaf.serial])
    expect(await grantOf(grant)).toMatchObject({ status: 'active', epoch: 2, certificateRevocation: 'none' })
    // A pending one has nothing to begin anew.
    const pending = await makeGrant(database.app, tenant)
    expect(await activate(database.app, await claimed(pending, 're-enrolment'))).toBe('lost_race')
  })

  test('that is given up leaves the grant pending, and has the certificate revoked', async () => {
    const grant = await makeGrant(database.app, tenant)
    const { issuanceId, leaf } = await claimed(grant)
    await giveUp(database.app, { ...grant, issuanceId, serial: leaf.serial, reason: 'issued_oid_mismatch' })
    expect(await grantOf(grant)).toMatchObject({ status: 'pending' })
    expect(await outbox()).toEqual([leaf.serial])
    await enrolled(grant)
  })
})

describe('certificates of a grant', () => {
  const renewed = async (grant: TestGrant, leaf = makeLeaf()) => {
    const opened = await openRenewal(database.app, {
      ...grant,
      requestId: crypto.randomUUID(),
      csrSha256: leaf.csrSha256,
    })
    if (!('issuanceId' in opened)) return opened
    return registerRenewal(database.app, { ...grant, issuanceId: opened.issuanceId, leaf })
  }
  const accept = (grant: TestGrant, serial: string) => acceptLeaf(database.app, { ...grant, serial })

  test('take turns: issued, active, superseded; many that accept at once make one active', async () => {
    const grant = await makeGrant(database.app, tenant)
    const { leaf: first } = await enrolled(grant)
    expect(await many(() => accept(grant, first.serial))).toEqual(Array(MANY).fill('active'))
    const second = makeLeaf()
    expect(await renewed(grant, second)).toBe('issued')
    // The old one is good as long as nobody has used the new one.
    expect(await accept(grant, first.serial)).toBe('active')
    await many((at) => accept(grant, at % 2 === 0 ? second.serial : first.serial))
    expect(await statuses(grant)).toEqual(['active', 'superseded'])
    expect(await accept(grant, first.serial)).toBe('superseded')
    const found = await findAdmission(database.app, { grantId: grant.grantId, serial: first.serial })
    expect(found.registered).toMatchObject({ status: 'superseded', supersededAt: expect.any(Date) })
    expect(await accept(grant, 'abc')).toBeUndefined()
  })

  test('are renewed by one at a time; the same request gets the same certificate', async () => {
    const grant = await makeGrant(database.app, tenant)
    await accept(grant, (await enrolled(grant)).leaf.serial)
    const leaf = makeLeaf()
    const opened = await many((at) =>
      openRenewal(database.app, {
        ...grant,
        requestId: crypto.randomUUID(),
        csrSha256: at === 0 ? leaf.csrSha256 : `${at}`,
      }),
    )
    const won = opened.filter((one) => 'issuanceId' in one)
    expect(won).toHaveLength(1)
    expect(opened.filter((one) => 'why' in one && one.why === 'renewal_in_progress')).toHaveLength(MANY - 1)
    const { issuanceId } = won[0] as { issuanceId: string }
    expect(await registerRenewal(database.app, { ...grant, issuanceId, leaf })).toBe('issued')
    expect(await renewed(grant, leaf)).toEqual({ same: expect.objectContaining({ serial: leaf.serial }) })
    expect(await renewed(grant)).toEqual({ why: 'renewal_in_progress' })
  })

  test('that nobody used are abandoned for a later renewal', async () => {
    const grant = await makeGrant(database.app, tenant)
    await accept(grant, (await enrolled(grant)).leaf.serial)
    const unused = makeLeaf()
    await renewed(grant, unused)
    await database.owner.query(sql`UPDATE federation_certificates SET issued_at = now() - interval '31 s'`)
    expect(await renewed(grant)).toBe('issued')
    expect(await statuses(grant)).toEqual(['abandoned', 'active', 'issued'])
    expect(await accept(grant, unused.serial)).toBe('abandoned')
  })

  test('are not renewed, accepted or registered for a grant that was revoked, and one on its way is revoked', async () => {
    const grant = await makeGrant(database.app, tenant)
    const { leaf: first } = await enrolled(grant)
    const leaf = makeLeaf()
    await accept(grant, first.serial)
    const opened = await openRenewal(database.app, { ...grant, requestId: 'r', csrSha256: leaf.csrSha256 })
    const [outcome] = await Promise.all([
      registerRenewal(database.app, { ...grant, issuanceId: (opened as { issuanceId: string }).issuanceId, leaf }),
      revokeGrant(database.app, { tenantId: grant.tenantId, id: grant.grantId, reason: 'r' }),
      accept(grant, first.serial),
    ])
    expect(await outbox()).toEqual([first.serial, leaf.serial].toSorted())
    expect(await statuses(grant)).toEqual(outcome === 'issued' ? ['revoked', 'revoked'] : ['revoked'])
    expect(await accept(grant, first.serial)).toBeUndefined()
    expect(await renewed(grant)).toEqual({ why: 'lost_race' })
  })
})

describe('a revocation', () => {
  test('is one for ever: the second one changes nothing', async () => {
    const grant = await makeGrant(database.app, tenant)
    const { leaf } = await enrolled(grant)
    const place = { tenantId: grant.tenantId, id: grant.grantId }
    const revoked = await many((at) => revokeGrant(database.app, { ...place, reason: `reason ${at}` }))
    expect(revoked.filter((one) => one.grant !== undefined && one.changed)).toHaveLength(1)
    expect(new Set(revoked.map((one) => JSON.stringify(one.grant))).size).toBe(1)
    expect(revoked[0]!.grant).toMatchObject({ status: 'revoked', epoch: 3, certificateRevocation: 'queued' })
    expect(await outbox()).toEqual([leaf.serial])
    expect(await revokeGrant(database.app, { ...place, id: crypto.randomUUID(), reason: 'r' })).toMatchObject({
      why: 'absent',
    })
    const other = await makeTenant(database.owner)
    expect(await revokeGrant(database.app, { ...place, tenantId: other.tenantId, reason: 'r' })).toMatchObject({
      why: 'absent',
    })
  })

  test('comes to the CA by the outbox: taken by one, again after a pause, until it is in force', async () => {
    const grant = await makeGrant(database.app, tenant)
    const { leaf } = await enrolled(grant)
    const place = { tenantId: grant.tenantId, serial: leaf.serial }
    await revokeGrant(database.app, { tenantId: grant.tenantId, id: grant.grantId, reason: 'left' })
    const taken = (await many(() => takeDue(database.app, 10))).flat()
    expect(taken).toEqual([{ ...place, grantId: grant.grantId, reason: 'left', attempts: 1 }])
    const pauses: number[] = []
    for (let at = 0; at < 8; at++) {
      await noteFailed(database.app, { ...place, failure: 'ca_unreachable' })
      const [{ pause }] = (await database.owner.query(
        sql`UPDATE federation_revocation_outbox SET attempts = attempts + 1
          RETURNING round(extract(epoch FROM next_at - now()))::int AS pause`,
      )) as [{ pause: number }]
      pauses.push(pause)
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60])
    expect(await outboxState(database.app, tenant)).toMatchObject({ queued: 1, lastFailure: 'ca_unreachable' })
    await noteRevoked(database.app, place)
    expect(await grantOf(grant)).toMatchObject({ certificateRevocation: 'queued' })
    expect(await outboxState(database.app, tenant)).toEqual({ queued: 0, oldest: null, lastFailure: null })
    await noteEffective(database.app, [leaf.serial, 'abc'])
    expect(await grantOf(grant)).toMatchObject({ certificateRevocation: 'effective' })
  })

  test('of a peer is one of all its grants, and its name is free again', async () => {
    const first = await makeGrant(database.app, tenant)
    const second = await makeGrant(database.app, tenant, { peerId: first.peerId })
    const third = await makeGrant(database.app, tenant)
    const { tenantId, peerId: id } = first
    const { leaf } = await enrolled(first)
    const { commonName } = (await getInboundPeer(database.app, { tenantId, id }))!
    expect(await registerPeer(database.app, { tenantId, commonName })).toBeUndefined()
    await many(() => revokeInboundPeer(database.app, { tenantId, id, reason: 'r' }))
    const found = await Promise.all([first, second, third].map(grantOf))
    expect(found.map((grant) => grant!.status)).toEqual(['revoked', 'revoked', 'pending'])
    expect(await outbox()).toEqual([leaf.serial])
    expect(await registerPeer(database.app, { tenantId, commonName })).toMatchObject({ state: 'pending' })
    const other = await makeTenant(database.owner)
    expect(await revokeInboundPeer(database.app, { ...other, id, reason: 'r' })).toBeUndefined()
  })

  test('comes with the end of the subject, and a grant that is made meanwhile does not escape it', async () => {
    const { tenantId, alice } = tenant
    const peer = (await registerPeer(database.app, { tenantId, commonName: 'peer.test' }))!
    const make = () =>
      createGrant(database.app, {
        tenantId,
        peerId: peer.id,
        subjectUserId: alice,
        scope: SCOPE,
        rateLimit: 1,
        expiresAt: null,
      })
    await make()
    await many<unknown>((at) => (at === 5 ? deleteUser(database.app, { tenantId, id: alice }) : make()))
    const grants = await listGrants(database.app, { tenantId, limit: 100 })
    expect(new Set(grants.map(({ status }) => status))).toEqual(new Set(['revoked']))
    expect(await deleteUser(database.app, { tenantId, id: alice })).toBeUndefined()
  })
})
