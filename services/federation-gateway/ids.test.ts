import { expect, test } from 'vitest'
import { isCommonName, isUuid } from './ids.ts'

test.each(['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'ffffffff-ffff-ffff-ffff-ffffffffffff'])('%s is a UUID', (text) => {
  expect(isUuid(text)).toBe(true)
})

test.each([
  '00000000-0000-0000-0000-000000000000',
  'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
  'a0eebc999c0b4ef8bb6d6bb9bd380a11',
  '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}',
  ' a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\n',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1',
  '',
])('%j is no UUID of ours', (text) => {
  expect(isUuid(text)).toBe(false)
})

test.each(['gateway-a.somebiz.local.io', 'a.b', `${'a'.repeat(60)}.b-2`, '1.example'])('%s may be a peer', (name) => {
  expect(isCommonName(name)).toBe(true)
})

test.each([
  ...['', 'localhost', 'Gateway-a.example', 'gateway_a.example', '*.example', '-a.example', 'a-.example', 'a..example'],
  ...['a.example.', '.example', '10.0.0.1', 'a.example\n', 'a.example/b', 'é.example', `${'a'.repeat(62)}.bc`],
  `${'a'.repeat(60)}.b.cd`,
])('%j may not', (name) => {
  expect(isCommonName(name)).toBe(false)
})
