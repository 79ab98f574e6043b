import { startBare } from './federation/beside.ts'
import { compareLists, limit } from './federation/list.ts'
import { benchFederation } from './federation/site.ts'
import type { Bench } from './main.ts'

export const bench: Bench = {
  summary: `lists of ${limit} rows of a lender over a connection that stays, against https and the same statement`,
  async run() {
    await using bed = await benchFederation()
    await using bare = await startBare(bed, { limit })
    const { middle, tail } = await compareLists(bed, bare)
    return [middle, tail]
  },
}
