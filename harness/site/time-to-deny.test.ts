import { expect, test } from 'vitest'
import { timeToDeny } from './time-to-deny.ts'
import type { Verdict } from './verdict.ts'

const answer = (verdict: Verdict['verdict']) => ({ verdict }) as Verdict

test('counts from when the last accepted call began, however long its answer took', async () => {
  const slowly = async () => {
    await new Promise((resolve) => setTimeout(resolve, 60))
    return answer('accepted')
  }
  const calls = [slowly, async () => answer('refused')]
  const { verdict, afterMs } = await timeToDeny('a token', () => calls.shift()!(), 20)

  expect(verdict).toMatchObject({ verdict: 'refused' })
  expect(afterMs).toBeLessThan(20)
})

test('tells of a call that began late and was accepted all the same', async () => {
  const answers = [answer('accepted'), answer('accepted'), answer('refused')]
  const { afterMs } = await timeToDeny('a token', async () => answers.shift()!, 20)

  expect(afterMs).toBeGreaterThan(20)
})
