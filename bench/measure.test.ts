import { expect, test } from 'vitest'
import { compare, interleave, median, quantile } from './measure.ts'

test('the median of an even number of figures lies between the middle two', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(median([9, 1, 5])).toBe(5)
  expect(quantile([1, 2, 3, 4, 5], 1)).toBe(5)
  expect(() => median([])).toThrow(RangeError)
})

test('both sides run in every round, and take turns in being first', async () => {
  const order: string[] = []
  const run = (side: string, figure: number) => async () => {
    order.push(side)
    return figure
  }
  const measure = await interleave('x', run('b', 10), run('s', 14), { bar: { atMost: 1.5 }, rounds: 3, warmUp: false })

  expect(order.join('')).toBe('bssbbs')
  expect(measure).toMatchObject({ baseline: 10, subject: 14, ratio: 1.4, met: true, rounds: 3 })
})

test('a bar is met on its own side only', () => {
  expect(compare('slower', 10, 16, { bar: { atMost: 1.5 }, rounds: 5 }).met).toBe(false)
  expect(compare('more', 10, 16, { bar: { atLeast: 0.8 }, rounds: 5 }).met).toBe(true)
  expect(compare('less', 10, 7, { bar: { atLeast: 0.8 }, rounds: 5 }).met).toBe(false)
})
