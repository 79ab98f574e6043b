import { expect, test } from 'vitest'
import { networkedPlan, webUnit } from '../backends/fixtures/plans.ts'
import type { PlanUnit } from '../topology/plan.ts'
import { addressesFor, wayTo } from './node-context.ts'

const plan = networkedPlan()
const addresses = {
  gate: { outside: '10.1.0.1', inside: '10.2.0.1' },
  outer: { outside: '10.1.0.2' },
  inner: { inside: '10.2.0.2' },
}

function way(from: string, url: string, unit?: PlanUnit) {
  return wayTo({ plan, node: plan.nodes[from]!, unit, ...addressesFor(from, plan, { addresses }) } as never, url)
}

test.each([
  ['outer', 'http://gate.conformance.test:8080/', { address: '10.1.0.1', localAddress: '10.1.0.2' }],
  // It is in the other network of that node.
  ['inner', 'http://gate.conformance.test:8081/', { address: '10.2.0.1', localAddress: '10.2.0.2' }],
  ['gate', 'http://inner.conformance.test:8080/', { address: '10.2.0.2', localAddress: '10.2.0.1' }],
  // Nobody says that something listens there.
  ['gate', 'http://outer.conformance.test:9/', { address: '10.1.0.2', localAddress: '10.1.0.1' }],
  ['gate', 'http://gate.conformance.test:8081/', { address: '10.2.0.1', localAddress: '10.2.0.1' }],
  ['outer', 'http://gate.conformance.test:8081/', undefined],
  ['outer', 'http://inner.conformance.test:8080/', undefined],
  ['outer', 'https://www.example.org/', undefined],
])('%s calls %s in the network of what listens there, from its own address in that', (from, url, found) => {
  expect(way(from, url)).toEqual(found)
})

test('a unit looks at itself where it is, be it said or not where it listens', () => {
  const own = { address: '10.2.0.1', localAddress: '10.2.0.1' }
  const [url, unlisted] = ['http://gate.conformance.test:8080/', 'http://gate.conformance.test:9/']
  const { service } = webUnit('gate')
  const beside = { ...webUnit('gate'), network: 'inside' }
  const listeners = service!.listeners.map((one) => ({ ...one, network: 'inside' }))

  expect(way('gate', url, { ...beside, service: { ...service!, listeners } })).toEqual(own)
  expect(way('gate', unlisted, beside)).toEqual(own)
})
