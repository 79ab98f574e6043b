import type { RowFilter, Seed } from './seed.ts'

/** As it is written by an administrator. */
export interface ScopeDocument {
  readonly resources: readonly string[]
  readonly excluded_resources?: readonly string[]
  readonly max_rows_per_query?: number
  readonly filters?: Readonly<Record<string, RowFilter>>
}

export type ScopeName = 'scope-a' | 'scope-b' | 'scope-c'

/** Tasks and notes with what is personal; tasks of one team alone; and one that names what it excludes. */
export function scopeDocument(name: ScopeName, seed: Seed): ScopeDocument {
  if (name === 'scope-a') return { resources: ['tasks', 'notes'] }
  if (name === 'scope-c') return { resources: ['tasks', 'credentials'], excluded_resources: ['credentials'] }
  const filter = { include_teams: [seed.team('T1').id], include_personal: false }
  return { resources: ['tasks'], filters: { tasks: filter } }
}
