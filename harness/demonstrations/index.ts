import type { Plan } from '../topology/plan.ts'
import type { Demonstrated } from './demonstration.ts'
import { derivedFrom } from './derived.ts'
import { separateAuth } from './separate-auth.ts'

/** Those that were written by hand, by the name of a shipped topology. */
const written: ReadonlyMap<string, readonly Demonstrated[]> = new Map([['separate-auth', separateAuth]])

/** The calls that show what a topology is about: written by hand, or as they follow from its plan. */
export function demonstrationOf(topology: string, plan: Plan): readonly Demonstrated[] {
  return written.get(topology) ?? derivedFrom(plan)
}
