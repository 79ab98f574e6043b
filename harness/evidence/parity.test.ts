import { expect, test } from 'vitest'
import { type Parity, parityOf, parityText, type SeenCall, type SeenTest, seenText, wholeFile } from './parity.ts'

const call = (parts: Partial<SeenCall> = {}): SeenCall => ({
  ...{ from: 'b', to: 'a', action: 'peer', credential: 'token', verdict: 'refused', layer: 'http', status: 401 },
  ...{ error: 'invalid_token', reason: 'cnf_x5t_mismatch', guard: 'token.binding', principal: { san: 'b.test' } },
  ...parts,
})
const accepted = call({ verdict: 'accepted', status: 200, error: null, reason: null, guard: null })
const seen = (name: string, calls: readonly SeenCall[] = [], parts: Partial<SeenTest> = {}): SeenTest => ({
  ...{ scenario: 'claim', name, file: 'claim.scenario.ts', state: 'passed', calls },
  ...parts,
})
const between = (ours: readonly SeenTest[], theirs: readonly SeenTest[]): Parity =>
  parityOf([
    { ground: 'here', tests: ours },
    { ground: 'there', tests: theirs },
  ])
/** What each ground saw of the only difference. */
const told = ({ differing }: Parity): string[] => {
  expect(differing).toHaveLength(1)
  const [difference] = differing
  return difference!.seen.map((one) => seenText(one, difference!))
}

test('runs that differ in nothing but ids and times are the same', () => {
  const tests = [seen('binds', [accepted, call()]), seen('lets in', [accepted])]
  const others = tests.map((one) => ({ ...one, evidence: 'elsewhere', ms: 7 }))

  const parity = between(tests, others)
  const same = tests.map(({ scenario, name, file }) => ({ scenario, name, file, on: ['here', 'there'] }))
  expect(parity).toEqual({ grounds: ['here', 'there'], same, calls: 3, differing: [], apart: [] })
  expect(parityText(parity)).toBe('2 cells and claims the same on here and there, in 3 calls · 0 differ')
})

test.each<[string, Partial<SeenCall>, string[]]>([
  ['reason', { reason: 'cnf_missing' }, ['cnf_x5t_mismatch', 'cnf_missing']],
  ['guard', { guard: 'token.other' }, ['(token.binding)', '(token.other)']],
  ['status', { status: 403 }, ['refused 401', 'refused 403']],
  ['error', { error: 'insufficient_scope' }, ['401 invalid_token', '401 insufficient_scope']],
  ['layer', { layer: 'tls' }, ['in http', 'in tls']],
  ['verdict', { verdict: 'accepted' }, ['refused 401', 'accepted 401']],
  ['principal', { principal: { san: 'c.test' } }, ['proven san b.test', 'proven san c.test']],
  ['principal', { principal: {} }, ['proven san b.test', 'proven nothing']],
  ['weakerProof', { weakerProof: 'status alone' }, ['by a decision record', 'by status alone']],
  ['control', { control: { accepted: false } }, ['control none', 'control not accepted']],
])('another %s of one call is found, with what each ground saw: %j', (member, parts, words) => {
  const parity = between([seen('x', [accepted, call()]), seen('y')], [seen('x', [accepted, call(parts)]), seen('y')])

  expect(parity).toMatchObject({ same: [{}], differing: [{ name: 'x', members: [member], number: 2, more: 0 }] })
  for (const [at, text] of told(parity).entries()) expect(text).toContain(words[at])
  expect(parityText(parity)).toContain('· 1 differs: claim: x')
})

test('calls in another order, one more and one of somebody else are found', () => {
  expect(told(between([seen('x', [accepted, call()])], [seen('x', [call(), accepted])]))).toEqual([
    'accepted 200 in http',
    'refused 401 invalid_token in http, cnf_x5t_mismatch (token.binding)',
  ])
  expect(told(between([seen('x', [accepted])], [seen('x', [accepted, call()])]))).toEqual([
    '1 call; no call 2',
    '2 calls; b -> a peer with token: refused 401 invalid_token in http, cnf_x5t_mismatch (token.binding)',
  ])
  const others = between([seen('x', [accepted])], [seen('x', [{ ...accepted, credential: 'own' }])])
  expect(others.differing).toMatchObject([{ members: ['calls'], number: 1 }])
})

test('calls that were under way at once may end in any order, and still each of them counts', () => {
  const at = (credential: string, parts: Partial<SeenCall> = {}) => call({ credential, ...parts })
  const one = [accepted, at('x'), at('y', { meanwhile: 1 }), at('z', { meanwhile: 2 })]
  const other = [accepted, at('z'), at('x', { meanwhile: 1 }), at('y', { meanwhile: 1 })]
  expect(between([seen('crowd', one)], [seen('crowd', other)])).toMatchObject({ same: [{}], calls: 4 })

  const strange = [accepted, at('z', { reason: 'other' }), at('x', { meanwhile: 1 }), at('y', { meanwhile: 1 })]
  const parity = between([seen('crowd', one)], [seen('crowd', strange)])
  expect(parity.differing).toMatchObject([
    { members: ['reason'], number: 4, seen: [{ call: { credential: 'z' } }, {}] },
  ])
  // That one ground had them under way at once is enough.
  const after = [accepted, at('x'), at('y')]
  const together = [accepted, at('y'), at('x', { meanwhile: 1 })]
  expect(between([seen('crowd', after)], [seen('crowd', together)])).toMatchObject({ same: [{}], calls: 3 })
  expect(between([seen('crowd', together)], [seen('crowd', after)])).toMatchObject({ same: [{}], calls: 3 })
  // What two calls were answered here is not what one was answered there.
  const twice = [at('x'), at('x', { meanwhile: 1 })]
  const once = [at('x'), at('x', { meanwhile: 1, reason: 'other' })]
  expect(between([seen('crowd', twice)], [seen('crowd', once)]).differing).toMatchObject([{ members: ['reason'] }])
  // The first call had ended before the others began.
  const early = [at('x'), accepted, at('y', { meanwhile: 1 }), at('z', { meanwhile: 2 })]
  expect(between([seen('crowd', one)], [seen('crowd', early)]).differing).toHaveLength(1)
})

test('of a wait what ended it counts, however often it looked; of a positive control that there is one', () => {
  const waited = (...calls: SeenCall[]) => calls.map((each) => ({ ...each, wait: 1 }))
  const once = seen('x', [...waited(call()), accepted])
  const often = seen('x', [...waited(accepted, accepted, call()), accepted])
  expect(between([once], [often])).toMatchObject({ same: [{}], calls: 2 })
  const otherwise = seen('x', [...waited(accepted, accepted, call({ reason: 'expired' })), accepted])
  expect(between([once], [otherwise]).differing).toMatchObject([{ members: ['reason'] }])

  const control = { ...accepted, beside: true as const }
  const held = call({ control: { accepted: true } })
  expect(between([seen('x', [control, held])], [seen('x', [held])])).toMatchObject({ same: [{}], calls: 1 })
  expect(between([seen('x', [control, held])], [seen('x', [call()])]).differing).toMatchObject([
    { members: ['control'] },
  ])
  const letIn = { ...accepted, control: { accepted: true } }
  expect(between([seen('x', [letIn])], [seen('x', [accepted])])).toMatchObject({ same: [{}], differing: [] })
})

test('a test that fails on one ground only, or fails otherwise there, is found', () => {
  const failed = (failure: string) => seen('x', [], { state: 'failed', failure, page: 'page.md' })
  expect(told(between([seen('x')], [failed('lets in')]))).toEqual(['passed', 'failed: lets in'])
  expect(told(between([failed('is shut')], [failed('lets in')]))).toEqual(['failed: is shut', 'failed: lets in'])
  expect(between([failed('lets in')], [failed('lets in')])).toMatchObject({ same: [{}], differing: [] })
  expect(between([seen('x')], [failed('lets in')]).differing[0]?.seen[1]?.page).toBe('page.md')
})

test('a cell that is missing on one ground is found; one that could not run there is told apart, with its reason', () => {
  const all = [seen('x', [call()]), seen('y')]
  expect(told(between(all, [seen('y')]))).toEqual(['passed', 'has no such test'])
  expect(told(between([seen('y')], all))).toEqual(['passed', 'has no such test'])
  expect(told(between([seen('y'), seen('y')], [seen('y')]))).toEqual(['passed', 'has no such test'])

  const without = between(all, [seen('x', [], { state: 'did not run', reason: 'lacks partition' }), seen('y')])
  expect(without).toMatchObject({ same: [{}], differing: [] })
  expect(without.apart).toMatchObject([
    { name: 'x', on: ['here'], not: [{ ground: 'there', reason: 'lacks partition' }] },
  ])
  expect(parityText(without)).toContain('· 1 ran on here only')

  const whole = between(all, [seen(wholeFile, [], { state: 'did not run', reason: 'the run ended before it' })])
  expect(whole).toMatchObject({ same: [], differing: [] })
  expect(whole.apart.map(({ name, not }) => [name, not[0]?.reason])).toEqual([
    ['x', 'the run ended before it'],
    ['y', 'the run ended before it'],
  ])
  const neither = seen('x', [], { state: 'did not run', reason: 'lacks partition' })
  expect(between([neither], [neither])).toMatchObject({ same: [], differing: [], apart: [] })
})

test('what ran on some of several grounds is not told as the same on all of them', () => {
  const left = seen('y', [], { state: 'did not run', reason: 'lacks ownClock' })
  const all = [seen('x', [call()]), seen('y', [call()])]
  const parity = parityOf([
    { ground: 'here', tests: all },
    { ground: 'there', tests: all },
    { ground: 'beyond', tests: [seen('x', [call()]), left] },
  ])
  expect(parity.same.map(({ name, on }) => [name, on])).toEqual([
    ['x', ['here', 'there', 'beyond']],
    ['y', ['here', 'there']],
  ])
  expect(parityText(parity)).toBe(
    '1 cell or claim the same on here and there and beyond, 1 on here and there alone, in 2 calls · 0 differ · 1 ran on here and there only',
  )
})

test('each further ground is held against the first', () => {
  const at = (ground: string, ...calls: SeenCall[]) => ({ ground, tests: [seen('x', calls)] })
  const parity = parityOf([at('here', call()), at('there', call()), at('beyond', call({ status: 403 }))])
  expect(parity).toMatchObject({ same: [], differing: [{ seen: [{ ground: 'here' }, { ground: 'beyond' }] }] })
  expect(parityOf([at('here', call()), at('there', call()), at('beyond', call())])).toMatchObject({
    same: [{}],
    calls: 1,
  })
})
