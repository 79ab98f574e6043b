import { expect, test } from 'vitest'
import { makeToken } from '../enrolment/token.ts'
import type { PeerHealth } from '../outbound/peers.ts'
import { giveUp } from '../storage/activation.ts'
import { insertAudit } from '../storage/audit/rows.ts'
import { claimToken, storeToken } from '../storage/enrolment-tokens.ts'
import { addOutboundPeer } from '../storage/outbound-peers.ts'
import { makeAuditRow, makeGrant } from '../storage/testing/tenant.ts'
import { type AdminTest, adminForEach, type Caller } from '../testing/admin.ts'

let { database, tenant, other, admin, acme, operator } = {} as AdminTest
adminForEach((mine) => {
  ;({ database, tenant, other, admin, acme, operator } = mine)
})

test('the status tells of each peer, of grants by status, and of what somebody should look at', async () => {
  const { tenantId, alice } = tenant
  await makeGrant(database.app, other)
  const grant = await makeGrant(database.app, tenant)
  const peer = (await addOutboundPeer(database.app, {
    ...{ tenantId, ownerUserId: alice, commonName: 'b.example', enrollmentUrl: 'https://b.example/', caPem: null },
  }))!
  expect((await acme.ok('status:read')).alerts).toEqual([])
  const now = Date.now()
  admin.now = () => now
  admin.state.crl = () => ({ thisUpdate: new Date(now - 90_000), nextUpdate: new Date(now + 60_000) })
  admin.state.crlProblem = () => 'crl_stale'
  const renewal = { nextAt: new Date(now + 5_000).toISOString(), failures: 2, lastFailure: 'peer_unreachable' }
  const certificate = { serial: '1', notAfter: new Date(now + 60_000) } as unknown as PeerHealth['certificate']
  admin.health.set(peer.id, { circuit: 'open', certificate, renewal, alerts: ['its renewal fails'] })
  const status = await acme.ok('status:read')
  expect(status).toMatchObject({
    ...{ tier: 'federated', grants: { pending: 1, active: 0, revoked: 0, expired: 0 }, crl: { ageSeconds: 90 } },
    audit: { stored: 3, failingSince: null },
  })
  expect(status.peers).toMatchObject([
    { id: peer.id, direction: 'outbound', state: 'pending', circuit: 'open', renewal, certificateExpiresAt: null },
    { id: grant.peerId, direction: 'inbound', state: 'pending', circuit: null, renewal: null },
  ])
  expect(status.alerts).toEqual(['peer b.example: its renewal fails', 'no peer is let in: crl_stale'])
})

test('a grant whose token was used for nothing waits for a new one', async () => {
  const grant = await makeGrant(database.app, tenant)
  const made = makeToken()
  await storeToken(database.app, { ...grant, purpose: 'enrolment', ttlSeconds: 900, made })
  const { sha256 } = made
  const requestId = crypto.randomUUID()
  const { issuanceId } = await claimToken(database.app, { sha256, requestId, csrSha256: 'c'.repeat(64) })
  expect((await acme.ok('status:read')).unfinished).toEqual([])
  await giveUp(database.app, { ...grant, issuanceId: issuanceId!, reason: 'ca_timeout' })
  const { unfinished, alerts } = await acme.ok('status:read')
  expect(unfinished).toMatchObject([{ grantId: grant.grantId, reason: 'ca_timeout' }])
  expect(alerts).toEqual([`grant ${grant.grantId} has no certificate (ca_timeout): make a new token for it`])
  expect((await operator.ok('status:read', { query: { tenant: other.tenantId } })).unfinished).toEqual([])
  await acme.ok('grant:token', { at: { id: grant.grantId } })
  expect((await acme.ok('status:read')).unfinished).toEqual([])
})

test('what the CA has still to hear is told to whose certificate it is, and to no other tenant', async () => {
  const grant = await makeGrant(database.app, tenant)
  await giveUp(database.app, { ...grant, issuanceId: crypto.randomUUID(), serial: 'ab', reason: 'issued_chain' })
  expect((await acme.ok('status:read')).revocations).toMatchObject({ queued: 1, oldest: expect.any(String) })
  const globex = admin.as(await admin.tokenOf(other.tenantId))
  expect((await globex.ok('status:read')).revocations).toEqual({ queued: 0, oldest: null, lastFailure: null })
})

test('the audit is read page by page, each tenant its own, and operators all', async () => {
  const grant = await makeGrant(database.app, tenant)
  const { tenantId } = tenant
  const row = (change: object, minute: number) =>
    makeAuditRow({ ...change, at: new Date(Date.UTC(2026, 0, 31, 9, minute)).toISOString() })
  const mine = [1, 2, 3].map((minute) => row({ tenantId, grantId: grant.grantId, peerId: grant.peerId }, minute))
  const foreign = row({ tenantId: other.tenantId }, 4)
  const nobodys = row({ verb: 'enrol', outcome: 'denied', reason: 'token_unknown' }, 5)
  await insertAudit(database.app, [...mine, foreign, nobodys])
  const ids = async (by: Caller, query: object) => (await by.ok('audit:read', { query })).items.map(({ id }) => id)
  const [first, second, third] = mine.map(({ id }) => id)
  expect(await ids(acme, {})).toEqual([third, second, first])
  expect(await ids(acme, { since: '2026-01-31T09:02:00Z' })).toEqual([third, second])
  expect(await ids(acme, { grant: grant.grantId, peer: grant.peerId })).toEqual([third, second, first])
  expect(await ids(operator, {})).toEqual([nobodys.id, foreign.id, third, second, first])
  expect(await ids(operator, { tenant: other.tenantId })).toEqual([foreign.id])
  expect(await ids(operator, { grant: grant.grantId })).toEqual([third, second, first])
  const page = await acme.ok('audit:read', { query: { limit: '2' } })
  expect(page.items.map(({ id }) => id)).toEqual([third, second])
  expect(await ids(acme, { cursor: page.nextCursor! })).toEqual([first])
  const globex = admin.as(await admin.tokenOf(other.tenantId))
  expect((await globex.refused('audit:read', { query: { grant: grant.grantId } })).why).toBe(
    '404 api.tenant object_other_tenant',
  )
})

test('the doctor looks at what is of all, and so is for operators', async () => {
  expect(await operator.ok('doctor:run')).toEqual({ tier: 'federated', ok: true, checks: [] })
  expect((await acme.refused('doctor:run')).why).toBe('403 api.role operator_only')
})
