import { expect, test } from 'vitest'
import { hanging, plural, seconds, table } from './output.ts'
import { verdictLine } from './report-text.ts'

test('columns are as wide as what is seen in them', () => {
  const red = (text: string) => `\u001b[31m${text}\u001b[39m`

  expect(
    table(
      ['run', 'state'],
      [
        [red('a'), 'up'],
        ['longer', ''],
      ],
    ),
  ).toBe(`RUN     STATE\n${red('a')}       up\nlonger`)
})

test('on a narrow terminal the widest columns give way, and no word is broken but for one that is too long for any', () => {
  const rows = [
    ['refused 403 insufficient_scope', 'scope_insufficient', 'the token of another node, over its own certificate'],
    ['accepted', '', `/${'deep/'.repeat(8)}`],
  ]
  const lines = table(['verdict', 'reason', 'such as'], rows, 70).split('\n')

  expect(lines.filter((line) => line.length > 70)).toEqual([`accepted${' '.repeat(32)}/${'deep/'.repeat(8)}`])
  expect(lines.join(' ').split(/ +/)).toEqual(expect.arrayContaining(['insufficient_scope', 'scope_insufficient']))
  expect(hanging('  one two three', 9, 4)).toBe('  one\n    two\n    three')
})

test('counts and times read as words', () => {
  expect([plural(1, 'node'), plural(0, 'node'), plural(2, 'box', 'boxes')]).toEqual(['1 node', '0 nodes', '2 boxes'])
  expect(seconds(1_249)).toBe('1.2s')
})

test('the verdict names every reason once', () => {
  const didNotRun = ['x', 'y', 'x'].map((reason, index) => ({ name: String(index), reason }))

  expect(verdictLine({ passed: 11, failed: 1, didNotRun })).toBe('11 passed · 1 failed · 3 did not run (x; y)')
  expect(verdictLine({ passed: 2, failed: 0, didNotRun: [] })).toBe('2 passed · 0 failed · 0 did not run')
})
