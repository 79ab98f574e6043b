import { expect, test } from 'vitest'
import type { DecisionRecord } from '../evidence/decision.ts'
import { http } from '../protocols/http/index.ts'
import { callParts } from '../shipped.ts'
import type { ActionVerification } from '../topology/verification.ts'
import { toldCall } from './evidence-text.ts'
import { receivedText, refusalProblems } from './judge.ts'
import type { Ledger } from './ledger.ts'
import { firstMismatch, shown } from './told-failure.ts'
import type { Verdict } from './verdict.ts'

const { live } = await callParts()
const token = {
  readable: true,
  header: {},
  claims: { iss: 'https://auth', aud: 'https://c' },
  thumbprint: 'T',
  jti: 'j',
}

function verdict(parts: Partial<Verdict>): Verdict {
  const answered = {
    ...{ from: 'a', to: 'b', action: 'b:read', verdict: 'refused', layer: 'http', status: 401, promised: false },
    ...{ error: null, wwwAuthenticate: [], body: '', reason: null, guard: null, principal: {}, conn: '127.0.0.1:5' },
    ...{ decisions: [], waitedMs: 2_000, effects: { observed: false }, leaks: [], answerLeaks: [] },
    credential: { label: 'x', certificate: { thumbprint: 'T', chain: [] }, token },
    live,
    ...parts,
  } as unknown as Verdict
  return { ...answered, answer: answered, protocol: http }
}

const refusal = { verdict: 'refused', layer: 'http', status: 401, reason: 'no' } as unknown as DecisionRecord
const accept = { ...refusal, verdict: 'accepted', reason: null } as DecisionRecord

test.each([
  ['nothing was recorded', { status: 200, promised: true }, 'answered 200, not believed: b recorded nothing'],
  [
    'the record says otherwise',
    { status: 200, promised: true, decision: refusal },
    'answered 200, not believed: b recorded a refusal (no)',
  ],
  [
    'the connection was reset',
    { status: null, failure: { code: 'ECONNRESET', message: '' } },
    'no answer (connection reset); b recorded nothing',
  ],
  [
    'it ended after an accept',
    { status: null, decision: accept },
    'no answer (the connection ended); b recorded an accept',
  ],
  ['TLS refused', { status: null, layer: 'tls', decision: { ...refusal, layer: 'tls' } }, 'refused at TLS'],
  ['it was refused', { decision: refusal, reason: 'no' }, 'refused 401, reason no'],
] as [string, Partial<Verdict>, string][])('what was received, when %s', (_, parts, text) => {
  expect(receivedText(verdict(parts))).toBe(text)
})

test('a record that is missing is told with the time that was really waited, one that is another is told so', () => {
  expect(refusalProblems(verdict({}), { status: 401, reason: 'no' })).toContain(
    'b recorded nothing for 127.0.0.1:5 within 2000 ms',
  )
  expect(refusalProblems(verdict({ decisions: [accept], waitedMs: 1 }), { status: 401, reason: 'no' })).toContain(
    'b recorded an accept for 127.0.0.1:5, and no refusal',
  )
})

test('the first difference names issuer and audience beside those of the target', () => {
  const believing = (issuer: string, audiences: string[]) => {
    const checks = [
      { check: 'bound-token/issuer', args: { issuer } },
      { check: 'bound-token/audience', args: { audiences } },
    ]
    return verdict({ verification: { takes: [], checks } as unknown as ActionVerification })
  }
  const taken = ['https://b', 'https://peering']

  expect(firstMismatch(believing('https://auth', taken))).toBe(
    "the token's aud is https://c, b takes https://b or https://peering",
  )
  expect(firstMismatch(believing('https://other', taken))).toBe(
    "the token's iss is https://auth, b believes https://other",
  )
  expect(firstMismatch(believing('https://auth', ['https://c']))).toBeUndefined()
})

test('a token that is too long to be shown whole is not shown in part', () => {
  const part = Buffer.from(JSON.stringify({ typ: 'at+jwt', deep: 'a'.repeat(9_000) })).toString('base64url')
  const [line, ...rest] = shown(`Authorization: Bearer ${part}.${part}.c2lnbmF0dXJl\r\nX: y`)

  expect([line, ...rest]).toEqual(['Authorization: Bearer eyJ0eXAi…', 'X: y'])
  expect(shown('x'.repeat(5_000)).at(-1)).toBe('… (5000 characters)')
})

test('of what was proven, values of this run are told by whose they are, and all others as they stand', () => {
  const thumbprint = (letter: string) => letter.repeat(42).concat('1')
  const presented = (label: string, own: string) => {
    return { label, certificate: { thumbprint: own, chain: [] } } as unknown as Verdict['credential']
  }
  const proven = (label: string, own: string, principal: Record<string, string>) =>
    verdict({ credential: presented(label, own), principal })
  const minted = thumbprint('m')
  const first = proven('b', thumbprint('b'), { x5t: thumbprint('b'), san: 'b.test', jti: minted })
  const second = proven('a', thumbprint('a'), {
    x5t: thumbprint('b'),
    jti: minted,
    sub: 'a-client-of-many-words-in-a-row',
  })
  const ledger = [first, second].map((one) => ({ shape: {}, verdict: one })) as unknown as Ledger

  const told = [first, second].map((one) => toldCall(one, { ledger, meanwhile: 0 }).principal)
  expect(told).toEqual([
    { x5t: 'as presented', san: 'b.test', jti: 'made for this call' },
    { x5t: 'that of b', jti: 'made before', sub: 'a-client-of-many-words-in-a-row' },
  ])
})
