import { expect, test } from 'vitest'
import { Credential } from '../vitest/credential.ts'
import type { Verdict } from '../vitest/verdict.ts'
import { type Demonstrated, demonstrate, renderDemonstration, separateAuth } from './demonstration.ts'

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
    ...{ principal: {}, decision: undefined, decisions: [], conn: '127.1.1.1:5', ms: 1, waitedMs: 2_000, leaks: [] },
    ...{ effects: { observed: false }, evidence: '', again: '', ...verdict },
    credential: { label: 'node-b', thumbprint: undefined, chain: [], token: undefined },
  } as Verdict
  return { credential: (name: string) => new Credential(name, async () => ({})), call: async () => whole }
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

test('the demonstration accepts in both directions, and refuses for three different reasons', () => {
  const accepted = separateAuth.filter(({ expected }) => expected === 'accepted')
  const reasons = separateAuth.flatMap(({ expected }) => (expected === 'accepted' ? [] : [expected.reason]))

  expect(accepted.map(({ from, to }) => `${from} ${to}`)).toEqual(['node-a node-b', 'node-b node-a', 'node-a node-a'])
  expect(reasons).toEqual(['issuer_untrusted', 'cnf_x5t_mismatch', 'cert_missing'])
})
