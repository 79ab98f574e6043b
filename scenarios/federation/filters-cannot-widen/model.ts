import type { ScopeDocument, Tenant } from '../federation.ts'
import type { Filter, Resource } from './drawn.ts'

// What a grant lends, by the words of systems/federation, 3.3, and out of what was brought in: whoever sees a row sees it as its own or
// by a team, and a row is lent where one of that is.

/** What a test looks at of a row. */
export interface Row {
  readonly id: string
  readonly owner?: string
  readonly team?: string
  readonly status?: string
  readonly createdAt: string
}

/** As its own, or by the team of this id. */
type Ground = 'personal' | (string & {})

export class Model {
  readonly #tenant: Tenant
  readonly #user: Tenant['users'][number]

  /** Of one user; `gone`: one that was deleted. */
  constructor(tenant: Tenant, id: string, gone: string) {
    this.#tenant = { ...tenant, users: tenant.users.filter((user) => user.id !== gone) }
    this.#user = tenant.users.find((user) => user.id === id)!
  }

  isDenied(resource: Resource): boolean {
    return this.#user.deniedResources?.includes(resource) ?? false
  }

  /** All that the user sees at home, newest first. */
  atHome(resource: Resource): Row[] {
    if (this.isDenied(resource)) return []
    return this.#newest(resource).filter((row) => this.#groundsOf(resource, row).length > 0)
  }

  lent(resource: Resource, scope: ScopeDocument): Row[] {
    const isLent = (ground: Ground) => this.#isLent(ground, scope.filters?.[resource] ?? {})
    return this.atHome(resource).filter((row) => this.#groundsOf(resource, row).some(isLent))
  }

  /** What is lent of a resource at all, as guards would say it: undefined where it is. */
  refusal(resource: string, { resources, excluded_resources: excluded = [] }: ScopeDocument): string | undefined {
    if ((excluded as readonly string[]).includes(resource)) return 'resource_excluded'
    if (!(resources as readonly string[]).includes(resource)) return 'resource_not_granted'
    return this.isDenied(resource as Resource) ? 'rbac_denied' : undefined
  }

  #isLent(
    ground: Ground,
    {
      include_personal: personal = true,
      include_teams: teams,
    }: { include_personal?: boolean; include_teams?: readonly string[] },
  ): boolean {
    if (ground === 'personal') return personal && this.#user.sharePersonal !== false
    return teams === undefined || teams.includes(ground)
  }

  #groundsOf(resource: Resource, { id, owner, team }: Row): Ground[] {
    const mine = this.#teamsOf(this.#user.id)
    const own = (isOwn: boolean): Ground[] => (isOwn ? ['personal'] : [])
    switch (resource) {
      case 'teams':
        return mine.filter((one) => one === id)
      case 'users': {
        const theirs = this.#teamsOf(id)
        return [...own(id === this.#user.id), ...mine.filter((one) => theirs.includes(one))]
      }
      case 'memory':
        return own(owner === this.#user.id)
      case 'credentials':
        if (team !== undefined) return this.#teamsOf(this.#user.id, 'maintainer').filter((one) => one === team)
        return own(owner === this.#user.id)
      default:
        return team === undefined ? own(owner === this.#user.id) : mine.filter((one) => one === team)
    }
  }

  #teamsOf(user: string, role?: string): string[] {
    const isMember = (one: { user: string; role: string }) => one.user === user && (role ?? one.role) === one.role
    return this.#tenant.teams.filter(({ members }) => members.some(isMember)).map(({ id }) => id)
  }

  #newest(resource: Resource): Row[] {
    const rows = this.#tenant[resource] as readonly unknown[] as readonly Row[]
    const key = ({ createdAt, id }: Row) => `${createdAt} ${id}`
    return rows.toSorted((one, other) => (key(one) < key(other) ? 1 : -1))
  }
}

export function isAsked({ team, status, createdAt }: Row, asked: Filter): boolean {
  return (
    (asked.teamId === undefined || team === asked.teamId) &&
    (asked.status === undefined || status === asked.status) &&
    (asked.createdAfter === undefined || createdAt > asked.createdAfter) &&
    (asked.createdBefore === undefined || createdAt < asked.createdBefore)
  )
}
