import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  changesOfLeaves,
  grantCertificate,
  LEAF_STATUSES,
  type LeafStatus,
  type LeavesEvent,
  leafAfter,
  type PresentedLeaf,
  type RegisteredLeaf,
} from './leaf.ts'

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

test('a renewal, step by step', () => {
  const leaves = new Map<string, LeafStatus>()
  const after = (event: LeavesEvent) => {
    for (const [serial, status] of changesOfLeaves(leaves, event)) leaves.set(serial, status)
    return [...leaves].map(([serial, status]) => `${serial} ${status}`).join(', ')
  }
  expect(after({ issued: '1' })).toBe('1 issued')
  expect(after({ accepted: '1' })).toBe('1 active')
  expect(after({ issued: '2' })).toBe('1 active, 2 issued')
  expect(after({ accepted: '1' })).toBe('1 active, 2 issued')
  expect(after({ issued: '3' })).toBe('1 active, 2 abandoned, 3 issued')
  expect(after({ accepted: '2' })).toBe('1 active, 2 abandoned, 3 issued')
  expect(after({ accepted: '3' })).toBe('1 superseded, 2 abandoned, 3 active')
  expect(after({ accepted: '1' })).toBe('1 superseded, 2 abandoned, 3 active')
  expect(after({ accepted: '9' })).toBe('1 superseded, 2 abandoned, 3 active')
  expect(after('revoke')).toBe('1 revoked, 2 revoked, 3 revoked')
  expect(after({ accepted: '3' })).toBe('1 revoked, 2 revoked, 3 revoked')
  expect(changesOfLeaves(leaves, 'revoke').size).toBe(0)
})

test('whatever happens, at most one is issued and one active, and nobody comes back from where he was', () => {
  const serial = fc.integer({ min: 1, max: 4 }).map(String)
  const events = fc.array(fc.oneof(fc.constant('new' as const), serial, fc.constant('revoke' as const)), {
    maxLength: 30,
  })
  fc.assert(
    fc.property(events, (all) => {
      const leaves = new Map<string, LeafStatus>()
      for (const what of all) {
        const event =
          what === 'new' ? { issued: String(leaves.size + 1) } : what === 'revoke' ? what : { accepted: what }
        for (const [serial, status] of changesOfLeaves(leaves, event)) {
          expect(['revoked', ...(status === 'revoked' ? [] : ['abandoned', 'superseded'])]).not.toContain(
            leaves.get(serial),
          )
          leaves.set(serial, status)
        }
        const count = (status: LeafStatus) => [...leaves.values()].filter((each) => each === status).length
        expect([count('issued') <= 1, count('active') <= 1]).toEqual([true, true])
      }
    }),
  )
})
