import type { EnrolledPeer, ScopeDocument } from '../federation.ts'

// Scopes and requests by lot: others in each run, and by the same number the same ones.

export const resources = ['tasks', 'notes', 'memory', 'credentials', 'teams', 'users'] as const
export type Resource = (typeof resources)[number]
export type Filter = NonNullable<NonNullable<Parameters<EnrolledPeer['list']>[1]>['filter']>

export interface Drawn {
  /** Of the lot: by it all of it is drawn again. */
  readonly seed: number
  readonly resource: Resource
  readonly limit: number
  readonly filter: Filter
}

/** What names in scopes and requests are taken from. */
export interface Names {
  readonly teams: readonly string[]
  readonly times: readonly string[]
}

export class Lot {
  readonly #seed: number
  #state: number

  constructor(seed = Date.now() % 1_000_000) {
    this.#seed = seed
    this.#state = seed
  }

  one<Value>(values: readonly Value[]): Value {
    return values[Math.floor(this.#next() * values.length)]!
  }

  /** One value in two is there. */
  some<Value>(values: readonly Value[]): Value[] {
    return values.filter(() => this.#next() < 0.5)
  }

  scope({ teams }: Pick<Names, 'teams'>): ScopeDocument {
    const granted = [...new Set([this.one(resources), ...this.some(resources)])]
    const filterOf = () => ({
      ...(this.#isSo() && { include_teams: this.some(teams) }),
      ...(this.#isSo() && { include_personal: this.#isSo() }),
    })
    return {
      resources: granted,
      excluded_resources: this.#isSo() && this.#isSo() ? [this.one(resources)] : [],
      max_rows_per_query: this.one([1, 2, 100, 1000]),
      filters: Object.fromEntries(this.some(granted).map((name) => [name, filterOf()])),
    }
  }

  /** Three in four are for what is granted. */
  request({ teams, times }: Names, scope: ScopeDocument): Drawn {
    const granted = resources.filter((name) => scope.resources.includes(name))
    const resource = this.#isSo() || this.#isSo() ? this.one(granted) : this.one(resources)
    const hasTeam = ['tasks', 'notes', 'credentials'].includes(resource)
    const filter: Filter = {
      ...(hasTeam && this.#isSo() && this.#isSo() && { teamId: this.one(teams) }),
      ...(resource === 'tasks' && this.#isSo() && { status: this.one(['open', 'doing', 'done'] as const) }),
      ...(this.#isSo() && this.#isSo() && { createdAfter: this.one(times) }),
      ...(this.#isSo() && this.#isSo() && { createdBefore: this.one(times) }),
    }
    return { seed: this.#seed, resource, limit: this.one([1, 2, 50, 1000]), filter }
  }

  #isSo(): boolean {
    return this.#next() < 0.5
  }

  /** From 0 to less than 1: mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
