// #region checks
import { nearMissesOf } from '../../tokens/near-misses.ts'
import type { Check, Checked, State } from '../checks.ts'
import { rollsOf } from './rolls.ts'

const states = {
  fresh: { text: (name) => name },
  /** Of the same length and form. */
  'another one': spoiled('another one of its form'),
  empty: spoiled('empty'),
  /** Where holders can be told another one while they run: it, and what it is once they were told to forget it. */
  'second of two': {
    text: (name) => `the second one beside ${name}`,
    unnoticed: 'both are known there for a while',
    isPossible: isRolled,
  },
  ended: { ...spoiled('one beside it that has ended'), isPossible: isRolled },
} satisfies Record<string, State>

export type NearSecret = (typeof nearMissesOf.secret)[number]
export type SpoiledSecret = Exclude<keyof typeof states, 'fresh'> | NearSecret

/** What a wrong comparison takes for it. */
const near = Object.fromEntries(nearMissesOf.secret.map((name) => [name, spoiled(name)]))

function spoiled(how: string): State {
  return { text: (name) => `${name}, ${how}`, unnoticed: 'nobody compares it' }
}

function isRolled(...of: Parameters<typeof rollsOf>): boolean {
  return rollsOf(...of).length > 0
}

const checks: Readonly<Record<string, Check>> = {
  'well-formed': {
    because: 'what is presented is no secret at all',
    passes: ({ secret }) => secret?.state !== 'empty',
  },
  presented: {
    because: 'nothing is done there without a secret',
    passes: ({ secret }) => secret !== undefined && secret.state !== 'empty',
  },
  'not-ended': {
    because: 'the secret is known there no more',
    passes: ({ secret }) => secret?.state !== 'ended',
  },
  matches: {
    because: 'the secret is none of those that are known there',
    passes: ({ secret }, { secrets }: { secrets: readonly string[] }) =>
      secret === undefined || (isKnown.has(secret.state) && secrets.includes(secret.planned.name)),
  },
}

const isKnown = new Set(['fresh', 'second of two'])

export const secretChecks: Checked = {
  spoiledBeside: 'everything',
  states: { ...states, ...near },
  absent: 'no secret',
  checks,
}
// #endregion
