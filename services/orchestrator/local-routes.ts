import { routeSchema } from './config.ts'
import { localObject, localQuery } from './guards/local-request.ts'
import { type LocalOperation, pass, valid } from './local-call.ts'
import { pageOf } from './paging.ts'
import { isUnder, type RouteTable } from './routes.ts'
import type { Store } from './store.ts'

const bodySchema = routeSchema.pick({ protocol: true, endpoint: true })

/** `/v1/routes`: local ones are written, learned ones are only read. */
export function routeOperations(routes: RouteTable, store: Store): LocalOperation[] {
  const keyOf = (path: readonly string[]) => ({ domain: path[1] ?? '', name: path[2] ?? '' })
  const demandOurs = (path: readonly string[]): void => {
    const isLearned = routes.isLearned(keyOf(path)) && !routes.hasLocal(keyOf(path))
    pass(localObject, { isLearned }, 'A peer announced this route; it is changed there.')
  }
  return [
    {
      method: 'PUT',
      path: ['routes', '*', '*'],
      action: 'node:routes',
      async run({ path, body }) {
        const given = await body(bodySchema.strict())
        const route = valid(routeSchema, { ...keyOf(path), ...given })
        demandOurs(path)
        const status = routes.hasLocal(route) ? 200 : 201
        store.putRoute(route)
        routes.putLocal(route)
        return { status, json: { ...route, state: 'local' } }
      },
    },
    {
      method: 'DELETE',
      path: ['routes', '*', '*'],
      action: 'node:routes',
      run({ path }) {
        demandOurs(path)
        pass(localObject, { exists: routes.hasLocal(keyOf(path)) }, 'There is no such route.')
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
        const isValid = page !== undefined && isState
        pass(localQuery, { isValid }, 'limit is 1 to 1000, state is local, learned or stale.')
        return { status: 200, json: { routes: page?.items, next: page?.next } }
      },
    },
  ]
}
