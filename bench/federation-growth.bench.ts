import { startBare } from './federation/beside.ts'
import { grow } from './federation/growth.ts'
import { compareLists, limit } from './federation/list.ts'
import { benchFederation } from './federation/site.ts'
import type { Bench } from './main.ts'
import { compare } from './measure.ts'

const grants = { few: 10, many: 10_000 }
const audited = { few: 1_000, many: 1_000_000 }

export const bench: Bench = {
  summary: 'lists of a lender that has 10 000 grants and a million rows of audit, against 10 and 1 000',
  async run() {
    await using bed = await benchFederation(600_000)
    await using bare = await startBare(bed, { limit })
    await grow(bed, { grants: grants.few, audited: audited.few })
    const { middle: before } = await compareLists(bed, bare)
    await grow(bed, { grants: grants.many - grants.few, audited: audited.many - audited.few })
    const { middle: after } = await compareLists(bed, bare)
    // What the machine does at one time and not at the other is done to the bare server, too, whose table has not grown.
    const asBefore = before.baseline * after.ratio
    const measure = compare('list p50 among 10 000 grants and 1 000 000 rows of audit', before.subject, asBefore, {
      ...{ bar: { atMost: 1.3 }, rounds: after.rounds },
    })
    const told = (when: string, { baseline, subject }: typeof before) =>
      `${when}: ${subject.toFixed(2)} ms, the bare server ${baseline.toFixed(2)} ms`
    measure.notes.push(told('before', before), told('after', after))
    return [measure]
  },
}
