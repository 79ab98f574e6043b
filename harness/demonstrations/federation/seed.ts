import { HoldfastError } from '../../errors.ts'
import type { Plan } from '../../topology/plan.ts'

// What lies in the database of a gateway from the start on, and who may see what of it: said once more, apart from the program that is
// judged by it.

interface User {
  readonly id: string
  readonly name: string
  readonly displayName: string
  readonly sharePersonal?: boolean
  readonly deniedResources?: readonly string[]
}

interface Team {
  readonly id: string
  readonly name: string
  readonly members: readonly { readonly user: string; readonly role: 'viewer' | 'member' | 'maintainer' }[]
}

interface Row {
  readonly id: string
  readonly owner: string
  readonly team?: string
}

/** Of those that can be lent, what has rows of its own. */
export type SeededResource = 'tasks' | 'notes' | 'memory' | 'credentials'

export type Tenant = {
  readonly id: string
  readonly name: string
  readonly users: readonly User[]
  readonly teams: readonly Team[]
} & {
  readonly [Name in SeededResource]: readonly Row[]
}

/** As a grant narrows one resource. */
export interface RowFilter {
  readonly include_teams?: readonly string[]
  readonly include_personal?: boolean
}

/** What a seed does not hold. Code `HOLDFAST_NOT_SEEDED`. */
class NotSeeded extends HoldfastError {
  constructor(what: string, known: readonly string[]) {
    super('HOLDFAST_NOT_SEEDED', `${what} is not there; there is ${known.join(', ')}`)
  }
}

export class Seed {
  readonly #tenants: Tenant[]

  /** That of a node, out of the plan. */
  constructor({ nodes }: Pick<Plan, 'nodes'>, node: string) {
    const files = nodes[node]?.units.flatMap((unit) => unit.files) ?? []
    const seed = files.find(({ path, json }) => path.endsWith('/seed.json') && json !== undefined)?.json
    this.#tenants = [...((seed as { tenants?: Tenant[] } | undefined)?.tenants ?? [])]
  }

  get tenants(): readonly Tenant[] {
    return this.#tenants
  }

  /** A tenant that a test has brought in. */
  add(tenant: Tenant): void {
    this.#tenants.push(tenant)
  }

  tenant(name: string): Tenant {
    return found(this.tenants, name, 'tenant')
  }

  /** Names of users are unique over all tenants here. */
  user(name: string): User & { readonly tenant: Tenant } {
    const all = this.tenants.flatMap((tenant) => tenant.users.map((user) => ({ ...user, tenant })))
    return found(all, name, 'user')
  }

  /** By the word that its name begins with: `T1`. */
  team(word: string): Team {
    const all = this.tenants.flatMap(({ teams }) =>
      teams.map((team) => ({ ...team, name: team.name.split(' ')[0]!, full: team })),
    )
    return found(all, word, 'team').full
  }

  /** Ids of the rows that a user sees at home, sorted. `filter`: as a grant narrows them. */
  visible(userName: string, resource: SeededResource, filter: RowFilter = {}): string[] {
    const { id, tenant, deniedResources = [] } = this.user(userName)
    if (deniedResources.includes(resource)) return []
    const roles = new Map(
      tenant.teams.flatMap((team) =>
        team.members.flatMap(({ user, role }) => (user === id ? [[team.id, role] as const] : [])),
      ),
    )
    const isSeen = ({ owner, team }: Row): boolean => {
      if (team === undefined) return owner === id && filter.include_personal !== false
      const role = resource === 'memory' ? undefined : roles.get(team)
      const isEnough = role !== undefined && (resource !== 'credentials' || role === 'maintainer')
      return isEnough && (filter.include_teams?.includes(team) ?? true)
    }
    return tenant[resource]
      .filter(isSeen)
      .map((row) => row.id)
      .sort()
  }

  /** Every marker that its rows carry: nothing else holds one of them. */
  markers(): string[] {
    return [...new Set(JSON.stringify(this.tenants).match(/mark[0-9a-f]{20}/g))]
  }

  /** Those that a text holds. */
  markersIn(text: string): string[] {
    return this.markers().filter((marker) => text.includes(marker))
  }

  /** Those of other rows than these ids name. */
  markersBut(ids: readonly string[]): string[] {
    const named = new Set(this.markersOf(ids))
    return this.markers().filter((marker) => !named.has(marker))
  }

  /** Those of the rows that these ids name. */
  markersOf(ids: readonly string[]): string[] {
    const rows = this.tenants.flatMap((tenant) =>
      Object.values(tenant).flatMap((one) => (Array.isArray(one) ? one : [])),
    )
    const named = rows.filter((row: { id: string }) => ids.includes(row.id))
    return [...new Set(JSON.stringify(named).match(/mark[0-9a-f]{20}/g))]
  }
}

function found<One extends { readonly name: string }>(all: readonly One[], name: string, what: string): One {
  const one = all.find((candidate) => candidate.name === name)
  if (one !== undefined) return one
  throw new NotSeeded(
    `${what} "${name}"`,
    all.map((candidate) => candidate.name),
  )
}
