import { describe, expect, test } from 'vitest'
import { type Access, type Method, type Route, route } from './route.ts'
import { RouteTable } from './route-table.ts'

const declared = (method: Method, path: string, access: Access = 'token'): Route =>
  route({ method, path, access, effect: 'none', handle: () => ({ status: 200 }) })

const table = new RouteTable([
  declared('GET', '/v1/status', 'read'),
  declared('GET', '/v1/runs'),
  declared('POST', '/v1/runs'),
  declared('GET', '/v1/runs/{id}'),
  declared('PUT', '/v1/runs/{id}'),
  declared('GET', '/v1/runs/{id}/output'),
  declared('GET', '/v1/work/{run}/{stage}'),
])

const found = (method: string, url: string) => {
  const target = table.target({ method, url })
  return target.found && { path: target.found.route.path, params: target.found.params }
}

describe('a path', () => {
  test('is found as it is declared, with its parameters', () => {
    expect(found('GET', '/v1/status')).toEqual({ path: '/v1/status', params: {} })
    expect(found('GET', '/v1/runs/run-1')).toEqual({ path: '/v1/runs/{id}', params: { id: 'run-1' } })
    expect(found('GET', '/v1/runs/a.b/output')).toEqual({ path: '/v1/runs/{id}/output', params: { id: 'a.b' } })
    expect(found('GET', '/v1/work/r/s')).toEqual({ path: '/v1/work/{run}/{stage}', params: { run: 'r', stage: 's' } })
  })

  test('has its query apart', () => {
    expect(table.target({ method: 'GET', url: '/v1/status?a=/v1/runs?b' })).toMatchObject({
      ...{ path: '/v1/status', query: 'a=/v1/runs?b', found: { route: { path: '/v1/status' } } },
    })
  })

  test.each([
    ...['//v1/status', '/v1//status', '/v1/status/', '/v1/%73tatus', '/v1/./status', '/v1/x/../status', '/V1/status'],
    ...['/v1/status;x', '/v1/status#x', '/v1/status%00', '/v1/status%3f', 'v1/status', '', '/', '*', '\\v1\\status'],
    ...['http://node.test/v1/status', '/v1/runs/', '/v1/runs/..', '/v1/runs/.x', '/v1/runs/a%2Fb', '/v1/runs/a;b'],
    ...['/v1/runs/a b', '/v1/runs/a/b', '/v1/runs//output', '/v1/runs/\xe9'],
  ])('that is written otherwise is none: %s', (url) => {
    expect(table.target({ method: 'GET', url })).toMatchObject({ here: [], found: undefined })
  })
})

describe('a method', () => {
  test('is one of those of its path, and HEAD follows GET', () => {
    expect(found('POST', '/v1/runs')?.path).toBe('/v1/runs')
    expect(found('HEAD', '/v1/status')?.path).toBe('/v1/status')
    expect(found('PUT', '/v1/runs/a')?.path).toBe('/v1/runs/{id}')
  })

  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'get', 'TRACE'])(
    '%s of a path that has GET alone is none',
    (method) => {
      const target = table.target({ method, url: '/v1/status' })
      expect([target.found, target.here.length]).toEqual([undefined, 1])
    },
  )
})

test('what is declared twice is a mistake', () => {
  expect(() => new RouteTable([declared('GET', '/a'), declared('GET', '/a')])).toThrow('declared twice')
})

test('a route that writes and is not closed does not compile, whatever its method', () => {
  const handle = () => ({ status: 200 })
  route({ method: 'POST', path: '/a', access: 'token', effect: 'write', handle })
  // @ts-expect-error: open to everybody
  route({ method: 'POST', path: '/a', access: 'open', effect: 'write', handle })
  // @ts-expect-error: open while reads are
  route({ method: 'POST', path: '/a', access: 'read', effect: 'write', handle })
  // @ts-expect-error: by whatever method
  route({ method: 'GET', path: '/a', access: 'read', effect: 'write', handle })
  // @ts-expect-error: says nothing of what it does
  route({ method: 'GET', path: '/a', access: 'read', handle })
})
