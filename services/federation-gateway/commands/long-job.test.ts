import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { Interrupted, longJob, type ProgressStream } from './long-job.ts'

function site({ isTTY = false, columns = 80 } = {}) {
  const written: string[] = []
  const stream: ProgressStream = { isTTY, columns, write: (text) => written.push(text) }
  const signals = new EventEmitter() as unknown as NodeJS.Process & EventEmitter
  let now = 0
  return {
    written,
    signals,
    options: { stream, signals, now: () => now },
    /** Portions, each of which takes so long. */
    steps: (done: (count: number) => void, counts: readonly number[], eachMs: number) => {
      for (const count of counts) {
        now += eachMs
        done(count)
      }
    },
  }
}

test('what is over at once says nothing', async () => {
  const { options, steps, written } = site()
  const result = await longJob(
    { name: 'import', unit: 'rows', total: 2 },
    async (done) => {
      steps(done, [1, 2], 100)
      return 'result'
    },
    options,
  )
  expect([result, written]).toEqual(['result', []])
})

test('elsewhere than on a terminal there is a line a second, and a last one', async () => {
  const { options, steps, written } = site()
  await longJob(
    { name: 'import', unit: 'rows', total: 200 },
    async (done) => steps(done, [10, 20, 30, 40, 50, 60, 200], 400),
    options,
  )
  expect(written).toEqual([
    'import: 30 of 200 rows (15 %), 1 s\n',
    'import: 60 of 200 rows (30 %), 2 s\n',
    'import: 200 of 200 rows (100 %), 3 s\n',
  ])
})

test('more than was counted is no more than all of it, and what nobody counted has no share', async () => {
  const { options, steps, written } = site()
  await longJob({ name: 'a', unit: 'rows', total: 1 }, async (done) => steps(done, [3], 2_000), options)
  await longJob({ name: 'b', unit: 'rows' }, async (done) => steps(done, [3], 2_000), options)
  expect(new Set(written)).toEqual(new Set(['a: 3 of 3 rows (100 %), 2 s\n', 'b: 3 rows, 2 s\n']))
})

test('on a terminal one line is written over, no longer than the terminal is wide, and gone in the end', async () => {
  const { options, steps, written } = site({ isTTY: true, columns: 20 })
  await longJob(
    { name: 'keys rotate', unit: 'keys', total: 300 },
    async (done) => steps(done, [100, 200], 150),
    options,
  )
  expect(written).toEqual(['keys rotate: 100 of', '\r\u001b[K', 'keys rotate: 200 of', '\r\u001b[K'])
})

test.each(['SIGINT', 'SIGTERM'])(
  '%s ends it after the portion, with 130 and a word on how to go on',
  async (signal) => {
    const { options, steps, signals, written } = site()
    const counts: number[] = []
    const ending = longJob(
      { name: 'keys rotate', unit: 'keys', total: 300 },
      async (done) => {
        steps(done, [100], 10)
        counts.push(100)
        signals.emit(signal)
        steps(done, [200], 10)
        counts.push(200)
      },
      options,
    )
    await expect(ending).rejects.toThrow(
      'keys rotate ended after 200 of 300 keys (66 %); what was done stays done: run this again, and it goes on from there',
    )
    await expect(ending).rejects.toMatchObject({ constructor: Interrupted, code: 'interrupted', exitCode: 130 })
    expect(counts).toEqual([100])
    expect(written).toEqual(['keys rotate: ends after this portion, 0 s\n'])
    expect(signals.listenerCount(signal)).toBe(0)
  },
)

test('a failure is its own, and leaves no listener', async () => {
  const { options, signals } = site()
  const failing = longJob({ name: 'import', unit: 'rows' }, async () => Promise.reject(new Error('no')), options)
  await expect(failing).rejects.toThrow('no')
  expect(signals.listenerCount('SIGINT')).toBe(0)
})
