import { expect, test } from 'vitest'
import { httpRoute, pathIn, type Routed, type Routing, routesAt } from './routes.ts'

const routes: Routed[] = [
  { method: 'POST', path: '/v1/list/:resource' },
  { method: 'GET', path: '/v1/things' },
  { method: 'DELETE', path: '/v1/things' },
]
const routed = (method: string, path: string) => {
  const routing: Routing<Routed> = { here: routesAt(routes, path), method }
  return { verdict: httpRoute.check(routing), found: routing.found }
}

test('a route is found by method and path, with what stands in the path as it came', () => {
  expect(routed('POST', '/v1/list/tasks%00')).toMatchObject({
    verdict: undefined,
    found: { route: routes[0], parameters: { resource: 'tasks%00' } },
  })
  expect(routed('HEAD', '/v1/things').found?.route).toBe(routes[1])
})

test.each([
  '/',
  '/v1',
  '/v1/list',
  '/v1/list/',
  '/v1/list/a/b',
  '/V1/list/a',
  '//v1/list/a',
  '/v1/list/a/',
  '/v1/:resource',
])('%s is none', (path) => {
  expect(routed('POST', path).verdict).toEqual({ reason: 'route_unknown', status: 404, error: 'not_found' })
})

test('another method is told which there are', () => {
  expect(routed('POST', '/v1/things').verdict).toEqual({
    reason: 'method_unknown',
    status: 405,
    error: 'method_not_allowed',
    allow: ['GET', 'DELETE'],
  })
})

test.each([
  ['/v1/things?x=/y', '/v1/things'],
  ['/v1/things#x', '/v1/things'],
  ['https://b.example:8443/v1/things?x', '/v1/things'],
  ['https://b.example', '/'],
  [undefined, '/'],
  ['/v1/a/../things', '/v1/a/../things'],
  ['/v1/%2e%2e/things', '/v1/%2e%2e/things'],
  ['//b.example/v1/things', '//b.example/v1/things'],
  ['/v1\\things', '/v1\\things'],
])('the path of %s is %s, as it came', (target, path) => {
  expect(pathIn(target)).toBe(path)
})
