import { expect, test } from 'vitest'
import { callerWithin, callNetwork, hostsSeen, listenerAt, sharedNetwork } from './networks.ts'
import type { Listener, Plan, PlanNode } from './plan.ts'

const node = (name: string, ...networks: string[]): PlanNode => ({
  ...{ name, host: `${name}.test`, domain: 'lab', units: [] },
  networks: networks.length > 0 ? networks : undefined,
})
const planOf = (...nodes: PlanNode[]): Pick<Plan, 'nodes'> => ({
  nodes: Object.fromEntries(nodes.map((one) => [one.name, one])),
})

const [both, outer, inner] = [node('both', 'in', 'out'), node('outer', 'out'), node('inner', 'in')]

test('nodes meet in the first network of whoever looks, and where none are declared in one', () => {
  const other = node('other', 'out', 'in')
  expect([sharedNetwork(both, other), sharedNetwork(other, both)]).toEqual(['in', 'out'])
  expect(sharedNetwork(outer, inner)).toBeUndefined()
  expect(sharedNetwork(node('a'), node('b'))).toBe('default')
})

test('a listener is called in its own network, by those who are in it', () => {
  expect(callNetwork(outer, both, { network: 'out' })).toBe('out')
  expect(callNetwork(inner, both, {})).toBe('in')
  expect(callNetwork(outer, both, {})).toBeUndefined()
  expect(callNetwork(outer, both)).toBe('out')
})

test('whoever cannot call has it done by somebody who can, at last by the node itself', () => {
  const plan = planOf(both, outer, inner)
  expect(callerWithin(plan, 'outer', { node: 'both', network: 'out' })).toBe('outer')
  expect(callerWithin(plan, 'outer', { node: 'both', network: 'in' })).toBe('inner')
  expect(callerWithin(planOf(both, outer), 'outer', { node: 'both', network: 'in' })).toBe('both')
})

test('hosts are seen where both are, and no others', () => {
  const addresses = { both: { in: '10.1.0.1', out: '10.2.0.1' }, outer: { out: '10.2.0.2' }, inner: { in: '10.1.0.2' } }
  const plan = planOf(both, outer, inner)
  expect(hostsSeen(plan, addresses, 'outer')).toEqual({ 'both.test': '10.2.0.1', 'outer.test': '10.2.0.2' })
  expect(hostsSeen(plan, addresses, 'both')).toEqual({
    'both.test': '10.1.0.1',
    'outer.test': '10.2.0.2',
    'inner.test': '10.1.0.2',
  })
})

test('a URL leads to the listener with its port', () => {
  const listener = (port: number): Listener => ({ name: `${port}`, port, protocol: 'https', clientCertificate: 'none' })
  const unit = { service: { ready: { tcp: { port: 443 } }, listeners: [listener(443), listener(80), listener(8443)] } }
  const at = (url: string) => listenerAt([{}, unit], url)?.port
  expect(['https://a.test', 'http://a.test/', 'wss://a.test:8443/x', 'https://a.test:9'].map(at)).toEqual([
    443,
    80,
    8443,
    undefined,
  ])
})
