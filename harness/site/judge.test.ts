import { expect, test } from 'vitest'
import { http } from '../protocols/http/index.ts'
import { refusalProblems } from './judge.ts'
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
