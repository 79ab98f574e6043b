import { expect, test } from 'vitest'
import { durationSeconds, durationText } from './duration.ts'

test.each([
  ['10s', 10],
  ['10m', 600],
  ['2h', 7_200],
  ['30d', 2_592_000],
])('%s is %d seconds', (text, seconds) => {
  expect(durationSeconds(text)).toBe(seconds)
  expect(durationText(seconds)).toBe(text)
})

test.each(['', '10', 'm', '0s', '-1s', '1.5h', '10 m', '10M', '1h30m', '10ms'])('%j is no duration', (text) => {
  expect(durationSeconds(text)).toBeNaN()
})

test('a length that is no whole minute is written in seconds', () => {
  expect(durationText(90)).toBe('90s')
})
