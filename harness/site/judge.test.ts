import { expect, test } from 'vitest'
import { calledBy } from '../protocols/http/answer.ts'
import { http } from '../protocols/http/index.ts'
import { expectedText, refusalProblems } from './judge.ts'
import type { Verdict } from './verdict.ts'

/** What came of a call to a target that shows less than decision records, and so nothing of a refusal in TLS. */
const seen = (conn: string, code: string) =>
  ({
    ...{ to: 'b', conn, verdict: 'refused', layer: 'tls', promised: false, ms: 20, body: '', protocol: http },
    ...{ shown: { comparable: [] }, proof: 'status alone', reason: null, leaks: [], answerLeaks: [], live: new Map() },
    ...{
      answer: { status: null, error: null, wwwAuthenticate: [], failure: { code } },
      failure: { code },
      effects: { observed: true },
      credential: {},
    },
  }) as unknown as Verdict

const expected = { layer: 'tls', reason: 'cert_missing', proof: 'status alone' } as const

test('who never had a connection was refused by nobody, however little a refusal shows', () => {
  expect(refusalProblems(seen('127.0.0.9:4', 'ECONNRESET'), expected)).toEqual([])
  expect(refusalProblems(seen('', 'ETIMEDOUT'), expected)).toEqual(['no connection came about: no answer within 0 s'])
})

test('a refusal that comes late is none, by a bound that is as much longer as its site is slow', () => {
  const after = (ms: number, slowness?: number) => ({ ...seen('127.0.0.9:4', 'ECONNRESET'), ms, slowness })
  const late = (verdict: Verdict, withinMs?: number) => refusalProblems(verdict, { ...expected, withinMs })

  expect(late(after(5_000))).toEqual([])
  expect(late(after(5_001))).toEqual(['it took 5001 ms, the bound is 5000 ms'])
  expect(late(after(300), 200)).toEqual(['it took 300 ms, the bound is 200 ms'])
  expect(late(after(1_200, 6), 200)).toEqual([])
  expect(late(after(1_201, 6), 200)).toEqual(['it took 1201 ms, the bound is 1200 ms'])
  expect(expectedText(expected, after(1, 6))).toContain('within 30000 ms')
})

test('a record may name the code of the body where the challenge has none, and no other one', () => {
  const headers = [['WWW-Authenticate', 'Bearer realm="b"']] as const
  const { answer } = calledBy({ conn: 'c', status: 401, headers, body: '{"error":"unauthorized"}', ms: 1 }, () => false)
  const recorded = (error: string | null) => {
    const layer = 'http' as const
    const record = { verdict: 'refused', layer, status: 401, error, guard: 'g', reason: 'r', principal: {} }
    const told = { ...answer, answer, protocol: http, to: 'b', conn: 'c', verdict: 'refused', layer, promised: false }
    const rest = { decisions: [record], ms: 1, leaks: [], answerLeaks: [], live: new Map(), credential: {} }
    const verdict = { ...told, ...rest, effects: { observed: true } } as unknown as Verdict
    return refusalProblems(verdict, { status: 401, reason: 'r', guard: 'g', layer })
  }
  expect([answer.error, answer.otherError]).toEqual([null, 'unauthorized'])
  expect(recorded(null)).toEqual([])
  expect(recorded('unauthorized')).toEqual([])
  expect(recorded('invalid_token')).toEqual(['the record says error invalid_token'])
})
