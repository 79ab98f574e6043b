import type { ScopeDocument } from '../../credentials/federation-grant/lent.ts'
import { credentialOf } from '../../credentials/of-kind.ts'
import type { Plan } from '../../topology/plan.ts'

export type { ScopeDocument }

/**
 * Scopes of the topology: tasks and notes with what is personal; tasks of one team alone; one that names what it excludes; and everything.
 */
export type ScopeName = 'scope-a' | 'scope-b' | 'scope-c' | 'scope-all'

export function scopeDocument(name: ScopeName, plan: Plan): ScopeDocument {
  return credentialOf(plan, 'federation-grant', name).document
}
