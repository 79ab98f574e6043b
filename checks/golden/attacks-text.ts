import type { Scope } from '../../harness/attacks/scope.ts'
import { listing } from '../../harness/cli/attack-text.ts'
import { numbered, numberIn } from './numbered.ts'

/** All that `attack --list --json` says, in its order: a line for each trial, with the number of the place where it is tried. */
export function attacksText(topology: string, scopes: readonly Scope[]): string {
  const { tried, notTried, ...rest } = listing(topology, scopes)
  const places: string[] = []
  const cases = tried.map(({ trials, ...one }) => {
    const lines = trials.map(({ variant, expected, target, alike, ...more }) => {
      const place = numberIn(places, [target, ...alike].join(', '))
      return `  ${place}  ${[expected, variant, ...Object.entries(more).flat()].join('  ')}`
    })
    return [JSON.stringify(one), ...lines].join('\n')
  })
  return `${[
    JSON.stringify(rest),
    ['places: the target, and all that are like it', ...numbered(places)].join('\n'),
    'tried: in each case the number of the place, what must come of it, the variant',
    ...cases,
    ['not tried', ...notTried.map((one) => `  ${JSON.stringify(one)}`)].join('\n'),
  ].join('\n\n')}\n`
}
