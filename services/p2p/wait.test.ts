import { expect, test } from 'vitest'
import { waitForEnd } from './wait.ts'
import type { Run } from './wire.ts'

const run = (state: Run['state'], ...stages: string[]): Run => ({
  ...{ runId: 'r-1', pipeline: 'p', state, createdAt: '2026-01-31T09:00:00.000Z' },
  stages: stages.map((state, at) => ({ name: `s-${at}`, state, attempt: 1 })),
})

function site(runs: readonly Run[], withinMs = 60_000) {
  const told: string[] = []
  const waited: number[] = []
  let [asked, now] = [0, 0]
  const result = waitForEnd({
    ask: async () => runs[Math.min(asked++, runs.length - 1)]!,
    tell: ({ state, stages }) => told.push([state, ...stages.map((stage) => stage.state)].join(' ')),
    ...{ withinMs, now: () => now },
    sleep: async (ms) => {
      waited.push(ms)
      now += ms
    },
  })
  return { result, told, waited }
}

test.each(['succeeded', 'failed', 'cancelled'] as const)(
  'it waits until a run has %s, and tells each change once',
  async (end) => {
    const { result, told } = site([
      ...[
        run('queued'),
        run('queued'),
        run('running', 'assigned'),
        run('running', 'running'),
        run('running', 'running'),
      ],
      run(end, 'succeeded'),
    ])
    expect((await result).state).toBe(end)
    expect(told).toEqual(['queued', 'running assigned', 'running running', `${end} succeeded`])
  },
)

test('it asks seldom once a run has taken long, and no longer than it is to', async () => {
  const { result, waited } = site([run('running', 'running')], 10_000)
  await expect(result).rejects.toMatchObject({
    code: 'run_not_ended',
    exitCode: 4,
    message: 'run r-1 is still running after 10 s; it goes on: p2p pipeline status r-1 --wait',
  })
  expect(waited[0]).toBe(200)
  expect(Math.max(...waited)).toBe(2_000)
  expect(waited.reduce((sum, ms) => sum + ms)).toBeLessThanOrEqual(10_000)
})
