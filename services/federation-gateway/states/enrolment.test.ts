import { expect, test } from 'vitest'
import {
  type EnrolmentAttempt,
  enrGrant,
  enrPeer,
  enrTokenFresh,
  enrTokenKnown,
  enrTokenUnused,
  tokenStateAt,
} from './enrolment.ts'

const now = Date.parse('2026-01-31T09:00:00Z')
const fresh = { purpose: 'enrolment', usedAt: null, expiresAt: new Date(now + 1) } as const
const again = { ...fresh, purpose: 're-enrolment' } as const
const grant = { status: 'pending', expiresAt: null } as const
const attempt: EnrolmentAttempt = { token: fresh, grant, peer: { status: 'pending' }, now }
const gone = (reason: string) => ({ reason, status: 410, error: 'gone' })
const conflict = (reason: string) => ({ reason, status: 409, error: 'conflict' })

test('a token is fresh to its last millisecond, and used for ever', () => {
  expect(tokenStateAt(fresh, now)).toBe('fresh')
  expect(tokenStateAt(fresh, now + 1)).toBe('expired')
  const used = { ...fresh, usedAt: new Date(now) }
  expect([tokenStateAt(used, now), tokenStateAt(used, now + 1)]).toEqual(['used', 'used'])
})

test('a fresh token of a pending grant passes all of these, and so does one for a new beginning of an active grant', () => {
  const renewed = {
    ...attempt,
    token: again,
    grant: { ...grant, status: 'active' },
    peer: { status: 'active' },
  } as const
  for (const each of [attempt, renewed]) {
    for (const guard of [enrTokenKnown, enrTokenUnused, enrTokenFresh, enrGrant, enrPeer]) {
      expect([guard.id, guard.check(each)]).toEqual([guard.id, undefined])
    }
  }
})

test('enr.token-known: one that nobody knows', () => {
  expect(enrTokenKnown.check({ ...attempt, token: undefined })).toEqual({
    ...{ reason: 'token_unknown', status: 404, error: 'not_found' },
  })
})

test('enr.token-unused: one that was used, and one whose time is over, too', () => {
  const used = { ...fresh, usedAt: new Date(now) }
  expect(enrTokenUnused.check({ ...attempt, token: used })).toEqual(gone('token_used'))
  expect(enrTokenUnused.check({ ...attempt, token: { ...used, expiresAt: new Date(0) } })).toEqual(gone('token_used'))
})

test('enr.token-fresh: one whose time is over', () => {
  expect(enrTokenFresh.check({ ...attempt, now: now + 1 })).toEqual(gone('token_expired'))
})

test('enr.grant: one that has ended, for either purpose', () => {
  const ends = [
    { status: 'revoked', expiresAt: null },
    { status: 'expired', expiresAt: null },
    { ...grant, expiresAt: new Date(now) },
  ] as const
  for (const ended of ends) {
    for (const token of [fresh, again]) {
      expect(enrGrant.check({ ...attempt, token, grant: ended })).toEqual(gone('token_grant_ended'))
    }
  }
})

test('enr.grant: one whose state does not fit the purpose', () => {
  const active = { ...grant, status: 'active' } as const
  expect(enrGrant.check({ ...attempt, grant: active })).toEqual(conflict('grant_already_active'))
  expect(enrGrant.check({ ...attempt, token: again })).toEqual(conflict('grant_not_active'))
})

test('enr.peer: one that was revoked', () => {
  expect(enrPeer.check({ ...attempt, peer: { status: 'revoked' } })).toEqual(conflict('enrolment_peer_revoked'))
  expect(enrPeer.check({ ...attempt, peer: { status: 'active' } })).toBeUndefined()
})
