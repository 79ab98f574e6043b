import { expect, test } from 'vitest'
import { inTurn } from './call-turn.ts'

test('few calls are on their way at a time, each is made, and one that fails gives its place to the next', async () => {
  let [now, most] = [0, 0]
  const calls = Array.from({ length: 200 }, (_, at) =>
    inTurn(async () => {
      now += 1
      most = Math.max(most, now)
      await new Promise(setImmediate)
      now -= 1
      if (at % 2 === 0) throw new Error('no')
      return at
    }),
  )

  const ended = await Promise.allSettled(calls)
  expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(100)
  expect(most).toBe(32)
})
