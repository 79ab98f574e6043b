import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { SeenCall, SeenTest } from '../harness/evidence/parity.ts'
import { shippedTopologies } from '../harness/topology/load.ts'
import { type Outcome, root } from './check.ts'
import { otherGround, parityCheck, parityHolds } from './parity.ts'

const refused: SeenCall = {
  ...{ from: 'b', to: 'a', action: 'peer', credential: 'token', verdict: 'refused', layer: 'http', status: 401 },
  ...{ error: 'invalid_token', reason: 'cnf_missing', guard: 'token.binding', principal: {} },
}
const claim = 'scenarios/peering/claim/claim.scenario.ts'
const seen = (name: string, parts: Partial<SeenTest> = {}): SeenTest => {
  return { scenario: 'claim', name, file: claim, state: 'passed', calls: [refused], evidence: 'runs/x', ...parts }
}
const outcome = (parts: Partial<Outcome>): Outcome => {
  return { name: 'x', passed: 1, failed: [], skipped: [], files: [join(root, claim)], ms: 1, output: '', ...parts }
}
const ground = { name: 'there', env: {}, skipped: [] }

test('the set has the matrix of every topology that is shipped', async () => {
  const files = (await readdir(join(root, 'scenarios'), { recursive: true })).filter(
    (file) => file.endsWith('.scenario.ts') && !file.startsWith('controls/'),
  )
  const texts = await Promise.all(files.map((file) => readFile(join(root, 'scenarios', file), 'utf8')))
  const isHeld = (name: string) => texts.some((text) => text.includes(`await matrix('${name}'`))

  expect(Object.keys(await shippedTopologies()).filter((name) => !isHeld(name))).toEqual([])
})

test('what the scenarios saw is held against the other ground, as far as it was chosen to run there', () => {
  const elsewhere = seen('of other gateways', { file: 'scenarios/controls/own/own.scenario.ts' })
  const here = [outcome({ seen: [seen('first'), elsewhere] }), outcome({ seen: [seen('second'), seen('third')] })]
  const leftOut = [{ file: claim, name: 'third' }]

  const held = parityHolds(here, outcome({ seen: [seen('first'), seen('second')], leftOut }), ground)
  expect(held).toMatchObject({ passed: 1, failed: [], telling: true })
  expect(held.output).toBe('2 cells and claims the same on process and there, in 2 calls · 0 differ')

  // One that was chosen and is not there is no small thing.
  const gone = parityHolds(here, outcome({ seen: [seen('first')], leftOut }), ground)
  expect(gone.failed).toMatchObject([
    { reason: expect.stringMatching(/^claim: second \(state\)\n.*\n {2}there: has no such test$/) },
  ])
})

test('a cell that came out otherwise fails by name, with what each ground saw and where that is kept', () => {
  const other = seen('first', { calls: [{ ...refused, reason: 'cnf_x5t_mismatch' }], evidence: 'runs/y' })
  const held = parityHolds([outcome({ seen: [seen('first')] })], outcome({ seen: [other] }), ground)

  expect(held.passed).toBe(0)
  expect(held.failed).toEqual([
    {
      name: 'Every cell and claim of the parity set is the same on process and there',
      reason: [
        'claim: first (reason, call 1)',
        '  process: refused 401 invalid_token in http, cnf_missing (token.binding)  [runs/x]',
        '  there: refused 401 invalid_token in http, cnf_x5t_mismatch (token.binding)  [runs/y]',
      ].join('\n'),
    },
  ])
})

test('what differs in the same way is one failure, which names the others', () => {
  const names = ['first', 'second', 'third']
  const other = (name: string) => seen(name, { calls: [{ ...refused, status: name === 'third' ? 400 : 403 }] })
  const held = parityHolds(
    [outcome({ seen: names.map((name) => seen(name)) })],
    outcome({ seen: names.map(other) }),
    ground,
  )
  expect(held.failed.map(({ reason }) => reason.split('\n').at(0))).toEqual([
    'claim: first (status, call 1)',
    'claim: third (status, call 1)',
  ])
  expect(held.failed[0]!.reason).toContain('\n  so, too: claim: second')
})

test('what could not run there is told with its reason, and nothing on both is no success', () => {
  const lacking = seen('first', { state: 'did not run', reason: 'backend there lacks ownClock' })
  const held = parityHolds([outcome({ seen: [seen('first')] })], outcome({ seen: [lacking] }), ground)
  expect(held.output).toContain('not on there: backend there lacks ownClock: 1 of claim')
  expect(held.failed).toMatchObject([{ reason: 'nothing was seen on both' }])
})

test('the ground is one that this machine has; where that is not the one that is meant, that is skipped by name', async () => {
  const { name, env, skipped } = await otherGround()
  if (skipped.length === 0) expect({ name, env }).toEqual({ name: 'netns', env: { HOLDFAST_BACKEND: 'netns' } })
  else {
    expect({ name, env }).toEqual({ name: 'seats of agents', env: { HOLDFAST_SEATS: 'agent' } })
    expect(skipped).toEqual([
      { name: expect.stringContaining('the same on process and netns'), reason: expect.any(String) },
    ])
    expect(skipped[0]!.reason).not.toBe('')
  }
  expect(parityCheck({ name, env }, ['peering'])).toMatchObject({ env, counts: true })
  expect(parityCheck({ name, env }, ['peering']).argv.slice(-1)).toEqual(['peering'])
})
