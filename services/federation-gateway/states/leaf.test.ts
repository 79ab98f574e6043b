import { expect, test } from 'vitest'
import { grantCertificate, LEAF_STATUSES, leafAfter, type PresentedLeaf, type RegisteredLeaf } from './leaf.ts'

const now = Date.parse('2026-01-31T09:00:00Z')
const registered: RegisteredLeaf = { grantId: 'g', x5t: 'x', status: 'active', supersededAt: null }
const presented: PresentedLeaf = { registered, presented: { grantId: 'g', x5t: 'x' }, overlapSeconds: 60, now }
const judged = (change: Partial<RegisteredLeaf>) =>
  grantCertificate.check({ ...presented, registered: { ...registered, ...change } })
const forbidden = (reason: string) => ({ reason, status: 403, error: 'forbidden' })

test('every status with every event', () => {
  const events = ['accepted', 'successor-accepted', 'replaced', 'revoke'] as const
  const table = LEAF_STATUSES.map((status) =>
    [status, ...events.map((event) => leafAfter(status, event) ?? '-')].join(' '),
  )
  expect(table).toEqual([
    'issued active - abandoned revoked',
    'active active superseded - revoked',
    'superseded superseded superseded - revoked',
    'revoked - - - revoked',
    'abandoned - - - revoked',
  ])
})

test('grant.certificate: one that is registered for the grant is let in, issued or active', () => {
  expect(judged({})).toBeUndefined()
  expect(judged({ status: 'issued' })).toBeUndefined()
})

test('grant.certificate: one that is not registered, by serial number and thumbprint alike', () => {
  expect(grantCertificate.check({ ...presented, registered: undefined })).toEqual(forbidden('cert_unregistered'))
  expect(judged({ x5t: 'y' })).toEqual(forbidden('cert_unregistered'))
})

test('grant.certificate: one of another grant', () => {
  expect(judged({ grantId: 'h' })).toEqual(forbidden('cert_other_grant'))
})

test('grant.certificate: one that was revoked or abandoned', () => {
  expect(judged({ status: 'revoked' })).toEqual(forbidden('cert_withdrawn'))
  expect(judged({ status: 'abandoned' })).toEqual(forbidden('cert_withdrawn'))
})

test('grant.certificate: a superseded one within its overlap, and not after', () => {
  const supersededAt = (ms: number) => ({ status: 'superseded', supersededAt: new Date(now - ms) }) as const
  expect(judged(supersededAt(59_999))).toBeUndefined()
  expect(judged(supersededAt(60_000))).toEqual(forbidden('cert_superseded'))
  expect(judged({ status: 'superseded', supersededAt: null })).toEqual(forbidden('cert_superseded'))
})
