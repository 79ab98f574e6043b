import type { CallOptions } from '../site/call.ts'
import type { Credential } from '../site/credential.ts'
import type { Verdict } from '../site/verdict.ts'
import { type NearMissName, nearMiss } from '../tokens/near-misses.ts'
import type { Lab } from './lab.ts'
import type { Outcome } from './outcome.ts'

/** One case of the catalogue: what must not work, and every way in which it is tried. */
export interface Attack {
  /** `GEN-01`: stable, for documents and reports. */
  readonly id: string
  /** A sentence: what must hold. */
  readonly title: string
  /** Clause or advisory that it comes from: `RFC 8725 section 3.1; CVE-2015-9235`. */
  readonly source: string
  /** What a target must offer: all of it. */
  readonly needs: readonly string[]
  /** By name: each is tried on each target, and is one test. */
  readonly variants: Readonly<Record<string, Variant>>
  /** The counterpart that stands in the place of one that is real: `scripted-issuer`. Attacks on one stage are tried one after the other. */
  readonly stage?: string
  /** Variables that every program of the site is started with: none of them may open anything, for this attack or any other. */
  readonly environment?: Readonly<Record<string, string>>
  /** It leaves the site changed, so that it is tried after all others: what it changes. */
  readonly forGood?: string
  /** It is tried before all that tries the same in further ways: what a target does not do at which it works. */
  readonly plain?: string
  /** The check of a target without which all of it works (`bound-token/signature`): where that one is not made, this follows. */
  readonly follows?: string
  /** Why nothing that is shipped can be attacked so; then there are no variants. */
  readonly notHere?: string
  /** The scenarios that show it, where it takes more than calls at a target: `nats/some-claim`. Then there are no variants either. */
  readonly shownBy?: readonly [string, ...string[]]
}

/** Why there is nothing to try of it; undefined where there is. */
export function whyUntried({ notHere, shownBy }: Attack): string | undefined {
  if (notHere !== undefined || shownBy === undefined) return notHere
  const shows = shownBy.length === 1 ? `scenario ${shownBy[0]} shows` : `scenarios ${inWords(shownBy)} show`
  return `it takes more than calls, and the ${shows} it`
}

function inWords(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

/** One way of trying an attack. */
export interface Variant {
  readonly expect: Outcome
  /** What must come of it instead at a target with that surface: the first one that it has. */
  readonly at?: Readonly<Record<string, Outcome>>
  /** Default: those of the attack. */
  readonly needs?: readonly string[]
  /** It is one call with a token that is made out of the good one, so that it can be tried while the issuer is away. */
  readonly isForgery?: true
  /** What leaves it to the target: it is tried only on those that are declared to be strict, as the reference nodes are. */
  readonly leftOpen?: string
  /** Whose fault it is where somebody is let in: the hop of several that did not do its part. Asked only then; it may call again. */
  readonly fault?: (lab: Lab) => Promise<string | undefined>
  /** Why no scenario of the suite tries it at a shipped topology, and what does instead. */
  readonly untried?: string
  /** Steps that end in the attacking call, whose verdict is judged; without a verdict they must have made demands of their own. */
  attack(lab: Lab): Promise<Verdict> | Promise<void>
}

type Case = Omit<Attack, 'id' | 'needs' | 'variants'> & Partial<Pick<Attack, 'needs' | 'variants'>>

/** Cases by their ids, each of which needs these of a target unless it says what else. */
export function cases(needs: Attack['needs'], byId: Readonly<Record<string, Case>>): Attack[] {
  return Object.entries(byId).map(([id, one]) => ({ id, needs, variants: {}, ...one }))
}

/** What a family consists of, by the ids of its cases. */
export function inOrder(...lists: readonly (readonly Attack[])[]): Attack[] {
  return lists.flat().toSorted((a, b) => a.id.localeCompare(b.id))
}

/** Marks a variant that no standard demands to be refused, and says why. */
export function leftOpen(because: string): (variant: Variant) => Variant {
  return (variant) => ({ ...variant, leftOpen: because })
}

/** What must come of a variant at a target that is strict, where the standards leave a choice between the outcomes that it lists. */
export function strictly(expect: Outcome, variant: Variant): Variant {
  return { ...variant, at: { ...variant.at, 'strict-verifier': expect } }
}

/** A variant of several steps. */
export function steps(expect: Outcome, attack: Variant['attack']): Variant {
  return { expect, attack }
}

export type Made<T> = (good: Credential, lab: Lab) => T | Promise<T>

/** A variant that is one call: with what is made of the good credential, and otherwise than its action says. */
export function presenting(
  expect: Outcome,
  made: Made<Credential>,
  how: CallOptions | Made<CallOptions> = {},
): Variant {
  return {
    expect,
    async attack(lab) {
      const options = typeof how === 'function' ? await how(lab.good(), lab) : how
      return lab.call(await made(lab.good(), lab), options)
    },
  }
}

/** A variant that calls with the good credential itself. */
export function calling(expect: Outcome, how: CallOptions | Made<CallOptions>): Variant {
  return presenting(expect, (good) => good, how)
}

/** A variant for each of these near misses of a value, which must not be taken for it: `iss in another case`. */
export function nearly(
  value: string,
  names: readonly NearMissName[],
  variant: (made: (own: string) => unknown, name: NearMissName) => Variant,
): Record<string, Variant> {
  return Object.fromEntries(names.map((name) => [`${value} ${name}`, variant((own) => nearMiss(name, own), name)]))
}

/** Cases that belong together: a folder `attacks/NAME/`, whose `index.ts` exports it. */
export interface Family {
  readonly name: string
  readonly summary: string
  /** What its attacks need of a target, in words: an action that …, a unit that …. What follows from any plan is declared by nobody else. */
  readonly surfaces: Readonly<Record<string, string>>
  readonly attacks: readonly Attack[]
}
