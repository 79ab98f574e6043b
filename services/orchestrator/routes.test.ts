import { expect, test } from 'vitest'
import { RouteTable, routeKey } from './routes.ts'

const key = { domain: 'a.test', name: 'orders' }
const info = { ...key, protocol: 'http' as const, endpoint: 'https://orders.a.test/' }
const from = (peer: string, ...path: string[]) => [peer, { ...info, path: [peer, ...path] }] as const

function table(): { routes: RouteTable; best: () => string; changes: () => number } {
  const routes = new RouteTable()
  let changes = 0
  routes.onBestChange(() => {
    changes += 1
  })
  const best = (): string => {
    const found = routes.best(routeKey(key))
    return found === undefined ? 'none' : (found.peer ?? 'local')
  }
  return { routes, best, changes: () => changes }
}

test('local before learned, then the shortest, then the lowest neighbour', () => {
  const { routes, best } = table()
  routes.learn(...from('node-c', 'node-x', 'node-o'))
  expect(best()).toBe('node-c')
  routes.learn(...from('node-d', 'node-o'))
  expect(best()).toBe('node-d')
  routes.learn(...from('node-b', 'node-o'))
  expect(best()).toBe('node-b')
  routes.putLocal(info)
  expect(best()).toBe('local')
})

test('whoever loses the best path gets the next best, and in the end none', () => {
  const { routes, best } = table()
  routes.putLocal(info)
  routes.learn(...from('node-b'))
  routes.learn(...from('node-c', 'node-b'))
  routes.deleteLocal(key)
  expect(best()).toBe('node-b')
  routes.withdrawAll('node-b')
  expect(best()).toBe('node-c')
  routes.forget('node-c', key)
  expect(best()).toBe('none')
  expect([...routes.keys()]).toEqual([])
})

test('only another best path is news', () => {
  const { routes, changes } = table()
  routes.learn(...from('node-b'))
  expect(changes()).toBe(1)
  routes.learn(...from('node-b'))
  routes.learn(...from('node-c'))
  routes.markStale('node-b')
  routes.learn(...from('node-b'))
  expect(changes()).toBe(1)
  routes.learn('node-b', { ...info, endpoint: 'https://moved.a.test/', path: ['node-b'] })
  expect(changes()).toBe(2)
})

test('what was not announced again is purged, and its next best takes its place', () => {
  const { routes, best } = table()
  routes.learn(...from('node-b'))
  routes.learn('node-b', { ...info, name: 'kept', path: ['node-b'] })
  routes.learn(...from('node-c'))
  routes.markStale('node-b')
  expect(best()).toBe('node-b')
  routes.learn('node-b', { ...info, name: 'kept', path: ['node-b'] })
  routes.purgeStale('node-b')
  expect(best()).toBe('node-c')
  expect(routes.list().map(({ route }) => [route.name, route.peer, route.state])).toEqual([
    ['kept', 'node-b', 'learned'],
    ['orders', 'node-c', 'learned'],
  ])
})

test('a withdrawal makes room for an announcement of the same message', () => {
  const { routes } = table()
  routes.learn(...from('node-b'))
  expect(routes.countWith('node-b', ['a.test new'])).toBe(2)
  expect(routes.countWith('node-b', ['a.test new'], [routeKey(key)])).toBe(1)
  expect(routes.countWith('node-b', [routeKey(key)], [routeKey(key)])).toBe(1)
})
