import { expect, test } from 'vitest'
import { addressSeen } from '../topology/networks.ts'
import { contentsIn, fill, fillJson } from './template.ts'

const unknown = { code: 'HOLDFAST_TEMPLATE_UNKNOWN' }
const nodes = {
  'node-a': { networks: ['in', 'out'] },
  'node-b': { networks: ['far', 'out', 'in'] },
  'node-c': { networks: ['far'] },
}
const addresses = {
  'node-a': { in: '127.1.2.3', out: '127.1.2.5' },
  'node-b': { far: '127.1.2.6', out: '127.1.2.7', in: '127.1.2.4' },
  'node-c': { far: '127.1.2.8' },
}
const addressOf = (named: object) => addressSeen(addresses, nodes, { from: 'node-a', ...named })
const names = { addressOf, hostsFile: '/run/hosts' }
const tools = { nsc: '/tools/nsc' }
const context = { dir: '/n', unitDir: '/n/units/web', address: '127.1.2.3', tools, ...names }

test('@{loopback} is an address of the node that nobody else reaches: its own one where nodes share a loopback', () => {
  expect(fill('@{loopback}', context, 'x')).toBe('127.1.2.3')
  expect(fill('@{loopback}', { ...context, address: '10.1.2.3' }, 'x')).toBe('127.0.0.1')
})

test('fills the six placeholders and nothing else', () => {
  const text = '@{dir} @{unit} @{address} @{address:node-b} @{hosts} @{tool:nsc} $dir {{unit}} @dir'

  const filled = '/n /n/units/web 127.1.2.3 127.1.2.4 /run/hosts /tools/nsc $dir {{unit}} @dir'
  expect(fill(text, context, 'x')).toBe(filled)
})

test.each([
  ['@{address/out}', '127.1.2.5'],
  ['@{address/in}', '127.1.2.3'],
  ['@{address:node-b}', '127.1.2.4'],
  ['@{address:node-b/out}', '127.1.2.7'],
  ['@{address:node-b/far}', '127.1.2.6'],
  ['@{address:node-a}', '127.1.2.3'],
])('%s is the address in that network, or in the first of its own that both are in', (placeholder, address) => {
  expect(fill(placeholder, context, 'x')).toBe(address)
})

test.each([
  '@{home}',
  '@{address:}',
  '@{address/}',
  '@{address/far}',
  '@{address/constructor}',
  '@{address:node-b/nowhere}',
  '@{address:node-c}',
  '@{address:node-z}',
  '@{address:constructor}',
  '@{tool:nats}',
  '@{tool:constructor}',
  '@{}',
  '@{json:x}',
])('refuses %s', (placeholder) => {
  expect(() => fill(`a ${placeholder}`, context, 'config.json')).toThrow(expect.objectContaining(unknown))
  expect(() => fill(placeholder, context, 'config.json')).toThrow(`config.json: ${placeholder} is not known`)
})

test('@{unit} is unknown where no unit is at hand, and is not named there', () => {
  const here = () => fill('@{unit}', { ...context, unitDir: undefined }, 'here')
  expect(here).toThrow('here: @{unit} is not known; use @{dir}, @{address}, @{loopback}, @{hosts}, @{address:NODE}')
  expect(() => fill('@{x}', context, 'here')).toThrow('use @{dir}, @{unit}, @{address}, @{loopback}, @{hosts}')
})

test('fills strings at any depth of JSON, and leaves keys and other values', () => {
  const json = { '@{dir}': ['@{address}', 1, null, { deep: '@{dir}/x' }], on: true }

  expect(fillJson(json, context, 'x')).toEqual({ '@{dir}': ['127.1.2.3', 1, null, { deep: '/n/x' }], on: true })
})

test('replaces a member that is @{json:FILE} by what that file holds', () => {
  const read = (name: string) => ({ from: name })

  expect(fillJson({ key: '@{json:pub.json}' }, context, 'x', read)).toEqual({ key: { from: 'pub.json' } })
  expect(() => fillJson({ key: 'a @{json:pub.json}' }, context, 'x', read)).toThrow('@{json:pub.json} is not known')
})

test('a content is filled where the command has it, also one whose file is a template; its content is not filled again', () => {
  const contents = new Map([
    ['own', '@{dir}'],
    ['@{dir}/token', 'secret'],
  ])
  const text = '@{content:own}:@{content:@{dir}/token}:@{dir}'

  expect(contentsIn(text)).toEqual(['own', '@{dir}/token'])
  expect(fill(text, { ...context, contents }, 'here')).toBe(`@{dir}:secret:${context.dir}`)
  expect(() => fill('@{content:other}', { ...context, contents }, 'here')).toThrow('@{content:other} is not known')
})
