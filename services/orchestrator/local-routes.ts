import { routeSchema } from './config.ts'
import { type LocalAnswer, type LocalOperation, problem } from './local-listener.ts'
import { invalidBody } from './local-peers.ts'
import { pageOf } from './paging.ts'
import { isUnder, type RouteTable } from './routes.ts'
import type { Store } from './store.ts'

const bodySchema = routeSchema.pick({ protocol: true, endpoint: true })

/** `/v1/routes`: local ones are written, learned ones are only read. */
export function routeOperations(routes: RouteTable, store: Store): LocalOperation[] {
  const keyOf = (path: readonly string[]) => ({ domain: path[1] ?? '', name: path[2] ?? '' })
  const readOnly = (path: readonly string[]): LocalAnswer | undefined =>
    routes.isLearned(keyOf(path)) && !routes.hasLocal(keyOf(path))
      ? problem(403, 'route_learned', 'A peer announced this route; it is changed there.')
      : undefined
  return [
    {
      method: 'PUT',
      path: ['routes', '*', '*'],
      action: 'node:routes',
      async run({ path, body }) {
        const given = bodySchema.strict().safeParse(await body())
        if (!given.success) return invalidBody(given.error)
        const route = routeSchema.safeParse({ ...keyOf(path), ...given.data })
        if (!route.success) return invalidBody(route.error)
        const refused = readOnly(path)
        if (refused !== undefined) return refused
        const status = routes.hasLocal(route.data) ? 200 : 201
        store.putRoute(route.data)
        routes.putLocal(route.data)
        return { status, json: { ...route.data, state: 'local' } }
      },
    },
    {
      method: 'DELETE',
      path: ['routes', '*', '*'],
      action: 'node:routes',
      run({ path }) {
        const refused = readOnly(path)
        if (refused !== undefined) return refused
        if (!routes.hasLocal(keyOf(path))) return problem(404, 'not_found', 'There is no such route.')
        store.deleteRoute(keyOf(path))
        routes.deleteLocal(keyOf(path))
        return { status: 204 }
      },
    },
    {
      method: 'GET',
      path: ['routes'],
      action: 'node:read',
      run({ query }) {
        const domain = query.get('domain')
        const state = query.get('state')
        const from = query.get('from')
        const entries = routes
          .list()
          .filter(({ route }) => domain === null || isUnder(route.domain, [domain]))
          .filter(({ route }) => state === null || route.state === state)
          .filter(({ route }) => from === null || route.peer === from)
        const page = pageOf(
          entries.map(({ cursor, route, isBest }) => ({ cursor, item: { ...route, best: isBest } })),
          query,
        )
        const isState = state === null || ['local', 'learned', 'stale'].includes(state)
        if (page === undefined || !isState) {
          return problem(400, 'invalid_request', 'limit is 1 to 1000, state is local, learned or stale.')
        }
        return { status: 200, json: { routes: page.items, next: page.next } }
      },
    },
  ]
}
