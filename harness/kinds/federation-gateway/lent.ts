import type { Row, Subject } from '../../credentials/federation-grant/lent.ts'
import { own } from '../../topology/compilation.ts'
import type { Settings } from './settings.ts'

// What stands in what a gateway imports, as far as lending goes by it. The gateway itself judges the rest.

interface Seed {
  tenants?: readonly SeedTenant[]
}
interface SeedTenant {
  id: string
  users?: readonly { id: string; name: string; sharePersonal?: boolean; deniedResources?: readonly string[] }[]
  teams?: readonly { id: string; members?: readonly { user: string; role: Subject['teams'][string] }[] }[]
}
interface SeedRow {
  id: string
  owner?: string
  team?: string
}

/** Users by name; of one that two tenants have, the first tenant's. None where it imports a file. */
export function subjectsIn({ import: seed }: Pick<Settings, 'import'>): Record<string, Subject> {
  const all = tenantsIn(seed).flatMap(({ id: tenant, users = [], teams = [] }) =>
    users.map(({ id, name, sharePersonal: sharesPersonal, deniedResources: denied }) => {
      const roles = teams.flatMap(
        (team) => team.members?.flatMap((one) => (one.user === id ? [[team.id, one.role]] : [])) ?? [],
      )
      const said = { ...(sharesPersonal !== undefined && { sharesPersonal }), ...(denied && { denied }) }
      return [name, { id, tenant, teams: Object.fromEntries(roles), ...said }] as const
    }),
  )
  return Object.fromEntries(all.toReversed())
}

/** The rows that a topology names, by resource and name; undefined: there is no such row. */
export function rowsIn({ import: seed, rows }: Pick<Settings, 'import' | 'rows'>) {
  return Object.entries(rows).flatMap(([resource, named]) =>
    Object.entries(named).map(([name, id]) => ({ resource, name, row: rowOf(tenantsIn(seed), resource, id) })),
  )
}

function rowOf(tenants: readonly SeedTenant[], resource: string, id: string): Row | undefined {
  for (const tenant of tenants) {
    const all = own(tenant as unknown as Readonly<Record<string, readonly SeedRow[]>>, resource) ?? []
    const found = all.find((one) => one.id === id)
    if (found === undefined) continue
    const teams = tenant.teams?.flatMap((team) => (team.members?.some(({ user }) => user === id) ? team.id : []))
    const { owner, team } = found
    return { id, ...(owner && { owner }), ...(team && { team }), ...(resource === 'users' && { teams }) }
  }
  return undefined
}

function tenantsIn(seed: Settings['import']): readonly SeedTenant[] {
  return typeof seed === 'object' ? ((seed as Seed).tenants ?? []) : []
}
