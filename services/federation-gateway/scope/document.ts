import { z } from 'zod'
import { guard } from '../../shared/guard.ts'
import { type Issue, refused } from '../wire/errors.ts'
import { issuesOf } from '../wire/issues.ts'
import { MOST_ROWS, uuid } from '../wire/requests.ts'
import { RESOURCES, type Resource, SENSITIVE } from './resources.ts'

/** How far a grant narrows the rows of one resource. It never widens what the subject may see. */
export interface RowFilter {
  /** Teams whose rows are lent. Absent: all teams of the subject; empty: none. */
  readonly include_teams?: readonly string[]
  /** Whether personal rows are lent. Absent: they are. */
  readonly include_personal?: boolean
}

/** A scope document in its canonical form, as it is stored: lists sorted, defaults filled in, no filter that narrows nothing. */
export interface Scope {
  readonly resources: readonly Resource[]
  readonly excluded_resources: readonly Resource[]
  readonly max_rows_per_query: number
  readonly filters: Readonly<Partial<Record<Resource, RowFilter>>>
}

export type ScopeReading =
  | { readonly scope: Scope; readonly warnings: readonly string[]; readonly issues?: undefined }
  | { readonly scope?: undefined; readonly issues: readonly Issue[] }

const DEFAULT_ROWS = 100
const MOST_TEAMS = 1000

const resource = z.enum(RESOURCES, { error: `must be one of ${RESOURCES.join(', ')}` })

/** The length is judged before the members, so that a list of ten thousand is one issue. */
function different<Member extends string>(member: z.ZodType<Member>, least: number, most: number) {
  const members = z.array(member).superRefine((list, context) => {
    for (const [at, value] of list.entries()) {
      if (list.indexOf(value) < at) context.addIssue({ code: 'custom', path: [at], message: 'is there twice' })
    }
  })
  return z.array(z.unknown()).min(least).max(most).pipe(members)
}

const rowFilter = z.strictObject({
  include_teams: different(uuid, 0, MOST_TEAMS).optional(),
  include_personal: z.boolean().optional(),
})

const document = z
  .strictObject({
    resources: different(resource, 1, RESOURCES.length),
    excluded_resources: different(resource, 0, RESOURCES.length).optional(),
    max_rows_per_query: z.int().min(1).max(MOST_ROWS).default(DEFAULT_ROWS),
    filters: z.strictObject(Object.fromEntries(RESOURCES.map((name) => [name, rowFilter.optional()]))).optional(),
  })
  .superRefine(({ resources, filters = {} }, context) => {
    for (const name of Object.keys(filters)) {
      if ((resources as readonly string[]).includes(name)) continue
      context.addIssue({ code: 'custom', path: ['filters', name], message: 'filters a resource that is not granted' })
    }
  })

/** Reads a scope document: all that is wrong with it, one path for each, or its canonical form. */
export function readScope(value: unknown): ScopeReading {
  const read = document.safeParse(value)
  if (!read.success) return { issues: issuesOf(read.error) }
  const { resources, excluded_resources: excluded = [], max_rows_per_query, filters = {} } = read.data
  const both = resources.filter((name) => excluded.includes(name))
  return {
    scope: {
      resources: inOrder(resources),
      excluded_resources: inOrder(excluded),
      max_rows_per_query,
      filters: canonicalFilters(filters as Partial<Record<Resource, RowFilter>>),
    },
    warnings: inOrder(both).map((name) => `${name} is granted and excluded: it is excluded`),
  }
}

/** All teams that a scope names: they must be of the grant's tenant. */
export function teamsIn(scope: Scope): ReadonlySet<string> {
  return new Set(Object.values(scope.filters).flatMap(({ include_teams = [] }) => include_teams))
}

/** Resources that a scope lends and nobody should lend unawares. */
export function sensitiveIn({ resources, excluded_resources }: Scope): readonly Resource[] {
  return resources.filter((name) => SENSITIVE.has(name) && !excluded_resources.includes(name))
}

/** A scope that is offered for a grant. `reading` and `issues` are there once the guard has looked. */
export interface OfferedScope {
  readonly document: unknown
  readonly allowSensitive: boolean
  /** Which of these teams are in the tenant of the grant. */
  readonly teamsOfTenant: (ids: readonly string[]) => Promise<ReadonlySet<string>>
  reading?: ScopeReading
  issues?: readonly Issue[]
}

export const admScope = guard<OfferedScope>(
  'adm.scope',
  ['scope_invalid', 'scope_team_unknown', 'scope_sensitive'],
  async (offered) => {
    const reading = readScope(offered.document)
    offered.reading = reading
    if (reading.scope === undefined) {
      offered.issues = reading.issues
      return refused('invalid_scope', 'scope_invalid')
    }
    offered.issues = await foreignTeams(reading.scope, offered.teamsOfTenant)
    if (offered.issues.length > 0) return refused('invalid_scope', 'scope_team_unknown')
    if (offered.allowSensitive) return undefined
    const message = 'is sensitive: exclude it, or say allowSensitive'
    const at = (offered.document as { resources: readonly string[] }).resources
    offered.issues = sensitiveIn(reading.scope).map((name) => ({ path: `resources.${at.indexOf(name)}`, message }))
    return offered.issues.length > 0 ? refused('invalid_scope', 'scope_sensitive') : undefined
  },
)

async function foreignTeams(scope: Scope, teamsOfTenant: OfferedScope['teamsOfTenant']): Promise<Issue[]> {
  const named = [...teamsIn(scope)]
  const known = named.length === 0 ? new Set() : await teamsOfTenant(named)
  return Object.entries(scope.filters).flatMap(([name, { include_teams = [] }]) =>
    include_teams
      .filter((team) => !known.has(team))
      .map((team) => ({ path: `filters.${name}.include_teams`, message: `no team ${team} in this tenant` })),
  )
}

function inOrder(names: readonly Resource[]): Resource[] {
  return RESOURCES.filter((name) => names.includes(name))
}

function canonicalFilters(filters: Partial<Record<Resource, RowFilter>>): Scope['filters'] {
  const canonical: Partial<Record<Resource, RowFilter>> = {}
  for (const name of RESOURCES) {
    const { include_teams: teams, include_personal: personal = true } = filters[name] ?? {}
    if (teams === undefined && personal) continue
    canonical[name] = {
      ...(teams !== undefined && { include_teams: teams.toSorted() }),
      ...(!personal && { include_personal: false }),
    }
  }
  return canonical
}
