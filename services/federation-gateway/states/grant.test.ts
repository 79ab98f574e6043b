import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { admTransition, GRANT_STATUSES, type GrantEvent, type GrantStatus, grantAfter, statusAt } from './grant.ts'

const EVENTS: GrantEvent[] = ['enrol', 're-enrol', 'rescope', 'revoke', 'expire', 'rights-changed']
const now = Date.parse('2026-01-31T09:00:00Z')

test('every status with every event', () => {
  const table = GRANT_STATUSES.map((status) => {
    const cells = EVENTS.map((event) => {
      const after = grantAfter({ status, epoch: 4 }, event)
      return after === undefined ? '-' : `${after.status}${after.epoch}`
    })
    return [status, ...cells].join(' ')
  })
  expect(table).toEqual([
    'pending active5 - pending5 revoked5 expired5 pending5',
    'active - active4 active5 revoked5 expired5 active5',
    'revoked - - - revoked4 revoked4 revoked4',
    'expired - - - - expired4 expired4',
  ])
})

test('what changes nothing is the same state', () => {
  const grant = { status: 'revoked', epoch: 4 } as const
  expect(grantAfter(grant, 'revoke')).toBe(grant)
})

test('no row of events leads out of an end, nor to a lower epoch', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...EVENTS), { maxLength: 20 }), (events) => {
      let grant: { status: GrantStatus; epoch: number } = { status: 'pending', epoch: 0 }
      for (const event of events) {
        const after = grantAfter(grant, event) ?? grant
        if (grant.status === 'revoked' || grant.status === 'expired') expect(after).toEqual(grant)
        expect(after.epoch - grant.epoch).toBeGreaterThanOrEqual(after.status === grant.status ? 0 : 1)
        grant = after
      }
    }),
  )
})

describe('time', () => {
  test('ends a grant at its moment, and not before', () => {
    const expiresAt = new Date(now)
    expect(statusAt({ status: 'active', expiresAt }, now - 1)).toBe('active')
    expect(statusAt({ status: 'active', expiresAt }, now)).toBe('expired')
    expect(statusAt({ status: 'pending', expiresAt }, now)).toBe('expired')
    expect(statusAt({ status: 'active', expiresAt: null }, now)).toBe('active')
  })

  test('does not make another end of an end', () => {
    expect(statusAt({ status: 'revoked', expiresAt: new Date(0) }, now)).toBe('revoked')
  })
})

describe('adm.transition', () => {
  const judged = (status: GrantStatus, event: GrantEvent, expiresAt: Date | null = null) =>
    admTransition.check({ grant: { status, epoch: 1, expiresAt }, event, now })
  const conflict = { reason: 'grant_transition', status: 409, error: 'conflict' }

  test('passes what the states allow, and a second revocation', () => {
    expect(judged('active', 'revoke')).toBeUndefined()
    expect(judged('revoked', 'revoke')).toBeUndefined()
    expect(judged('pending', 'rescope')).toBeUndefined()
    expect(judged('active', 're-enrol')).toBeUndefined()
  })

  test('refuses with grant_transition what they do not', () => {
    for (const event of ['enrol', 're-enrol', 'rescope'] as const) expect(judged('revoked', event)).toEqual(conflict)
    expect(judged('expired', 'revoke')).toEqual(conflict)
    expect(judged('active', 'enrol')).toEqual(conflict)
    expect(judged('pending', 're-enrol')).toEqual(conflict)
    expect(judged('active', 'rescope', new Date(now))).toEqual(conflict)
  })
})
