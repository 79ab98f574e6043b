import type { RouteInfo } from './config.ts'

/** A route as this node knows it. Local ones have no `peer`. */
export interface Route extends RouteInfo {
  /** The peer that announced it. */
  readonly peer?: string
  /** Names from the neighbour back to the origin; empty for local routes. */
  readonly path: readonly string[]
  /** `stale`: the session that brought it is gone, and it is kept for a while. */
  state: 'local' | 'learned' | 'stale'
}

export type RouteKey = Pick<RouteInfo, 'domain' | 'name'>

/** Domain and name are free of blanks, so one text is a key of both. */
export function routeKey(route: RouteKey): string {
  return `${route.domain} ${route.name}`
}

export function keyParts(key: string): RouteKey {
  const [domain = '', name = ''] = key.split(' ', 2)
  return { domain, name }
}

/** Local routes are kept like those of a peer without a name: no peer has that one. */
const LOCAL = ''

/**
 * Local routes, what each peer announced, and the best path of each key: local, then shortest, then lowest neighbour name.
 * Learned routes live in memory only: a restart learns them anew.
 */
export class RouteTable {
  readonly #byOrigin = new Map<string, Map<string, Route>>()
  /** All paths of a key, the best one first. */
  readonly #byKey = new Map<string, Route[]>()
  readonly #listeners = new Set<(key: string) => void>()

  /** Told the key of every route whose best path is another one, or gone. Answers how to stop that. */
  onBestChange(listener: (key: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  best(key: string): Route | undefined {
    return this.#byKey.get(key)?.[0]
  }

  keys(): IterableIterator<string> {
    return this.#byKey.keys()
  }

  putLocal(route: RouteInfo): void {
    this.#put(LOCAL, { ...route, path: [], state: 'local' })
  }

  deleteLocal(key: RouteKey): boolean {
    return this.#delete(LOCAL, routeKey(key))
  }

  hasLocal(key: RouteKey): boolean {
    return this.#byOrigin.get(LOCAL)?.has(routeKey(key)) ?? false
  }

  isLearned(key: RouteKey): boolean {
    return this.#byKey.get(routeKey(key))?.some(({ peer }) => peer !== undefined) ?? false
  }

  learn(peer: string, { domain, name, protocol, endpoint, path }: RouteInfo & { path: readonly string[] }): void {
    this.#put(peer, { domain, name, protocol, endpoint, path, peer, state: 'learned' })
  }

  forget(peer: string, key: RouteKey): void {
    this.#delete(peer, routeKey(key))
  }

  /** How many routes of a peer would be there once `added` came and `removed` went. */
  countWith(peer: string, added: Iterable<string>, removed: Iterable<string> = []): number {
    const routes = this.#byOrigin.get(peer)
    const after = new Set(added)
    let count = routes?.size ?? 0
    for (const key of after) if (!routes?.has(key)) count += 1
    for (const key of new Set(removed)) if (routes?.has(key) && !after.has(key)) count -= 1
    return count
  }

  withdrawAll(peer: string): void {
    this.retain(peer, () => false)
  }

  /** Keeps them, but marked: the next session's full table decides about them. They go on being announced. */
  markStale(peer: string): void {
    for (const route of this.#byOrigin.get(peer)?.values() ?? []) route.state = 'stale'
  }

  /** Withdraws what was not announced again since `markStale`. */
  purgeStale(peer: string): void {
    this.retain(peer, (route) => route.state !== 'stale')
  }

  retain(peer: string, isKept: (route: Route) => boolean): void {
    for (const [key, route] of this.#byOrigin.get(peer) ?? []) if (!isKept(route)) this.#delete(peer, key)
  }

  count(peer: string): number {
    return this.#byOrigin.get(peer)?.size ?? 0
  }

  /** All routes in the order of domain, name and peer, local ones first among equals. */
  list(): { cursor: string; route: Route; isBest: boolean }[] {
    return [...this.#byKey]
      .flatMap(([key, routes]) =>
        routes.map((route, at) => ({ cursor: `${key} ${route.peer ?? ''}`, route, isBest: at === 0 })),
      )
      .sort((a, b) => (a.cursor < b.cursor ? -1 : 1))
  }

  #put(origin: string, route: Route): void {
    const key = routeKey(route)
    const known = this.#byOrigin.get(origin) ?? new Map<string, Route>()
    this.#byOrigin.set(origin, known)
    const before = known.get(key)
    known.set(key, route)
    this.#rank(key, before, route)
  }

  #delete(origin: string, key: string): boolean {
    const known = this.#byOrigin.get(origin)
    const before = known?.get(key)
    if (known === undefined || before === undefined) return false
    known.delete(key)
    if (known.size === 0) this.#byOrigin.delete(origin)
    this.#rank(key, before, undefined)
    return true
  }

  /** Puts `now` in the place of `before` among the paths of a key. */
  #rank(key: string, before: Route | undefined, now: Route | undefined): void {
    const routes = this.#byKey.get(key) ?? []
    const bestBefore = routes[0]
    if (before !== undefined) routes.splice(routes.indexOf(before), 1)
    if (now !== undefined) {
      const at = routes.findIndex((other) => isBetter(now, other))
      routes.splice(at === -1 ? routes.length : at, 0, now)
    }
    if (routes.length === 0) this.#byKey.delete(key)
    else this.#byKey.set(key, routes)
    if (isSamePath(bestBefore, routes[0])) return
    for (const listener of this.#listeners) listener(key)
  }
}

/** A local path is empty, so it is the shortest of all. */
function isBetter(a: Route, b: Route): boolean {
  if (a.path.length !== b.path.length) return a.path.length < b.path.length
  return (a.peer ?? '') < (b.peer ?? '')
}

/** Whether a neighbour would be told the same of both. */
function isSamePath(a: Route | undefined, b: Route | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return (
    a.peer === b.peer &&
    a.protocol === b.protocol &&
    a.endpoint === b.endpoint &&
    a.path.length === b.path.length &&
    a.path.every((name, at) => name === b.path[at])
  )
}

/** Whether `domain` is one of `suffixes` or below it, on a label boundary. */
export function isUnder(domain: string, suffixes: readonly string[]): boolean {
  return suffixes.some((suffix) => domain === suffix || domain.endsWith(`.${suffix}`))
}
