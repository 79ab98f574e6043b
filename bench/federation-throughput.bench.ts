import { loadWith, type Target } from './caller.ts'
import { startLender } from './federation/beside.ts'
import { benchFederation, listOf } from './federation/site.ts'
import type { Bench } from './main.ts'
import { interleave } from './measure.ts'

const connections = 16
/** A grant is good for 6 000 requests in 60 s. */
const listsARound = 800
const rounds = 5

export const bench: Bench = {
  summary: 'lists of a lender over 16 connections, against its own listener that keeps neither decisions nor audit',
  async run() {
    await using bed = await benchFederation()
    await using silent = await startLender(bed, 'silent', { isSilent: true })
    const perSecond = async (target: Target) =>
      (await loadWith(target, bed.peer, listOf(50), { count: listsARound, connections })).perSecond
    return [
      await interleave(
        'lists with audit and decision log, throughput',
        () => perSecond(silent.target),
        () => perSecond(bed.lender),
        { bar: { atLeast: 0.85 }, unit: 'per second', rounds },
      ),
    ]
  },
}
