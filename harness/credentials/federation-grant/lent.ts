// What a gateway lends, as its operator reads it in a scope document and in the rights of a user: worked out once more, and not by its code.

/** What is lent of a resource, beyond that it is. */
interface RowFilter {
  include_teams?: readonly string[]
  include_personal?: boolean
}

export interface ScopeDocument {
  resources: readonly string[]
  excluded_resources?: readonly string[]
  max_rows_per_query?: number
  filters?: Readonly<Record<string, RowFilter>>
}

/** A user of a gateway; ids are UUIDs. */
export interface Subject {
  id: string
  /** The id of its tenant. */
  tenant: string
  /** Role in each team, by the id of the team. */
  teams: Readonly<Record<string, 'viewer' | 'member' | 'maintainer'>>
  /** Whether personal rows may be lent. Default: yes. */
  sharesPersonal?: boolean
  /** Resources that were taken away. */
  denied?: readonly string[]
}

/** One row of a resource. */
export interface Row {
  id: string
  /** The id of a user, and of a team; without a team it is personal. */
  owner?: string
  team?: string
  /** Of a user: the teams that it is in. */
  teams?: readonly string[]
}

/** Whether a user sees a row without being lent anything. */
export function isSeen(resource: string, { id, owner, team, teams = [] }: Row, subject: Subject): boolean {
  const own = owner === subject.id && team === undefined
  const role = subject.teams[team ?? '']
  switch (resource) {
    case 'credentials':
      return own || role === 'maintainer'
    case 'teams':
      return subject.teams[id] !== undefined
    case 'users':
      return id === subject.id || teams.some((one) => subject.teams[one] !== undefined)
    default:
      return own || role !== undefined
  }
}

/** Whether a row that its user sees is lent by a scope: of two ways to it, one is enough. */
export function isLent(
  resource: string,
  { id, team, teams = [] }: Row,
  { filters = {} }: ScopeDocument,
  subject: Subject,
): boolean {
  const { include_teams: included, include_personal: personal = true } = filters[resource] ?? {}
  const lendsPersonal = personal && subject.sharesPersonal !== false
  const lends = (one: string) => subject.teams[one] !== undefined && (included?.includes(one) ?? true)
  if (resource === 'teams') return lends(id)
  if (resource === 'users') return (id === subject.id && lendsPersonal) || teams.some(lends)
  return team === undefined ? lendsPersonal : lends(team)
}
