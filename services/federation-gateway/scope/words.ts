import type { Scope } from './document.ts'
import type { Rights } from './predicate.ts'
import type { Resource } from './resources.ts'

/** Names for people: of the subject, and of its teams by their ids. */
export interface Names {
  readonly subject: string
  readonly teams: ReadonlyMap<string, string>
}

/**
 * What a scope comes to for its subject as things are now, in one line:
 * `alice: own tasks, tasks of team T1; at most 100 rows`.
 */
export function effectiveScope(scope: Scope, rights: Rights, names: Names): string {
  const parts = scope.resources.flatMap((resource) => {
    if (scope.excluded_resources.includes(resource) || rights.deniedResources.includes(resource)) return []
    return lentInWords(resource, scope, rights, names)
  })
  return `${names.subject}: ${parts.length === 0 ? 'nothing' : parts.join(', ')}; at most ${rowsInWords(scope)}`
}

function rowsInWords({ max_rows_per_query: rows }: Scope): string {
  return rows === 1 ? '1 row' : `${rows} rows`
}

function lentInWords(resource: Resource, scope: Scope, rights: Rights, names: Names): string[] {
  const { include_teams, include_personal = true } = scope.filters[resource] ?? {}
  const lendsPersonal = include_personal && rights.sharePersonal
  const teams = rights.teams
    .filter(({ role }) => resource !== 'credentials' || role === 'maintainer')
    .filter(({ id }) => include_teams === undefined || include_teams.includes(id))
    .map(({ id }) => names.teams.get(id) ?? id)
    .toSorted()
  const named = teams.length === 0 ? [] : [`${teams.length === 1 ? 'team' : 'teams'} ${teams.join(' and ')}`]
  switch (resource) {
    case 'memory':
      return lendsPersonal ? ['own memory'] : []
    case 'teams':
      return named
    case 'users':
      return [...(lendsPersonal ? [names.subject] : []), ...named.map((text) => `members of ${text}`)]
    default:
      return [...(lendsPersonal ? [`own ${resource}`] : []), ...named.map((text) => `${resource} of ${text}`)]
  }
}
