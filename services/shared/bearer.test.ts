import { expect, test } from 'vitest'
import { carrierOf, challengeOf, insufficientScope, invalidToken, nothingPresented, refusalAnswer } from './bearer.ts'

const carried = (...authorization: string[]) =>
  carrierOf({ rawHeaders: authorization.flatMap((value) => ['Authorization', value]), url: '/v1/state' })

test.each(['Bearer abc.def.ghi', 'bearer abc.def.ghi', 'BEARER abc.def.ghi'])('"%s" carries a token', (value) => {
  expect(carried(value)).toEqual({ token: 'abc.def.ghi' })
})

test.each([[], [''], ['Basic dXNlcjpwYXNz'], ['Bearerer t'], ['DPoP t']])('%j carries none', (...values) => {
  expect(carried(...values.filter((value) => value !== undefined))).toEqual({ problem: 'token_missing' })
})

test.each([
  'Bearer',
  'Bearer ',
  'Bearer\tt',
  'Bearer t,Bearer u',
  'Bearer t t',
  'Bearer "t"',
  'Bearer t;x',
  'Bearer  t',
])('"%s" is malformed', (value) => {
  expect(carried(value)).toEqual({ problem: 'token_carrier_invalid' })
})

test('two headers are refused in either order, though Node keeps the first', () => {
  expect(carried('Bearer good', 'Bearer bad')).toEqual({ problem: 'token_carrier_invalid' })
  expect(carried('Bearer bad', 'Basic x')).toEqual({ problem: 'token_carrier_invalid' })
})

test('a token in the query is refused, alone and beside a header', () => {
  const url = '/v1/state?access_token=t'
  expect(carrierOf({ rawHeaders: [], url })).toEqual({ problem: 'token_carrier_invalid' })
  expect(carrierOf({ rawHeaders: ['authorization', 'Bearer t'], url })).toEqual({ problem: 'token_carrier_invalid' })
  expect(carrierOf({ rawHeaders: ['authorization', 'Bearer t'], url: '/?limit=1' })).toEqual({ token: 't' })
})

test('a form is refused, alone and beside a header: it could carry a second token', () => {
  const form = ['content-type', 'Application/x-www-form-urlencoded; charset=utf-8']
  const read = (...rawHeaders: string[]) => carrierOf({ rawHeaders, url: '/v1/state' })
  expect(read(...form)).toEqual({ problem: 'token_carrier_invalid' })
  expect(read(...form, 'authorization', 'Bearer t')).toEqual({ problem: 'token_carrier_invalid' })
  expect(read('content-type', 'application/json', 'authorization', 'Bearer t')).toEqual({ token: 't' })
})

test('challenges are those of RFC 6750: no error where nothing was presented, the scope where it was too small', () => {
  expect(challengeOf('node-a', nothingPresented('token_missing'))).toBe('Bearer realm="node-a"')
  expect(challengeOf('node-a', invalidToken('token_expired'))).toBe('Bearer realm="node-a", error="invalid_token"')
  expect(challengeOf('node-a', insufficientScope('scope_insufficient', 'node:read'))).toBe(
    'Bearer realm="node-a", error="insufficient_scope", scope="node:read"',
  )
  expect(challengeOf('node-a', { reason: 'peer_disabled', status: 403, error: 'forbidden' })).toBeUndefined()
})

test('an answer never holds the reason', () => {
  expect(JSON.stringify(refusalAnswer('node-a', invalidToken('cnf_x5t_mismatch')))).not.toContain('cnf')
})
