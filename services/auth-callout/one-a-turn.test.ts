import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { OneATurn } from './one-a-turn.ts'

function taking(): { turns: OneATurn<number>; taken: number[] } {
  const taken: number[] = []
  return { taken, turns: new OneATurn((item) => void taken.push(item)) }
}

test('what comes together is taken one in each turn, in its order', async () => {
  const { turns, taken } = taking()
  for (const item of [1, 2, 3]) turns.add(item)
  expect(taken).toEqual([])

  await turn()
  expect(taken).toEqual([1])
  turns.add(4)
  await turn()
  expect(taken).toEqual([1, 2])
  await turn()
  await turn()
  expect(taken).toEqual([1, 2, 3, 4])
})

test('what the first waits for is done before the last is begun', async () => {
  const seen: string[] = []
  const turns = new OneATurn<number>(async (item) => {
    seen.push(`${item} begun`)
    await turn()
    seen.push(`${item} done`)
  })
  for (const item of [1, 2, 3]) turns.add(item)

  for (let at = 0; at < 5; at += 1) await turn()

  expect(seen.indexOf('1 done')).toBeLessThan(seen.indexOf('3 begun'))
  expect(seen.filter((one) => one.endsWith('done'))).toEqual(['1 done', '2 done', '3 done'])
})

test('what is left at the end is taken then, and once', async () => {
  const { turns, taken } = taking()
  for (const item of [1, 2]) turns.add(item)

  turns.flush()

  expect(taken).toEqual([1, 2])
  turns.add(3)
  await turn()
  await turn()
  expect(taken).toEqual([1, 2, 3])
})
