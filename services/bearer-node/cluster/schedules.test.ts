import fc from 'fast-check'
import { expect, test } from 'vitest'
import { problemsOf, schedules } from './testing/schedule.ts'

// Nodes are killed, cut off, paused and slowed down as it comes, while runs are asked for. A schedule that breaks a promise is shown with the
// seed that it follows from, which `HOLDFAST_SEED` takes again.

const seed = Number(process.env.HOLDFAST_SEED ?? Date.now() % 2 ** 31)
const LONGEST_MS = 25_000

test(`whatever happens to nodes and network, an epoch has one majority, and every acknowledged run ends once (seed ${seed})`, async () => {
  let tried = 0
  await fc.assert(
    fc.asyncProperty(schedules, async (schedule) => {
      tried += 1
      expect(await problemsOf(schedule)).toEqual([])
    }),
    { seed, numRuns: 60, interruptAfterTimeLimit: LONGEST_MS, markInterruptAsFailure: false, endOnFailure: true },
  )
  expect(tried).toBeGreaterThan(0)
})
