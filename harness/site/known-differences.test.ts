import { expect, test } from 'vitest'
import { AttackWorks } from '../attacks/lab.ts'
import { http } from '../protocols/http/index.ts'
import type { ExpectedRefusal } from './judge.ts'
import {
  DifferenceUnknown,
  demandTried,
  isGain,
  isKnownGain,
  judgedAsDiffering,
  type KnownDifference,
} from './known-differences.ts'
import type { Verdict } from './verdict.ts'

const standard: ExpectedRefusal = { status: 401, error: 'invalid_token', reason: 'cnf_missing', proof: 'status alone' }
const wrong = { expected: 'refused 401 invalid_token', problems: ['status 200, expected 401'] }
const right = { expected: 'refused 401 invalid_token', problems: [] }

/** What a target that shows nothing but its status answered. */
function answered(status: number, error: string | null, promised: boolean): Verdict {
  const challenge = { scheme: 'Bearer', params: error === null ? {} : { error } }
  const verdict = {
    ...{ verdict: promised ? 'accepted' : 'refused', promised, status, error, proof: 'status alone', layer: 'http' },
    wwwAuthenticate: promised ? [] : [challenge],
    ...{ body: '', ms: 1, answerLeaks: [], leaks: [], decisions: [], reason: null, guard: null, principal: {} },
    ...{
      credential: { label: 'x' },
      effects: { observed: false, unobservable: 'nothing to see' },
      shown: { said: 'nothing', comparable: [] },
    },
  } as unknown as Verdict
  return { ...verdict, answer: verdict, protocol: http, live: new Map() }
}

const lets: KnownDifference = { comes: 'accepted', against: 'RFC 8705 section 3' }
const says: KnownDifference = { comes: '401 insufficient_scope', against: 'RFC 6750 section 3.1' }

test('a target that differs as is known passes, and nothing else does', () => {
  expect(judgedAsDiffering(answered(200, null, true), wrong, lets, standard).problems).toEqual([])
  expect(judgedAsDiffering(answered(401, 'insufficient_scope', false), wrong, says, standard).problems).toEqual([])
  expect(judgedAsDiffering(answered(200, null, true), wrong, says, standard).problems).not.toEqual([])
  expect(judgedAsDiffering(answered(403, 'insufficient_scope', false), wrong, says, standard).problems).toEqual([
    'status 403, expected 401',
  ])
  expect(judgedAsDiffering(answered(400, 'invalid_request', false), wrong, lets, standard).problems).not.toEqual([])
})

test('a difference that is gone fails', () => {
  const { problems } = judgedAsDiffering(answered(401, 'invalid_token', false), right, lets, standard)
  expect(problems).toEqual(['it is as the standard says by now: strike it from the known differences'])
})

test('a refusal that differs must be without effect and without a leak like any other', () => {
  const leaking = { ...answered(401, 'insufficient_scope', false), answerLeaks: ['the signature of the token'] }
  expect(judgedAsDiffering(leaking, wrong, says, standard).problems).toEqual([
    'the answer holds the signature of the token',
  ])
})

test('a difference of something that is not tried is an error that names it', () => {
  const tried = [{ target: 'gateway call', name: 'no token' }]
  expect(() => demandTried({ 'gateway call': { 'no token': says } }, tried)).not.toThrow()
  expect(() => demandTried({ 'gateway call': { 'no tokens': says }, other: { x: lets } }, tried)).toThrow(
    DifferenceUnknown,
  )
  expect(() => demandTried({ 'gateway call': { 'no tokens': says }, other: { x: lets } }, tried)).toThrow(
    'gateway call: no tokens; other: x',
  )
})

test('what an attacker is known to gain is that and nothing else', () => {
  const gain: KnownDifference = { comes: 'works: a good caller is turned away', against: 'GEN-37' }
  expect([gain, lets, says].map(isGain)).toEqual([true, false, false])
  expect(isKnownGain(new AttackWorks('gateway: a good caller is turned away 7 times'), gain)).toBe(true)
  expect(isKnownGain(new AttackWorks('gateway: it wrote down the token'), gain)).toBe(false)
  expect(isKnownGain(new Error('a good caller is turned away'), gain)).toBe(false)
})
