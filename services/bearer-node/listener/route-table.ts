import type { IncomingMessage } from 'node:http'
import { methodOf } from '../../shared/http-method.ts'
import type { Route } from './route.ts'

/** A declared route, and what a path has for its parameters. */
export interface FoundRoute {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

/** What a request asks for. */
export interface Target {
  /** Byte for byte as sent. */
  readonly path: string
  /** Without its question mark; empty where there is none. */
  readonly query: string
  /** HEAD is judged as GET is. */
  readonly method: string
  /** The routes of the path, by whatever method. */
  readonly here: readonly FoundRoute[]
  /** The one of path and method. */
  readonly found: FoundRoute | undefined
}

const PARAMETER = /^\{([A-Za-z]+)\}$/
/** Nothing is decoded, so what is written in another way is another segment, and none that could be taken for a folder. */
const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/

/** Paths are matched byte for byte as sent: whatever is written otherwise is no declared path. */
export class RouteTable {
  readonly #fixed = new Map<string, Route[]>()
  readonly #open: { readonly parts: readonly string[]; readonly routes: Route[] }[] = []

  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#add(route)
  }

  target({ url = '', method }: Pick<IncomingMessage, 'url' | 'method'>): Target {
    const at = url.indexOf('?')
    const path = at < 0 ? url : url.slice(0, at)
    const judged = methodOf({ method })
    const here = this.#at(path)
    const found = here.find(({ route }) => route.method === judged)
    return { path, query: at < 0 ? '' : url.slice(at + 1), method: judged, here, found }
  }

  #add(route: Route): void {
    const known = this.#at(route.path).filter((one) => one.route.method === route.method)
    if (known.length > 0) throw new Error(`route ${route.method} ${route.path} is declared twice`)
    if (!route.path.includes('{')) {
      this.#fixed.set(route.path, [...(this.#fixed.get(route.path) ?? []), route])
      return
    }
    const same = this.#open.find(({ routes }) => routes[0]?.path === route.path)
    if (same === undefined) this.#open.push({ parts: route.path.split('/'), routes: [route] })
    else same.routes.push(route)
  }

  #at(path: string): FoundRoute[] {
    const fixed = this.#fixed.get(path)
    if (fixed !== undefined) return fixed.map((route) => ({ route, params: {} }))
    const given = path.split('/')
    for (const { parts, routes } of this.#open) {
      const params = paramsOf(parts, given)
      if (params !== undefined) return routes.map((route) => ({ route, params }))
    }
    return []
  }
}

function paramsOf(parts: readonly string[], given: readonly string[]): Record<string, string> | undefined {
  if (parts.length !== given.length) return undefined
  const params: Record<string, string> = {}
  for (const [at, part] of parts.entries()) {
    const value = given[at]!
    const name = PARAMETER.exec(part)?.[1]
    if (name === undefined ? part !== value : !SEGMENT.test(value)) return undefined
    if (name !== undefined) params[name] = value
  }
  return params
}
