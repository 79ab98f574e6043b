import { availableParallelism } from 'node:os'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startTurn } from './start-turn.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('few programs start at a time; the next has its turn when one is ready, or when one takes too long', async () => {
  const atOnce = Math.max(2, availableParallelism())
  const turns = await Promise.all(Array.from({ length: atOnce }, () => startTurn()))
  const had: string[] = []
  const take = async (name: string) => {
    const done = await startTurn()
    had.push(name)
    return done
  }
  const [second, third] = [take('second'), take('third')]
  await vi.advanceTimersByTimeAsync(1_000)
  expect(had).toEqual([])

  turns[0]!()
  turns[0]!()
  await vi.advanceTimersByTimeAsync(0)
  expect(had).toEqual(['second'])

  await vi.advanceTimersByTimeAsync(9_000)
  expect(had).toEqual(['second', 'third'])
  for (const done of [...turns, await second, await third]) done()
  const again = await Promise.all(Array.from({ length: atOnce }, () => startTurn()))
  for (const done of again) done()
})

test('whose node others call comes before those who are called by nobody', async () => {
  const turns = await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, () => startTurn()))
  const had: string[] = []
  const take = (name: string, isCalled: boolean) =>
    startTurn(isCalled).then((done) => {
      had.push(name)
      done()
    })
  const all = [take('caller', false), take('server', true), take('other caller', false), take('other server', true)]

  for (const done of turns) done()
  await Promise.all(all)
  expect(had).toEqual(['server', 'other server', 'caller', 'other caller'])
})
