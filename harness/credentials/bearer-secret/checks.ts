// #region checks
import { nearMissesOf } from '../../tokens/near-misses.ts'
import type { Check, Checked, State } from '../checks.ts'

const states = {
  fresh: { text: (name) => name },
  /** Of the same length and form. */
  'another one': spoiled('another one of its form'),
  empty: spoiled('empty'),
} satisfies Record<string, State>

export type NearSecret = (typeof nearMissesOf.secret)[number]
export type SpoiledSecret = Exclude<keyof typeof states, 'fresh'> | NearSecret

/** What a wrong comparison takes for it. */
const near = Object.fromEntries(nearMissesOf.secret.map((name) => [name, spoiled(name)]))

function spoiled(how: string): State {
  return { text: (name) => `${name}, ${how}`, unnoticed: 'nobody compares it' }
}

const checks: Readonly<Record<string, Check>> = {
  presented: {
    because: 'nothing is done there without a secret',
    passes: ({ secret }) => secret !== undefined && secret.state !== 'empty',
  },
  matches: {
    because: 'the secret is none of those that are known there',
    passes: ({ secret }, { secrets }: { secrets: readonly string[] }) =>
      secret === undefined || (secret.state === 'fresh' && secrets.includes(secret.planned.name)),
  },
}

export const secretChecks: Checked = {
  spoiledBeside: 'everything',
  states: { ...states, ...near },
  absent: 'no secret',
  checks,
}
// #endregion
