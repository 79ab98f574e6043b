import { leaksIn } from '../credentials/secrets.ts'
import { effectsSince } from '../site/effects.ts'
import { leaksSince, type Mark, markOf } from '../site/far-end.ts'
import { hintsIn } from '../site/judge.ts'
import { markJudged } from '../site/judging.ts'
import { targetOf } from '../site/targets.ts'
import type { Lab } from './lab.ts'

/** Around steps whose calls are no verdicts: the target must be what it was before, as after any refused call. */
export async function unharmed<T>(lab: Lab, work: () => Promise<T>): Promise<T> {
  const { node, action } = lab.target
  const observe = lab.site.observerOf(targetOf(lab.site.site, node, action), action)
  const before = typeof observe === 'string' ? {} : await observe()
  const result = await work()
  const { difference, failure } = await effectsSince(observe, before, before, lab.site.settleMs)
  lab.demand(difference === undefined, `it changed: ${difference}`)
  lab.demand(failure === undefined, `whether it changed could not be observed: ${failure}`)
  return result
}

/** Where the records and the log of the target end now. */
export function leakMark(lab: Lab): Promise<Mark> {
  return markOf(lab.site.site, lab.target.node)
}

/** What the target wrote since then must hold nothing of the tokens that the attack presented, and no private key. */
export async function demandNoLeak(lab: Lab, since: Mark): Promise<void> {
  const leaks = await leaksSince(lab.site.site, lab.target.node, since, { tokens: lab.presented, lines: [] })
  if (leaks.length > 0) blame(lab, leaks)
  lab.demand(leaks.length === 0, `it wrote down ${leaks.join(', ')}`)
}

/** What is told of the failure is told of a refused call of the steps: by what was written down, whatever else may be said of them. */
function blame({ site, target: { node } }: Lab, leaks: readonly string[]): void {
  const at = site.ledger.findLastIndex(({ verdict }) => verdict.to === node && !verdict.promised)
  const refused = site.ledger[at]
  if (refused === undefined) return
  const verdict = { ...refused.verdict, leaks }
  const problems = leaks.map((leak) => `${node} wrote down ${leak}`)
  markJudged(verdict, { expected: 'nothing that is presented is written down', problems })
  site.ledger[at] = { ...refused, verdict }
}

/** The body of an answer must be of no help: no stack, no key, nothing of the token. */
export function demandNoHint(lab: Lab, body: string, tokens: readonly string[] = lab.presented): void {
  const hints = [...hintsIn(body), ...leaksIn(body, tokens).map((secret) => `the body holds ${secret}`)]
  lab.demand(hints.length === 0, hints.join(', '))
}
