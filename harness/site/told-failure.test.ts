import { expect, test } from 'vitest'
import { http } from '../protocols/http/index.ts'
import { callParts } from '../shipped.ts'
import type { PlannedCheck } from '../topology/verification.ts'
import { markJudged } from './judging.ts'
import type { Judged } from './known-differences.ts'
import type { Ledger } from './ledger.ts'
import { type About, toldFailure } from './told-failure.ts'
import type { Verdict } from './verdict.ts'

const { live } = await callParts()
const answers = { status: 401, error: 'invalid_token' } as const
const checks: readonly PlannedCheck[] = [
  {
    ...{ check: 'certificate/presented', guard: 'tls', reason: 'cert_missing', layer: 'tls' },
    ...{ status: null, error: null },
  },
  { check: 'bound-token/signature', guard: 'signed', reason: 'signature_invalid', layer: 'http', ...answers },
  { check: 'bound-token/binding', guard: 'bound', reason: 'cnf_x5t_mismatch', layer: 'http', ...answers },
]

/** A call that must be refused for a reason, and comes out as `parts` say. */
function told(reason: string, about: About, { parts = {}, judged = {} }: { parts?: object; judged?: Partial<Judged> }) {
  const token = { readable: true, header: {}, claims: {}, thumbprint: 'T' }
  const answered = {
    ...{ from: 'a', to: 'b', action: 'read', verdict: 'accepted', layer: 'http', status: 200, promised: true },
    ...{ error: null, wwwAuthenticate: [], reason: null, decisions: [], log: () => [], live, protocol: http },
    ...{ principal: {}, judged: [], leaks: [], answerLeaks: [], body: '' },
    credential: { label: 'x', certificate: { thumbprint: 'T', chain: [] }, token },
    verification: { takes: [], checks },
    ...parts,
  } as unknown as Verdict
  const verdict: Verdict = { ...answered, answer: answered }
  markJudged(verdict, { expected: 'refused', problems: ['the caller got it'], reason, ...judged })
  return toldFailure([{ verdict }] as unknown as Ledger, about, 'a test')
}

const unsigned: About = { id: 'GEN-01', title: 'an unsigned token is refused', follows: 'bound-token/signature' }

test('what is let in says which check it works without; what is refused otherwise, and what is the fault of somebody, follows from none', () => {
  expect(told('alg_not_allowed', unsigned, {})).toMatchObject({
    cause: 'b read: lets in what alg_not_allowed should refuse',
    follows: 'b read: lets in what signed should refuse',
  })
  expect(told('alg_not_allowed', unsigned, {})?.breaks).toBe('b read: GEN-01')
  expect(told('signature_invalid', {}, {})?.cause).toBe('b read: lets in what signed should refuse')
  const refused = { promised: false, verdict: 'refused', status: 500 }
  expect(told('alg_not_allowed', unsigned, { parts: refused })?.follows).toBeUndefined()
  expect(told('alg_not_allowed', unsigned, { judged: { fault: 'the proxy' } })?.follows).toBeUndefined()
  expect(told('alg_not_allowed', { ...unsigned, follows: 'bound-token/node' }, {})?.follows).toBeUndefined()
})

test('a rule is broken where somebody is let in, and where a good caller is turned away; not by a refusal of another kind', () => {
  const refused = { promised: false, verdict: 'refused', status: 401 }
  const away = { parts: refused, judged: { expected: 'accepted', reason: undefined } }

  expect(told('alg_not_allowed', unsigned, away)?.breaks).toBe('b read: GEN-01')
  expect(told('alg_not_allowed', { ...unsigned, rank: 'control' }, away)?.breaks).toBeUndefined()
  expect(told('alg_not_allowed', unsigned, { parts: { ...refused, status: 500 } })?.breaks).toBeUndefined()
  expect(told('alg_not_allowed', unsigned, { parts: { ...refused, status: 500 } })?.misses).toBe('b read: GEN-01')
  expect([told('alg_not_allowed', unsigned, away)?.misses, told('alg_not_allowed', unsigned, {})?.misses]).toEqual([
    undefined,
    undefined,
  ])
  expect(told('alg_not_allowed', unsigned, { judged: { fault: 'the proxy' } })?.breaks).toBeUndefined()
})

test('a secret that is given away is the cause of a failed refusal, and is told before what else is wrong', () => {
  const refused = { promised: false, verdict: 'refused', status: 401 }
  const log = {
    parts: { ...refused, leaks: ['token eyJ…'] },
    judged: { problems: ['no challenge', 'b wrote down token eyJ…'] },
  }
  const answer = {
    parts: { ...refused, answerLeaks: ['a thumbprint'] },
    judged: { problems: ['the answer holds a thumbprint'] },
  }
  const of = (failure: ReturnType<typeof told>) => ({
    cause: failure?.cause,
    sentence: failure?.sentence,
    because: failure?.told.find(([label]) => label === 'because')?.slice(1),
  })

  expect(of(told('alg_not_allowed', unsigned, log))).toEqual({
    cause: 'b read: writes down a secret that is presented to it',
    sentence: 'b read writes down a secret that is presented to it',
    because: ['b wrote down token eyJ…', 'no challenge'],
  })
  expect(of(told('alg_not_allowed', unsigned, answer))).toEqual({
    cause: 'b read: tells in its refusal what helps an attacker',
    sentence: 'b read tells in its refusal what helps an attacker',
    because: ['the answer holds a thumbprint'],
  })
  // Whoever was to be let in has no refusal.
  const away = { ...log, judged: { problems: ['the caller got 401'], reason: undefined } }
  expect(told('alg_not_allowed', unsigned, away)?.sentence).toBe('b read: an unsigned token is refused')
})

test('of a malformed request of somebody who may come in it is not said that he is let in', () => {
  const about = { id: 'TLS-22', title: 'no spelling counts' }
  const token = { readable: true, header: {}, claims: {}, thumbprint: 'T' }
  const beside = {
    live,
    credential: { label: 'x', certificate: { thumbprint: 'T', chain: [] }, token },
  } as unknown as Verdict
  const other = { ...beside, credential: { label: 'y', token } } as unknown as Verdict
  const failure = told('request_unreadable', about, { judged: { beside } })

  expect(failure?.sentence).toBe('b read answers a malformed request like any other: no spelling counts')
  expect(failure?.told).toContainEqual(['likely', expect.stringMatching(/^its HTTP parser /)])
  const letIn = 'b read lets in what it must refuse: no spelling counts'
  expect(told('request_unreadable', about, { judged: { beside: other } })?.sentence).toBe(letIn)
  expect(told('alg_not_allowed', about, { judged: { beside } })?.sentence).toBe(letIn)
})

test('of what is presented apart that is the plain one which lacks nothing else', () => {
  const about = { rank: 'plain' } as const
  const token = { readable: true, header: {}, claims: {}, thumbprint: 'T' }
  const alone = { credential: { label: 'x', token } }
  const [stolen, bare] = [
    told('cnf_x5t_mismatch', about, { parts: alone }),
    told('cert_missing', about, { parts: alone }),
  ]

  expect(stolen?.cause).toBe(bare?.cause)
  expect([stolen?.rank, bare?.rank]).toEqual(['plain', 'other'])
  // Where nothing is apart it is as plain as any.
  expect(told('cert_missing', about, {})?.rank).toBe('plain')
})
