import type { EnrolledPeer, ScopeDocument, Tenant } from '../federation.ts'

// Data, scopes and requests by lot: others in each run, and by the same number the same ones. Of what a scope or a request can say, all is
// drawn: each way of it comes to each kind of row, and the lot says beside what else.

export const resources = ['tasks', 'notes', 'memory', 'credentials', 'teams', 'users'] as const
export type Resource = (typeof resources)[number]
export type Filter = NonNullable<NonNullable<Parameters<EnrolledPeer['list']>[1]>['filter']>
export type RowFilter = NonNullable<NonNullable<ScopeDocument['filters']>[Resource]>

export const statuses = ['open', 'doing', 'done'] as const
const withTeam: ReadonlySet<Resource> = new Set(['tasks', 'notes', 'credentials'])

export class Lot {
  /** Of the lot: by it all of it is drawn again. */
  readonly seed: number
  #state: number

  constructor(seed = Date.now() % 1_000_000) {
    this.seed = seed
    this.#state = seed
  }

  one<Value>(values: readonly Value[]): Value {
    return values[Math.floor(this.#next() * values.length)]!
  }

  /** One value in two is there. */
  some<Value>(values: readonly Value[]): Value[] {
    return values.filter(() => this.#next() < 0.5)
  }

  shuffled<Value>(values: readonly Value[]): Value[] {
    return values
      .map((value) => ({ value, at: this.#next() }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ value }) => value)
  }

  /** A lot of its own, so that whoever draws beside changes nothing. */
  apart(): Lot {
    return new Lot(Math.floor(this.#next() * 2 ** 32))
  }

  hex(digits: number): string {
    return Array.from({ length: digits }, () => this.one([...'0123456789abcdef'])).join('')
  }

  uuid(): string {
    return [this.hex(8), this.hex(4), `4${this.hex(3)}`, `8${this.hex(3)}`, this.hex(12)].join('-')
  }

  /** From 0 to less than 1: mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A word that every row of a world has, and nothing else. */
export const anything = 'drawnrow'
/** Few, so that rows share one, and some differ by a microsecond alone. */
const instants = ['000000', '000001', '000002', '999999'].map((micros) => `2026-02-03T09:00:00.${micros}Z`)

/**
 * A tenant whose every user has, of each resource, a row of its own and one in each team, those that it is not in, too. The first four are in
 * two teams of three, as the maintainer of one of them: the first shares both with the fourth, and one each with the second and the third. The
 * second shares nothing personal; of the third a resource was taken away; the fifth is in no team. The sixth is to be deleted.
 */
export function drawWorld(lot: Lot): Tenant {
  const tag = lot.hex(8)
  const teamIds = [0, 1, 2].map(() => lot.uuid())
  const users = [0, 1, 2, 3, 4, 5].map((at) => ({
    ...{
      id: lot.uuid(),
      name: `user-${at}-${tag}`,
      displayName: `${anything} user ${at}`,
      createdAt: lot.one(instants),
    },
    ...(at === 1 && { sharePersonal: false }),
    ...(at === 2 && { deniedResources: [lot.one(resources)] }),
  }))
  const roleOf = (user: number, team: number) => {
    const place = (team + user) % 3
    if (user >= 4) return user === 5 ? ('member' as const) : undefined
    return [lot.one(['viewer', 'member'] as const), 'maintainer' as const][place]
  }
  const teams = teamIds.map((id, at) => {
    const members = users.flatMap(({ id: user }, number) => {
      const role = roleOf(number, at)
      return role === undefined ? [] : [{ user, role }]
    })
    return { id, name: `${anything} team ${at} ${tag}`, members, createdAt: lot.one(instants) }
  })
  const owners = users.slice(0, 5).map(({ id }) => id)
  const row = (owner: string) => ({ id: lot.uuid(), owner, createdAt: lot.one(instants) })
  const of = <More extends object>(more: () => More) =>
    owners.flatMap((owner) =>
      [undefined, ...teamIds].map((team) => ({ ...row(owner), ...(team !== undefined && { team }), ...more() })),
    )
  const title = () => ({ title: `${anything} ${lot.hex(8)}` })
  return {
    ...{ id: lot.uuid(), name: `drawn-${tag}`, users, teams },
    tasks: of(() => ({ ...title(), status: lot.one(statuses) })),
    notes: of(title),
    memory: [...owners, ...owners].map((owner) => ({ ...row(owner), text: anything })),
    credentials: of(() => ({ name: title().title, kind: 'api-key', secret: lot.hex(20) })),
  }
}

/** Ways to say what a filter can say: each kind of list of teams (absent, empty, each alone, two, all) without what is personal, and with it, said or not. */
export function rowFilters(lot: Lot, teams: readonly string[]): RowFilter[] {
  const two = lot.shuffled(teams).slice(0, 2)
  return [undefined, [], ...teams.map((team) => [team]), two, [...teams]].flatMap((include_teams, at) => {
    const ofTeams = include_teams === undefined ? {} : { include_teams }
    return [
      { ...ofTeams, include_personal: false },
      { ...ofTeams, ...(at % 2 === 0 && { include_personal: true }) },
    ]
  })
}

/**
 * Scopes of which each resource has each filter once, and every time another one than the others. In one of three something is left
 * out, or excluded, or the cap is low.
 */
export function drawScopes(lot: Lot, teams: readonly string[]): ScopeDocument[] {
  const ways = new Map(resources.map((resource) => [resource, lot.shuffled(rowFilters(lot, teams))]))
  return rowFilters(lot, teams).map((_, at) => ({
    resources: lot.shuffled(resources),
    excluded_resources: [],
    max_rows_per_query: at % 3 === 0 ? lot.one([2, 3, 7]) : lot.one([100, 1000]),
    filters: Object.fromEntries(resources.map((resource) => [resource, ways.get(resource)![at]!])),
  }))
}

/** A scope that lends some of all, and excludes some of that, and of what it does not lend. */
export function drawNarrow(lot: Lot, teams: readonly string[]): ScopeDocument {
  const granted = [...new Set([lot.one(resources), ...lot.some(resources)])]
  const filters = lot.some(granted).map((resource) => [resource, lot.one(rowFilters(lot, teams))] as const)
  return {
    resources: granted,
    excluded_resources: lot.some(resources).slice(0, 2),
    max_rows_per_query: lot.one([1, 2, 100, 1000]),
    filters: Object.fromEntries(filters),
  }
}

/** Something that narrows, of all that a caller may say of a resource. */
export function drawFilter(lot: Lot, resource: Resource, teams: readonly string[]): Filter {
  const ways: Filter[] = [{ createdAfter: lot.one(instants) }, { createdBefore: lot.one(instants) }]
  if (withTeam.has(resource)) ways.push({ teamId: lot.one(teams) })
  if (resource === 'tasks') ways.push({ status: lot.one(statuses) })
  const [first, ...others] = lot.shuffled(ways)
  return Object.assign({}, first, ...lot.some(others))
}
