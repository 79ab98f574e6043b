import { expect, test } from 'vitest'
import { fuzz } from './fuzz.ts'

// The memory of processes is read as only Linux shows it.
test.runIf(process.platform === 'linux')(
  '2 000 broken inputs: no 5xx without a reason, no forgery accepted, no failure in any service',
  async () => {
    const seed = Date.now() % 1_000_000
    const { findings, outcomes, controls } = await fuzz({ count: 2_000, seed })

    expect(findings, `seed ${seed}`).toEqual([])
    expect(controls).toBe(4)
    expect(Object.keys(outcomes)).toHaveLength(8)
  },
  120_000,
)
