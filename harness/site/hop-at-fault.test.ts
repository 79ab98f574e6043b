import { expect, test } from 'vitest'
import { callParts } from '../shipped.ts'
import type { Hop } from '../topology/plan.ts'
import type { ActionVerification } from '../topology/verification.ts'
import { hopAtFault } from './hop-at-fault.ts'

const { live } = await callParts()

const hop = {
  ...{ node: 'edge', unit: 'proxy', listener: 'main', to: { node: 'shop', listener: 'api' } },
  mend: { file: '@{unit}/nginx.conf', place: 'the block server', line: 'proxy_set_header {field} $http_{variable};' },
} satisfies Hop & { node: string; unit: string }

const refusal = { guard: 'door', layer: 'http', status: 401, error: null } as const
const verification: ActionVerification = {
  takes: [['bearer-secret']],
  checks: [
    { check: 'bearer-secret/presented', ...refusal, reason: 'missing' },
    { check: 'bearer-secret/matches', ...refusal, reason: 'unknown', args: { secrets: ['club'] } },
  ],
  fields: { secret: 'Authorization' },
  behind: { missing: 'missing_via_proxy' },
}
type Told = Parameters<typeof hopAtFault>[0]
const call = (how: Partial<Told>): Told => ({
  ...{ hop, to: 'shop', verdict: 'refused', verification, guard: 'door', reason: 'missing_via_proxy', live },
  credential: { label: 'club', secret: { ref: '01234567', length: 64 } },
  ...how,
})
const direct = call({ hop: undefined, verdict: 'accepted', guard: null, reason: null })

test('a proxy that takes away what the target misses is named, with the line that mends it', () => {
  const told =
    'edge (unit proxy) does not hand on Authorization, which reaches shop when it is called directly; ' +
    'write into the block server of units/proxy/nginx.conf: proxy_set_header Authorization $http_authorization;'
  expect(hopAtFault(call({}), direct)).toBe(told)
  expect(hopAtFault(call({ reason: 'missing' }), direct)).toBe(told)
  expect(hopAtFault(call({ control: { call: direct } as Told['control'] }))).toBe(told)
})

test('of a refusal for something else nobody knows the line', () => {
  const plain = 'edge (unit proxy): shop accepts the same call directly, and refuses it through edge'
  expect(hopAtFault(call({ reason: 'unknown' }), direct)).toBe(plain)
  expect(hopAtFault(call({ guard: 'other' }), direct)).toBe(plain)
  // Nothing was presented, so nothing was taken away.
  expect(hopAtFault(call({ credential: { label: 'nothing' } }), direct)).toBe(plain)
})

test('a proxy is at fault of nothing that fails without it, or that nobody tried without it', () => {
  expect(hopAtFault(call({ verdict: 'accepted' }), direct)).toBeUndefined()
  expect(hopAtFault(call({ hop: undefined }), direct)).toBeUndefined()
  expect(hopAtFault(call({}))).toBeUndefined()
  expect(hopAtFault(call({}), { ...direct, verdict: 'refused' })).toBeUndefined()
  expect(hopAtFault(call({}), { ...direct, hop })).toBeUndefined()
})
