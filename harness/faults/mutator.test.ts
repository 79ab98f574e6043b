import { expect, test } from 'vitest'
import { instrumented, mutationsOf } from './mutator.ts'

function told(source: string): string[] {
  return mutationsOf('sample.ts', source).map(
    ({ name, start, end, text }) => `${source.slice(start, end)} ⇒ ${name}: ${text}`,
  )
}

test('two texts that are compared are taken for the same where they are nearly so', () => {
  expect(told('const f = (x, y) => void (x.iss === y.issuer)')).toEqual([
    'x.iss === y.issuer ⇒ inverted: (x.iss) !== (y.issuer)',
    'x.iss === y.issuer ⇒ prefix: (String(x.iss).startsWith(String(y.issuer)))',
    'x.iss === y.issuer ⇒ prefix: (String(y.issuer).startsWith(String(x.iss)))',
    'x.iss === y.issuer ⇒ first half: (String(x.iss).slice(0, String(x.iss).length / 2) === String(y.issuer).slice(0, String(x.iss).length / 2))',
    'x.iss === y.issuer ⇒ without case: (String(x.iss).toLowerCase() === String(y.issuer).toLowerCase())',
  ])
})

test.each([
  [
    'a member of a list',
    'const f = (c) => void names.includes(c.host)',
    'names.includes(c.host) ⇒ prefix: Array.from(names ?? []).some((one) => String(c.host).startsWith(String(one)))',
  ],
  ['one for all', 'const f = (c) => void c.every(isGood)', 'c.every(isGood) ⇒ some for every: c.some(isGood)'],
  ['an operand less', 'const f = (a, b) => void (a && b)', 'a && b ⇒ dropped operand: b'],
  [
    'a bound',
    'const MOST = 3; const f = (a) => void (a.size > MOST)',
    'a.size > MOST ⇒ bound × 10: (a.size) > (MOST * 10)',
  ],
  [
    'no leeway',
    'const f = (now, exp, skew) => void (now >= exp + skew)',
    'now >= exp + skew ⇒ dropped operand: (now) >= (exp)',
  ],
  ['a check left out', 'const f = (a) => { if (isBad(a)) return refusal }', 'isBad(a) ⇒ skipped: false'],
  ['an early answer', 'function f(a) { return a.length > 2 }', 'a.length > 2 ⇒ early return: true'],
  ['another clock', 'const f = () => void Date.now()', 'Date.now() ⇒ other clock: performance.now()'],
  ['something kept', 'const f = (cache, k) => { cache.delete(k) }', 'cache.delete(k) ⇒ kept: undefined'],
  [
    'an open pattern',
    'const NAME = /^[a-z]+$/; const f = (a) => void NAME.test(a)',
    'NAME ⇒ pattern without $: /^[a-z]+/',
  ],
  [
    'a list without one of its members',
    "const BAD = ['jwk', 'x5u']; const f = (a) => void BAD.find(a)",
    'BAD ⇒ without "jwk": ([...BAD].filter((one) => one !== "jwk"))',
  ],
])('%s', (_, source, mutation) => {
  expect(told(source)).toContain(mutation)
})

test.each([
  ['outside of functions', 'const isNew = a === b'],
  ['in messages', 'const f = (a) => { throw new Error(a ? `no $' + '{a === b}` : "no") }'],
  ['in types', 'const f = (a: Array<"x" | "y">): a is ["x"] => void a'],
  ['in the bounds of loops', 'const f = (a) => { for (let i = 0; i < a; i += 1) g(i) }'],
])('%s nothing is changed', (_, source) => {
  expect(told(source)).toEqual([])
})

test.each([
  ['an empty text in place of undefined', "const f = (a) => void (a ?? '')", ["a ?? '' ⇒ dropped operand: ''"]],
  [
    'a look at undefined before something is less or more',
    'const f = (a, now) => void (a !== undefined && a > now)',
    ['dropped operand: a !== undefined', 'inverted: (a) <= (now)', 'inverted: (a) === (undefined)'],
  ],
  [
    'a comparison of yes and no',
    "const f = (a, isOpen) => void ((a === 'open') === isOpen)",
    ["inverted: ((a === 'open')) !== (isOpen)", "inverted: (a) !== ('open')"],
  ],
  [
    'a pattern of all letters',
    'const NAME = /^[0-9A-Za-z]+\\n/; const f = (a) => void NAME.test(a)',
    ['NAME ⇒ pattern without ^: /[0-9A-Za-z]+\\n/'],
  ],
])('of %s nothing is tried that would be the same', (_, source, mutations) => {
  const all = told(source)
  expect(all).toHaveLength(mutations.length)
  for (const mutation of mutations)
    expect(
      all.some((one) => one.endsWith(mutation)),
      all.join('\n'),
    ).toBe(true)
})

const sample = `
const MOST = 3
const NAME = /^[a-z]+$/
export function judge(name: string, { allowed, days }: { allowed?: readonly string[]; days: number }): boolean {
  if (!NAME.test(name)) return false
  return (allowed?.some((one) => one.trim().toLowerCase() === name) ?? false) && days <= MOST
}`

test('an instrumented module is as it was, and each mutant changes something once it is on', async () => {
  const mutations = mutationsOf('sample.ts', sample).map((one, index) => ({ ...one, number: index + 1 }))
  const { stripTypeScriptTypes } = await import('node:module')
  const text = stripTypeScriptTypes(instrumented(sample, mutations, 'globalThis.isMutantOn'))
  const { judge } = await import(`data:text/javascript,${encodeURIComponent(text)}`)
  const calls = [
    ['abc', { allowed: [' ABC '], days: 3 }],
    ['abc', { allowed: ['abc', 'x'], days: 30 }],
    ['abc', { allowed: ['abcd'], days: 1 }],
    ['abcd', { allowed: ['abc'], days: 1 }],
    ['abc', { allowed: ['xyz'], days: 1 }],
    ['abcd', { allowed: ['abXY'], days: 1 }],
    ['abc1', { allowed: ['abc1'], days: 1 }],
    ['1abc', { allowed: ['1abc'], days: 1 }],
    ['ABC', { allowed: ['abc'], days: 1 }],
    ['ABC', { allowed: ['ABC'], days: 1 }],
    ['abc', { days: 1 }],
    ['abc', { allowed: ['abc'], days: 20 }],
    ['abc', { allowed: ['abc'], days: 1 }],
    ['abc', { allowed: ['xyz', 'abc'], days: 1 }],
  ]
  const verdicts = (on: number) => {
    Object.assign(globalThis, { isMutantOn: (number: number) => number === on })
    return calls.map((call) => judge(...call))
  }
  const original = verdicts(0)
  const same = mutations.filter(({ number }) => String(verdicts(number)) === String(original))

  expect(original).toEqual([true, ...Array(11).fill(false), true, true])
  expect(mutations.length).toBeGreaterThan(15)
  // No call can tell: what the pattern takes besides is equal to no folded name.
  expect(same.map(({ name }) => name)).toEqual(['pattern without case'])
})

test('a statement that is changed calls nothing that stands above it', async () => {
  const source = `export const f = (kept, key) => {
    const size = kept.size
    kept.delete(key)
    return [size, kept.size]
  }`
  const mutations = mutationsOf('sample.ts', source).map((one) => ({ ...one, number: 1 }))
  const text = instrumented(source, mutations, 'globalThis.isMutantOn')
  const { f } = await import(`data:text/javascript,${encodeURIComponent(text)}`)
  const sizes = (on: boolean) => {
    Object.assign(globalThis, { isMutantOn: () => on })
    return f(new Set(['a']), 'a')
  }

  expect(mutations.map(({ name }) => name)).toEqual(['kept'])
  expect([sizes(false), sizes(true)]).toEqual([
    [1, 0],
    [1, 1],
  ])
})
