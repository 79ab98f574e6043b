import type { RouteInfo } from './config.ts'

/** A route as this node knows it. Local ones have no `peer`. */
export interface Route extends RouteInfo {
  /** The peer that announced it. */
  peer?: string
  /** Names from the neighbour back to the origin; empty for local routes. */
  path: readonly string[]
  /** `stale`: the session that brought it is gone, and it is kept for a while. */
  state: 'local' | 'learned' | 'stale'
}

export type LocalChange = { op: 'announce'; route: RouteInfo } | { op: 'withdraw'; domain: string; name: string }

/** Domain and name are free of blanks, so one text is a key of both. */
export function routeKey(route: { domain: string; name: string }): string {
  return `${route.domain} ${route.name}`
}

/**
 * Local routes, and what each peer announced. Learned routes live in memory only: a restart learns them anew.
 */
export class RouteTable {
  readonly #local = new Map<string, RouteInfo>()
  readonly #learned = new Map<string, Map<string, Route>>()
  readonly #listeners = new Set<(change: LocalChange) => void>()

  /** Told of every change of local routes. Answers how to stop that. */
  onLocalChange(listener: (change: LocalChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  putLocal(route: RouteInfo): void {
    this.#local.set(routeKey(route), route)
    this.#tell({ op: 'announce', route })
  }

  deleteLocal(key: { domain: string; name: string }): boolean {
    if (!this.#local.delete(routeKey(key))) return false
    this.#tell({ op: 'withdraw', domain: key.domain, name: key.name })
    return true
  }

  local(): IterableIterator<RouteInfo> {
    return this.#local.values()
  }

  hasLocal(key: { domain: string; name: string }): boolean {
    return this.#local.has(routeKey(key))
  }

  isLearned(key: { domain: string; name: string }): boolean {
    return [...this.#learned.values()].some((routes) => routes.has(routeKey(key)))
  }

  learn(peer: string, route: RouteInfo & { path: readonly string[] }): void {
    const routes = this.#learned.get(peer) ?? new Map<string, Route>()
    this.#learned.set(peer, routes)
    routes.set(routeKey(route), { ...route, peer, state: 'learned' })
  }

  forget(peer: string, key: { domain: string; name: string }): void {
    this.#learned.get(peer)?.delete(routeKey(key))
  }

  /** How many routes of a peer would be there after `keys` were added. */
  countWith(peer: string, keys: Iterable<string>): number {
    const routes = this.#learned.get(peer)
    let count = routes?.size ?? 0
    for (const key of new Set(keys)) if (!routes?.has(key)) count += 1
    return count
  }

  withdrawAll(peer: string): void {
    this.#learned.delete(peer)
  }

  /** Keeps them, but marked: the next session's full table decides about them. */
  markStale(peer: string): void {
    const routes = this.#learned.get(peer)
    for (const [key, route] of routes ?? []) routes?.set(key, { ...route, state: 'stale' })
  }

  /** Withdraws what was not announced again since `markStale`. */
  purgeStale(peer: string): void {
    this.retain(peer, (route) => route.state !== 'stale')
  }

  retain(peer: string, isKept: (route: Route) => boolean): void {
    const routes = this.#learned.get(peer)
    for (const [key, route] of routes ?? []) if (!isKept(route)) routes?.delete(key)
  }

  count(peer: string): number {
    return this.#learned.get(peer)?.size ?? 0
  }

  /** All routes in the order of domain, name and peer, local ones first among equals. */
  list(): { cursor: string; route: Route }[] {
    const local = [...this.#local.values()].map((route): Route => ({ ...route, path: [], state: 'local' }))
    const learned = [...this.#learned.values()].flatMap((routes) => [...routes.values()])
    return [...local, ...learned]
      .map((route) => ({ cursor: `${routeKey(route)} ${route.peer ?? ''}`, route }))
      .sort((a, b) => (a.cursor < b.cursor ? -1 : 1))
  }

  #tell(change: LocalChange): void {
    for (const listener of this.#listeners) listener(change)
  }
}

/** Whether `domain` is one of `suffixes` or below it, on a label boundary. */
export function isUnder(domain: string, suffixes: readonly string[]): boolean {
  return suffixes.some((suffix) => domain === suffix || domain.endsWith(`.${suffix}`))
}
