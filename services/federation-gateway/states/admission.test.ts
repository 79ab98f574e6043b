import { expect, test } from 'vitest'
import { firstRefusal } from '../../shared/guard.ts'
import { ADMISSION_GUARDS, type Admission, type GrantFacts } from './admission.ts'

const now = Date.parse('2026-01-31T09:00:00Z')
const at = new Date(now)
const presented = { grantId: 'g', subjectUserId: 'alice', commonName: 'a.example', x5t: 'x' }
const grant: GrantFacts = {
  ...{ id: 'g', tenantId: 'acme', subjectUserId: 'alice', status: 'active', expiresAt: null },
  peer: { commonName: 'a.example', direction: 'inbound', status: 'active' },
  subject: { tenantId: 'acme', disabledAt: null, deletedAt: null },
}
const admission: Admission = {
  ...{ presented, grant, overlapSeconds: 60, now },
  registered: { grantId: 'g', x5t: 'x', status: 'active', supersededAt: null },
}

async function judged(change: Partial<Admission>) {
  const found = await firstRefusal(ADMISSION_GUARDS, { ...admission, ...change })
  if (found !== undefined) expect(found.refusal).toMatchObject({ status: 403, error: 'forbidden' })
  return found && `${found.guard} ${found.refusal.reason}`
}
const ofGrant = (change: Partial<GrantFacts>) => judged({ grant: { ...grant, ...change } })
const { peer, subject } = grant

test('an active grant lets in its own certificate, for its subject, from its peer', async () => {
  expect(await judged({})).toBeUndefined()
  expect(await ofGrant({ expiresAt: new Date(now + 1) })).toBeUndefined()
})

test.each<[string, Partial<GrantFacts>]>([
  ['grant.status grant_pending', { status: 'pending' }],
  ['grant.status grant_revoked', { status: 'revoked' }],
  ['grant.status grant_expired', { status: 'expired' }],
  ['grant.status grant_expired', { expiresAt: at }],
  ['grant.status grant_revoked', { status: 'revoked', expiresAt: at }],
  ['grant.subject subject_mismatch', { subjectUserId: 'bob' }],
  ['grant.peer peer_inactive', { peer: { ...peer, status: 'pending' } }],
  ['grant.peer peer_inactive', { peer: { ...peer, status: 'revoked' } }],
  ['grant.peer peer_inactive', { peer: { ...peer, direction: 'outbound' } }],
  ['grant.peer peer_name_mismatch', { peer: { ...peer, commonName: 'c.example' } }],
  ['grant.user subject_missing', { subject: undefined }],
  ['grant.user subject_missing', { subject: { ...subject!, deletedAt: at } }],
  ['grant.user subject_disabled', { subject: { ...subject!, disabledAt: at } }],
  ['grant.user subject_other_tenant', { subject: { ...subject!, tenantId: 'globex' } }],
])('%s: %j', async (refusal, change) => {
  expect(await ofGrant(change)).toBe(refusal)
})

test('grant.known: one that is not there', async () => {
  expect(await judged({ grant: undefined })).toBe('grant.known grant_unknown')
})

test('grant.certificate: one that is not registered for it', async () => {
  expect(await judged({ registered: undefined })).toBe('grant.certificate cert_unregistered')
  const ofOther = { ...admission.registered!, grantId: 'h' }
  expect(await judged({ registered: ofOther })).toBe('grant.certificate cert_other_grant')
})

test('the first of all that is wrong is the reason', async () => {
  const wrong = { subjectUserId: 'bob', peer: { ...peer, status: 'revoked' }, subject: undefined } as const
  expect(await ofGrant({ ...wrong, status: 'revoked' })).toBe('grant.status grant_revoked')
  expect(await ofGrant(wrong)).toBe('grant.subject subject_mismatch')
  expect(await ofGrant({ ...wrong, subjectUserId: 'alice' })).toBe('grant.peer peer_inactive')
  expect(await judged({ grant: { ...grant, subject: undefined }, registered: undefined })).toBe(
    'grant.certificate cert_unregistered',
  )
  expect(await judged({ grant: { ...grant, peer: wrong.peer }, registered: undefined })).toBe(
    'grant.peer peer_inactive',
  )
})
