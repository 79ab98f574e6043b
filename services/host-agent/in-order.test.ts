import { expect, test } from 'vitest'
import { InOrder } from './in-order.ts'

const seqs = (messages: readonly { seq: number }[]) => messages.map(({ seq }) => seq)
const take = (order: InOrder<{ seq: number }>, seq: number) => seqs(order.take({ seq }))

test('where nothing was on its way, messages are taken as they come', () => {
  const order = new InOrder<{ seq: number }>({ missing: 0, until: 9, applied: 3 })
  expect([take(order, 10), take(order, 11)]).toEqual([[10], [11]])
})

test('where all that was on its way was applied, nothing waits: what comes again is known', () => {
  const order = new InOrder<{ seq: number }>({ missing: 3, until: 9, applied: 9 })
  expect([take(order, 10), take(order, 8)]).toEqual([[10], [8]])
})

test('newer messages wait for those that were on their way, whatever order these come in', () => {
  const order = new InOrder<{ seq: number }>({ missing: 3, until: 9, applied: 5 })
  expect([take(order, 10), take(order, 9), take(order, 12), take(order, 5)]).toEqual([[], [], [], []])
  expect(seqs(order.waiting)).toEqual([9, 5, 10, 12])
  // One that comes twice is one.
  expect(take(order, 9)).toEqual([])

  expect(take(order, 7)).toEqual([5, 7, 9, 10, 12])
  expect(seqs(order.waiting)).toEqual([])
  expect(take(order, 13)).toEqual([13])
})

test('what does not come any more is not waited for longer than that', () => {
  const order = new InOrder<{ seq: number }>({ missing: 2, until: 9, applied: 5 })
  expect([take(order, 10), take(order, 9)]).toEqual([[], []])

  expect(seqs(order.release())).toEqual([9, 10])
  expect(take(order, 11)).toEqual([11])
})
