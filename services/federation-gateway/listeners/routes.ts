import { guard } from '../../shared/guard.ts'
import { methodOf } from '../../shared/http-method.ts'
import { refused } from '../wire/errors.ts'

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

/** `path`: `/get/:resource/:id`. Segments are taken as they came: what is encoded otherwise is another name. */
export interface Routed {
  readonly method: Method
  readonly path: string
}

/** A route of a path, and what that path has for its parameters. */
export interface FoundRoute<Route extends Routed> {
  readonly route: Route
  readonly parameters: Readonly<Record<string, string>>
}

/** A request that is on its way to a route. `found` is set when there is one. */
export interface Routing<Route extends Routed> {
  /** The routes of its path, as `routesAt` finds them. */
  readonly here: readonly FoundRoute<Route>[]
  readonly method: string | undefined
  found?: FoundRoute<Route>
}

/**
 * The path of a request target, letter by letter: a path with dot segments or slashes that could be left out is another one, as whatever
 * stands before this gateway may have judged it. Whose an absolute form is (RFC 9112 section 3.2.2) is for `http.authority`.
 */
export function pathIn(target = '/'): string {
  return /^(?:[a-z][a-z0-9+.-]*:\/\/[^/?#]*)?([^?#]*)/i.exec(target)?.[1] || '/'
}

export const httpRoute = guard<Routing<Routed>>('http.route', ['route_unknown', 'method_unknown'], (routing) => {
  const { here } = routing
  if (here.length === 0) return refused('not_found', 'route_unknown')
  const method = methodOf({ method: routing.method })
  const found = here.find(({ route }) => route.method === method)
  if (found !== undefined) routing.found = found
  const allow = [...new Set(here.map(({ route }) => route.method))]
  return found === undefined ? { ...refused('method_not_allowed', 'method_unknown'), allow } : undefined
})

/** Those of a path, by whatever method. */
export function routesAt<Route extends Routed>(routes: readonly Route[], path: string): FoundRoute<Route>[] {
  return routes.flatMap((route) => {
    const parameters = parametersOf(route.path, path)
    return parameters === undefined ? [] : [{ route, parameters }]
  })
}

/** What a path has for the parameters of a pattern; undefined where it is not one of it. */
function parametersOf(pattern: string, path: string): Record<string, string> | undefined {
  const [wanted, given] = [pattern.split('/'), path.split('/')]
  if (wanted.length !== given.length) return undefined
  const parameters: Record<string, string> = {}
  for (const [at, part] of wanted.entries()) {
    const value = given[at]!
    if (part.startsWith(':') && value !== '') parameters[part.slice(1)] = value
    else if (part !== value) return undefined
  }
  return parameters
}
