import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { renderDemonstration } from '../cli/demo.ts'
import type { DecisionRecord } from '../evidence/decision.ts'
import { http } from '../protocols/http/index.ts'
import { Credential } from '../site/credential.ts'
import type { Verdict } from '../site/verdict.ts'
import type { Cell } from '../trust/cell.ts'
import { type Demonstrated, demonstrate, extraControls } from './demonstration.ts'
import { separateAuth } from './separate-auth.ts'

const refused: Demonstrated = {
  from: 'b',
  to: 'a',
  action: 'peering:connect',
  presents: 'its own node token',
  credential: (named) => named('node-b'),
  expected: { status: 401, error: 'invalid_token', reason: 'issuer_untrusted' },
  because: 'a trusts its own auth server only',
}

function calls(verdict: Partial<Verdict>) {
  const whole = verdictOf(verdict)
  const named = (name: string) => new Credential(name, async () => ({}))
  const credential = Object.assign(named, { of: (cell: Cell) => named(cell.name) })
  return { credential, call: async () => whole }
}

const record = { node: 'a', seq: 3, verdict: 'refused', layer: 'http', status: 401, error: 'invalid_token' } as const
const refusal: Partial<Verdict> = {
  ...{ verdict: 'refused', promised: false, status: 401, error: 'invalid_token', reason: 'issuer_untrusted' },
  wwwAuthenticate: [{ scheme: 'Bearer', params: { error: 'invalid_token' } }],
  decision: { ...record, guard: 'token.issuer', reason: 'issuer_untrusted', principal: {} } as DecisionRecord,
  decisions: [{ ...record, guard: 'token.issuer', reason: 'issuer_untrusted', principal: {} } as DecisionRecord],
}
const control = { accepted: true, element: 'token', credential: 'right', problems: [] }

function verdictOf(verdict: Partial<Verdict>): Verdict {
  const whole = {
    ...{
      from: 'b',
      to: 'a',
      action: 'peering:connect',
      verdict: 'accepted',
      layer: 'http',
      status: 200,
      promised: true,
    },
    ...{
      error: null,
      wwwAuthenticate: [],
      cacheControl: undefined,
      body: '',
      json: undefined,
      reason: null,
      guard: null,
    },
    ...{
      principal: {},
      decision: undefined,
      decisions: [],
      conn: '127.1.1.1:5',
      ms: 1,
      waitedMs: 2_000,
      leaks: [],
      answerLeaks: [],
    },
    ...{ effects: { observed: true }, evidence: '', again: '' },
    credential: { label: 'node-b' },
    ...verdict,
  } as Verdict
  return { ...whole, answer: whole, protocol: http, live: new Map() }
}

test('an accept where a refusal is declared fails its row, and the row says what came', async () => {
  const rows = await demonstrate([refused], calls({}))

  expect(rows[0]).toMatchObject({ asExpected: false, received: { verdict: 'accepted' } })
  expect(renderDemonstration(rows)).toContain('✗')
  expect(renderDemonstration(rows)).toContain('status 200, expected 401')
  expect(renderDemonstration(rows)).toContain('nobody')
})

test('an accept that the called node did not write down fails its row', async () => {
  const rows = await demonstrate([{ ...refused, expected: 'accepted' }], calls({}))

  expect(rows[0]?.problems).toEqual(['a wrote no decision record for 127.1.1.1:5'])
})

test('a refusal is proven only beside an accepted control, and its row says which', async () => {
  const [beside] = await demonstrate([refused], calls({ ...refusal, control }))
  expect(beside).toMatchObject({ asExpected: true, control: { accepted: true, credential: 'right' } })
  expect(renderDemonstration([beside!])).toContain('beside: the same with right itself, accepted')
  expect(extraControls([beside!])).toBe(1)

  const failed = { ...control, accepted: false, problems: ['the caller got 503'] }
  const [alone] = await demonstrate([refused], calls({ ...refusal, control: failed }))
  expect(alone).toMatchObject({ asExpected: false })
  expect(alone?.problems).toEqual(['its control (right) was not accepted: the caller got 503'])

  const [without] = await demonstrate([refused], calls(refusal))
  expect(without?.problems).toEqual(['no call that differs in one element only was accepted, so this proves nothing'])
})

test('an accepted row that is the control is named by its number', async () => {
  const record = { ...refusal.decision, verdict: 'accepted', guard: null, reason: null, status: 200 } as DecisionRecord
  const label = { label: 'right', thumbprint: undefined, chain: [], token: undefined }
  const answers = [
    verdictOf({ decision: record, decisions: [record], credential: label }),
    verdictOf({ ...refusal, control }),
  ]
  const rows = await demonstrate([{ ...refused, expected: 'accepted' }, refused], {
    credential: calls({}).credential,
    call: async () => answers.shift()!,
  })

  expect(rows.map(({ asExpected }) => asExpected)).toEqual([true, true])
  expect(renderDemonstration(rows)).toContain('beside: row 1, accepted')
  expect(extraControls(rows)).toBe(0)
})

test.each([
  [{ verdict: 'refused', status: null, failure: { code: 'ECONNRESET', message: 'x' } }, 'no answer (connection reset)'],
  [{ verdict: 'refused', status: 200 }, 'answered 200, not believed'],
  [{ ...refusal, status: null, decision: { ...refusal.decision, layer: 'tls' } }, 'refused in TLS'],
] as [Partial<Verdict>, string][])(
  'what came is not called a refusal unless the far end says so',
  async (verdict, text) => {
    const [row] = await demonstrate([refused], calls(verdict))
    expect(row?.received.answer).toBe(text)
  },
)

test('no line of the table is wider than 120 columns', async () => {
  const rows = await demonstrate(separateAuth, calls({}))
  const widest = Math.max(
    ...renderDemonstration(rows)
      .split('\n')
      .map((line) => stripVTControlCharacters(line).length),
  )
  expect(widest).toBeLessThanOrEqual(120)
})

test('the demonstration accepts in both directions, and refuses for three different reasons', () => {
  const accepted = separateAuth.filter(({ expected }) => expected === 'accepted')
  const reasons = separateAuth.flatMap(({ expected }) => (expected === 'accepted' ? [] : [expected.reason]))

  expect(accepted.map(({ from, to }) => `${from} ${to}`)).toEqual(['node-a node-b', 'node-b node-a', 'node-a node-a'])
  expect(reasons).toEqual(['issuer_untrusted', 'cnf_x5t_mismatch', 'cert_missing'])
})
