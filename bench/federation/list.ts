import { loadWith, type Target } from '../caller.ts'
import { compare, interleave, type Measure, median } from '../measure.ts'
import type { Beside } from './beside.ts'
import { type BenchFederation, listOf } from './site.ts'

export const limit = 50
const listsARound = 400
const rounds = 5

/** Lists of 50 rows, one after the other over one connection that stays: p50 and p99 of the lender, beside those of a bare server. */
export async function compareLists(
  { lender, peer }: BenchFederation,
  bare: Beside,
): Promise<{ middle: Measure; tail: Measure }> {
  const p99 = { baseline: [] as number[], subject: [] as number[] }
  const p50 = async (target: Target, tail: number[]): Promise<number> => {
    const result = await loadWith(target, peer, listOf(limit), { count: listsARound, connections: 1 })
    tail.push(result.p99)
    return result.p50
  }
  const middle = await interleave(
    `list of ${limit} rows, p50`,
    () => p50(bare.target, p99.baseline),
    () => p50(lender, p99.subject),
    { bar: { atMost: 1.6 }, rounds },
  )
  const tail = compare(`list of ${limit} rows, p99`, median(p99.baseline), median(p99.subject), {
    ...{ bar: { atMost: 2 }, rounds },
  })
  return { middle, tail }
}
