import { expect, test } from 'vitest'
import { ADMIN_ROUTES, type AdminAction, type AdminRoute, adminPath, listCursor } from './admin.ts'

const ID = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
const routes = Object.entries(ADMIN_ROUTES) as [AdminAction, AdminRoute][]
const takes = (action: AdminAction, body: unknown) => (ADMIN_ROUTES[action] as AdminRoute).body?.safeParse(body).success
const asks = (action: AdminAction, query: unknown) => ADMIN_ROUTES[action].query.safeParse(query)

test('every route is one of its own', () => {
  const places = routes.map(([, { method, path }]) => `${method} ${path}`)
  expect(new Set(places).size).toBe(places.length)
})

test('every path is written with what it names', () => {
  expect(adminPath('grant:token', { id: ID })).toBe(`/api/admin/federation/grants/${ID}/tokens`)
  expect(adminPath('grant:list', {}, { status: 'active', tenant: 'a & b' })).toBe(
    '/api/admin/federation/grants?status=active&tenant=a+%26+b',
  )
  expect(() => adminPath('grant:token')).toThrow('grant:token needs id')
})

test.each(routes)('%s takes nothing that it does not know', (_, { query, body }) => {
  expect(query.safeParse({}).success).toBe(true)
  expect(query.safeParse({ nobody: 'x' }).success).toBe(false)
  expect(body?.safeParse({ nobody: 'x' }).success ?? false).toBe(false)
})

test('a list goes on behind its cursor, and behind nothing else', () => {
  const at = '2026-01-31T09:00:00.000001Z'
  expect(asks('peer:list', { cursor: listCursor({ at, id: ID }), limit: '7' }).data).toEqual({
    cursor: { at, id: ID },
    limit: 7,
  })
  for (const cursor of ['', at, `${at}_x`, `x_${ID}`, `${at}_${ID}_`]) {
    expect(asks('peer:list', { cursor }).success).toBe(false)
  }
  for (const limit of ['0', '-1', '1.5', '1001', '1e2', '']) expect(asks('peer:list', { limit }).success).toBe(false)
  expect(asks('peer:list', { limit: '1000' }).success).toBe(true)
})

test('members have their bounds', () => {
  const grant = { peerId: ID, subjectUserId: ID, scope: {} }
  expect(takes('grant:create', grant)).toBe(true)
  for (const rateLimit of [1, 6000]) expect(takes('grant:create', { ...grant, rateLimit })).toBe(true)
  for (const rateLimit of [0, 6001, 1.5, '60']) expect(takes('grant:create', { ...grant, rateLimit })).toBe(false)
  expect(takes('grant:create', { ...grant, expiresAt: 'tomorrow' })).toBe(false)
  for (const ttlSeconds of [1, 900]) expect(takes('grant:token', { ttlSeconds })).toBe(true)
  for (const ttlSeconds of [0, 901, 1.5, '60', null]) expect(takes('grant:token', { ttlSeconds })).toBe(false)
  for (const commonName of ['GATEWAY.example', 'localhost', '10.0.0.1', '']) {
    expect(takes('peer:register', { commonName })).toBe(false)
  }
  expect(takes('peer:register', { commonName: 'gateway-a.example' })).toBe(true)
  expect(takes('user:create', { name: 'a\0b' })).toBe(false)
  expect(takes('user:change', {})).toBe(false)
  expect(takes('user:change', { isDisabled: true })).toBe(true)
})
