import type { ListFilter } from '../wire/requests.ts'
import type { RowFilter } from './document.ts'
import type { Resource, Role } from './resources.ts'

/** Columns that rows are chosen by. Which of them a resource has is said in tables.ts. */
export type Column = 'id' | 'ownerId' | 'teamId' | 'status' | 'createdAt'

/** Which rows of one resource: plain data, from which the SQL is written and against which a row can be tried. */
export type Predicate =
  | { readonly all: readonly Predicate[] }
  | { readonly any: readonly Predicate[] }
  | { readonly column: Column; readonly equals: string }
  | { readonly column: Column; readonly oneOf: readonly string[] }
  | { readonly column: Column; readonly isNull: boolean }
  | { readonly column: 'createdAt'; readonly after: string }
  | { readonly column: 'createdAt'; readonly before: string }
  /** Users that are a member of one of these teams. */
  | { readonly memberOf: readonly string[] }

export const EVERY: Predicate = { all: [] }
export const NONE: Predicate = { any: [] }

/** What a user may natively do, as the database says at this request. */
export interface Rights {
  readonly tenantId: string
  readonly userId: string
  readonly teams: readonly { readonly id: string; readonly role: Role }[]
  /** Types of resources that were taken away from the user. */
  readonly deniedResources: readonly Resource[]
  /** False: no personal row of the user is lent, whatever a scope says. */
  readonly sharePersonal: boolean
}

/**
 * The rows that a user sees natively. Local queries use it as it is and federation narrows it, so a federated answer is a subset of
 * the local one by construction.
 */
export function nativeRows(resource: Resource, { userId, teams }: Rights): Predicate {
  const own: Predicate = { column: 'ownerId', equals: userId }
  const ids = teams.map(({ id }) => id)
  const personal: Predicate = { all: [own, { column: 'teamId', isNull: true }] }
  switch (resource) {
    case 'tasks':
    case 'notes':
      return { any: [personal, { column: 'teamId', oneOf: ids }] }
    case 'credentials':
      return { any: [personal, { column: 'teamId', oneOf: maintained(teams) }] }
    case 'memory':
      return own
    case 'teams':
      return { column: 'id', oneOf: ids }
    case 'users':
      return { any: [{ column: 'id', equals: userId }, { memberOf: ids }] }
  }
}

/** What of the native rows is lent: the filter of the scope, and the user's own word on personal rows. Says nothing that would widen them. */
export function lentRows(resource: Resource, rights: Rights, filter: RowFilter = {}): Predicate {
  const { include_teams: teams, include_personal = true } = filter
  const lendsPersonal = include_personal && rights.sharePersonal
  switch (resource) {
    case 'tasks':
    case 'notes':
    case 'credentials':
      return {
        any: [
          ...(lendsPersonal ? [{ column: 'teamId', isNull: true } as const] : []),
          teams === undefined ? { column: 'teamId', isNull: false } : { column: 'teamId', oneOf: teams },
        ],
      }
    case 'memory':
      return lendsPersonal ? EVERY : NONE
    case 'teams':
      return teams === undefined ? EVERY : { column: 'id', oneOf: teams }
    case 'users':
      return { any: [...(lendsPersonal ? [{ column: 'id', equals: rights.userId } as const] : []), lentMembers()] }
  }

  /** Somebody who is in two teams is there by the one that is lent, and by no other. */
  function lentMembers(): Predicate {
    const own = rights.teams.map(({ id }) => id)
    return { memberOf: teams === undefined ? own : own.filter((id) => teams.includes(id)) }
  }
}

/** What the caller asked for. */
export function askedRows({ status, teamId, createdAfter, createdBefore }: ListFilter = {}): Predicate {
  return {
    all: [
      ...(status === undefined ? [] : [{ column: 'status', equals: status } as const]),
      ...(teamId === undefined ? [] : [{ column: 'teamId', equals: teamId } as const]),
      ...(createdAfter === undefined ? [] : [{ column: 'createdAt', after: createdAfter } as const]),
      ...(createdBefore === undefined ? [] : [{ column: 'createdAt', before: createdBefore } as const]),
    ],
  }
}

function maintained(teams: Rights['teams']): string[] {
  return teams.filter(({ role }) => role === 'maintainer').map(({ id }) => id)
}

/** A row as a predicate sees it. `teams`: those that a user is a member of. */
export type Tried = Readonly<Partial<Record<Column, string | null>>> & { readonly teams?: readonly string[] }

/** Whether a row is one of the predicate's. As in SQL, a column without a value equals nothing. */
export function matches(predicate: Predicate, row: Tried): boolean {
  if ('all' in predicate) return predicate.all.every((part) => matches(part, row))
  if ('any' in predicate) return predicate.any.some((part) => matches(part, row))
  if ('memberOf' in predicate) return predicate.memberOf.some((team) => row.teams?.includes(team) === true)
  const value = row[predicate.column] ?? null
  if ('isNull' in predicate) return (value === null) === predicate.isNull
  if (value === null) return false
  if ('equals' in predicate) return value === predicate.equals
  if ('oneOf' in predicate) return predicate.oneOf.includes(value)
  return 'after' in predicate ? value > predicate.after : value < predicate.before
}
