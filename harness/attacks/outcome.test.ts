import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { issueLeaf } from '../pki/authority.ts'
import type { ScenarioSite } from '../site/scenario-site.ts'
import type { FakeSite, Flaws } from '../site/testing/fake-site.ts'
import { type FakeScenario, fakeScenario } from '../site/testing/fake-site.ts'
import type { Verdict } from '../site/verdict.ts'
import {
  A0,
  A1,
  A2,
  A3,
  accepted,
  demanded,
  E,
  either,
  judgeOutcome,
  outcomeText,
  overlong,
  refused,
  START,
  T0,
} from './outcome.ts'

let fake: FakeSite
let site: ScenarioSite
let scenario: FakeScenario

beforeEach(async () => {
  scenario = await fakeScenario('again')
  ;({ fake, site } = scenario)
})
afterEach(() => scenario[Symbol.asyncDispose]())

const stranger = () => issueLeaf({ authority: fake.authority, subject: 'c.test', sans: ['c.test'] })
const stolen = () => site.call('b', 'b', 'b:read', fake.right().withCertificate(stranger))
const problemsWith = async (outcome: Parameters<typeof judgeOutcome>[0]) =>
  judgeOutcome(outcome, await stolen()).problems

test('a refusal is as listed, or it is told in what it differs', async () => {
  const verdict = await stolen()
  const right = A1(verdict.reason!)
  expect(judgeOutcome(right, verdict)).toMatchObject({
    expected: `A1 ${verdict.reason} (401 invalid_token)`,
    problems: [],
  })
  expect(judgeOutcome(either(A2('token_malformed'), right), verdict).problems).toEqual([])
  expect(judgeOutcome(A1('other', verdict.reason!), verdict).problems).toEqual([])

  expect(judgeOutcome(A1('other'), verdict).problems).toEqual([`reason ${verdict.reason}, expected other`])
  for (const wrong of [
    A0(verdict.reason!),
    A2(verdict.reason!),
    T0(verdict.reason!),
    E('invalid_client', verdict.reason!),
  ]) {
    expect(judgeOutcome(wrong, verdict).problems.length).toBeGreaterThan(0)
  }
  expect(judgeOutcome(accepted(), verdict).problems.length).toBeGreaterThan(0)
})

test('what was let in is told beside the first outcome that is listed', async () => {
  const verdict = await site.call('b', 'b', 'b:read', fake.right())
  expect(judgeOutcome(either(A1('cnf_x5t_mismatch'), A2('token_malformed')), verdict)).toMatchObject({
    expected: 'A1 cnf_x5t_mismatch (401 invalid_token)',
    problems: expect.arrayContaining(['status 200, expected 401']),
  })
  expect(judgeOutcome(T0('cert_missing'), verdict).problems).toContain('status 200, expected none')
  expect(judgeOutcome(either(A1('cnf_x5t_mismatch'), accepted()), verdict)).toEqual({
    expected: 'accepted',
    problems: [],
  })
})

test('an outcome without a reason fits no record', async () => {
  expect(await problemsWith(A1())).not.toEqual([])
})

const flaws: [keyof Flaws, RegExp][] = [
  ['acceptsAll', /got what the action promises/],
  ['silent', /recorded nothing/],
  ['effect', /changed b/],
  ['leak', /wrote down/],
  ['oracle', /stack trace|thumbprint/],
  ['namesNobody', /names nobody as proven/],
  ['liesAboutPrincipal', /as proven/],
  ['noChallenge', /challenges/i],
  ['echo', /answer holds/],
]

test.each(flaws)(
  'a target with the flaw %s is no target that withstood',
  async (flaw, message) => {
    const reason = (await stolen()).reason!
    fake.flaws[flaw] = true as never
    expect((await problemsWith(A1(reason))).join('\n')).toMatch(message)
  },
  30_000,
)

describe('of a target that nobody here wrote', () => {
  const shown = { said: undefined, reason: null, comparable: [], answers: undefined }
  const tooLarge = overlong(refused(431, undefined, 'request_unreadable'))
  const unreadable = refused(400, undefined, 'request_unreadable')
  const answers = {
    'refused as a bad token': { status: 401, error: 'invalid_token' },
    'called malformed': { status: 400, error: null, wwwAuthenticate: [] },
    'called too large': { status: 431, error: null, wwwAuthenticate: [] },
    'in a version that it does not speak': { status: 505, error: null, wwwAuthenticate: [] },
    'ended without an answer': { status: null, error: null, wwwAuthenticate: [] },
    'not answered in time': { status: null, error: null, wwwAuthenticate: [], failure: { code: 'ETIMEDOUT' } },
    'called forbidden in a way of its own': { status: 494, error: null, wwwAuthenticate: [] },
    'not allowed': { status: 405, error: null, wwwAuthenticate: [], allow: 'GET' },
    'not allowed, and not told what is': { status: 405, error: null, wwwAuthenticate: [] },
    'called missing': { status: 404, error: null, wwwAuthenticate: [] },
    'let in': { status: 200, error: null, wwwAuthenticate: [], promised: true, verdict: 'accepted' },
  } as const

  const ended = 'ended without an answer'
  const everyClientError = ['called forbidden in a way of its own', 'not allowed', 'called missing']

  test.each([
    ['not allowed there', refused(405, undefined, 'method_not_allowed'), ['not allowed']],
    [
      'longer than it likes',
      overlong(A1('token_malformed')),
      ['refused as a bad token', 'called malformed', 'called too large', ended, ...everyClientError],
    ],
    [
      'too large',
      tooLarge,
      ['refused as a bad token', 'called malformed', 'called too large', ended, ...everyClientError],
    ],
    [
      'unreadable',
      unreadable,
      ['called malformed', 'called too large', 'in a version that it does not speak', ended, 'not answered in time'],
    ],
  ])('what is %s may be answered in each way that a standard allows, and in no other', async (_, outcome, right) => {
    const verdict = { ...(await stolen()), reason: null, proof: 'status alone', shown } as unknown as Verdict
    const taken = Object.entries(answers).filter(([, answer]) => {
      const answered = { ...verdict, ...answer } as unknown as Verdict
      return judgeOutcome(outcome, { ...answered, answer: answered }).problems.length === 0
    })
    expect(taken.map(([name]) => name)).toEqual(right)
  })
})

test('of a target that nobody here wrote it is told what it is held to, beside what speaks against just that', async () => {
  const answers = { noToken: '401 ?', badToken: '403 *', scope: '403 *' }
  const shown = { said: undefined, reason: null, comparable: [], answers }
  const verdict = { ...(await stolen()), reason: null, proof: 'status alone', shown, status: 500, error: null }
  const judged = (outcome: Parameters<typeof judgeOutcome>[0]) =>
    judgeOutcome(outcome, { ...verdict, answer: verdict } as unknown as Verdict)
  expect(judged(A1('cnf_malformed'))).toMatchObject({
    expected: 'A1 cnf_malformed (401 invalid_token)',
    problems: expect.arrayContaining(['status 500, expected 401']),
  })
  expect(judged(A0('token_missing')).expected).toBe('A0 token_missing (401)')
})

test('a line of a log is not missed where a server may have refused before its program saw anything', async () => {
  const shown = { said: undefined, reason: null, comparable: [], answers: undefined, missing: 'no line' }
  const verdict = { ...(await stolen()), reason: null, proof: 'log line', shown, status: 400, error: null }
  const problems = (outcome: Parameters<typeof judgeOutcome>[0]) => {
    const answer = { ...verdict, wwwAuthenticate: [] }
    return judgeOutcome(outcome, { ...answer, answer } as unknown as Verdict).problems
  }
  expect(problems(refused(400, undefined, 'request_unreadable'))).toEqual([])
  expect(problems(T0('handshake_failed'))).toEqual([])
  expect(problems(A3('scope_insufficient'))).toContain('no line')
})

test('what must come of it can be read', () => {
  expect(outcomeText(A1('a', 'b'))).toBe('A1 a|b')
  expect(outcomeText(either(T0('cert_missing'), A1('x')))).toBe('T0 cert_missing or A1 x')
  expect(outcomeText(E('invalid_client', 'y'))).toBe('E(invalid_client) y')
  expect(outcomeText(START('config_invalid'))).toBe('START config_invalid')
  expect(outcomeText(demanded('no request'))).toBe('no request')
})

test('of what is refused in one of the ways that are allowed, and gives away a secret, that alone is told', async () => {
  const shown = { said: undefined, reason: null, comparable: [], answers: undefined }
  const refused = {
    ...(await stolen()),
    reason: null,
    proof: 'status alone',
    shown,
    status: 401,
    error: 'invalid_token',
  }
  const verdict = { ...refused, leaks: ['token eyJ…'] }
  const { problems } = judgeOutcome(A2('token_carrier_invalid'), { ...verdict, answer: refused } as unknown as Verdict)
  expect(problems).toEqual(['b wrote down token eyJ…'])
})
