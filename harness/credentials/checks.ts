import type { Plan, PlanCredential } from '../topology/plan.ts'
import type { PartName } from './parts.ts'

/** What is derived from a credential kind before anything runs. */
export interface CheckedKind extends Checked {
  readonly name: string
  readonly part: PartName
  /** The credentials that one is presented together with, by name. */
  beside?(planned: PlanCredential): readonly string[]
}

/** How credentials of a kind can be presented, and what can be checked of them. */
export interface Checked {
  /** Whether a spoiled one is tried beside everything else that can be presented, or by itself and beside what it belongs to. */
  readonly spoiledBeside: 'everything' | 'companions'
  /** How one can be presented, in the order in which that is tried. */
  readonly states: { readonly fresh: State } & Readonly<Record<string, State>>
  /** For people: that none is presented. */
  readonly absent: string
  readonly checks: Readonly<Record<string, Check>>
}

export interface State {
  /** Whether a credential of this plan can be in it. Default: all can. */
  isPossible?(planned: PlanCredential, plan: Plan): boolean
  /** For people: that this credential is presented so. */
  text(credential: string): string
  /** Why it keeps nobody out where no check finds fault with it. */
  readonly unnoticed?: string
  /** Where to make it so ends everything else of its issuer, so that it is tried last: what was done then, for people. */
  readonly forGood?: string
}

/** A check that a target can make of its callers. Of what is not presented it says nothing, unless it is about just that. */
export interface Check {
  /** Why a call that does not pass it is refused. */
  readonly because: string
  /** Where it settles: as whom a call that passes it is accepted, whatever else it presents. `operator`. */
  readonly settled?: string
  /** Where a target lets such calls in: what it does not do, in plain words, and where that is demanded. */
  readonly unmade?: { readonly means: string; readonly clause: string }
  passes(facts: Facts, args: never): boolean
}

/** What is presented, by parts. */
export type Facts = Readonly<Partial<Record<PartName, Fact>>>

/** A credential as a target can know it. */
export interface Fact {
  readonly planned: PlanCredential
  readonly state: string
  /** The trust domain whose CA or issuer made it. */
  readonly domain: string
}
