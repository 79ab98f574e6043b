import type { ScenarioResult } from './run-scenarios.ts'

/** Failures that have one cause. */
export interface Cause {
  /** The one that says most about it: all others follow from it. */
  readonly root: ScenarioResult
  readonly followers: readonly ScenarioResult[]
}

const ranks = ['control', 'plain', 'other'] as const

/** What failed, by cause: first those in which nobody is let in, then what is plain, then what most others follow from. */
export function causesOf(scenarios: readonly ScenarioResult[]): Cause[] {
  const failed = scenarios.filter(({ state }) => state === 'failed')
  const known = new Set(failed.map(causeIn))
  const followed = ({ told }: ScenarioResult) => (known.has(told?.follows ?? '') ? told?.follows : undefined)
  const groups = [...Map.groupBy(failed, (one) => followed(one) ?? causeIn(one))]
  const sorted = groups.map(([cause, alike]) => {
    const isFollowing = (one: ScenarioResult) => Number(causeIn(one) !== cause)
    return alike.toSorted((a, b) => rankOf(a) - rankOf(b) || isFollowing(a) - isFollowing(b))
  })
  const causes = [...Map.groupBy(sorted, saidOf).values()].map((alike): Cause => {
    const [root, ...followers] = alike.flat()
    return { root: root!, followers }
  })
  return causes.toSorted((a, b) => rankOf(a.root) - rankOf(b.root) || b.followers.length - a.followers.length)
}

/**
 * That a rule is broken is told once, for however many reasons somebody should have been refused, or a good caller is turned away; and
 * that somebody is refused otherwise than it says, in however many ways.
 */
function saidOf([root]: readonly ScenarioResult[]): unknown {
  const { breaks, misses } = root?.told ?? {}
  return breaks ?? (misses === undefined ? root : `misses ${misses}`)
}

function rankOf({ told }: ScenarioResult): number {
  return ranks.indexOf(told?.rank ?? 'other')
}

/** Where no call tells it, what broke says it: a site that does not come up fails each of its tests in the same words. */
function causeIn({ told, failure = '' }: ScenarioResult): string {
  if (told !== undefined) return told.cause
  const [, ...lines] = failure.split('\n').map((line) => line.trim())
  return lines.filter((line) => !/^(at|again|evidence) {2}/.test(line)).join('\n')
}
