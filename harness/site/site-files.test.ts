import { expect, test } from 'vitest'
import type { Site, SiteNode } from '../backends/backend.ts'
import { networkedPlan } from '../backends/fixtures/plans.ts'
import { localSeat } from '../protocols/seat.ts'
import { endpointOf, rendered, seatFoundBy } from './site-files.ts'

const addresses: Record<string, Record<string, string>> = {
  gate: { outside: '127.1.0.1', inside: '127.2.0.1' },
  outer: { outside: '127.1.0.2' },
  inner: { inside: '127.2.0.2' },
}

/** Nothing runs there: what is asked is which addresses are taken. */
const plan = networkedPlan()
const nodes = new Map(
  Object.entries(addresses).map(([name, own]) => {
    const seatIn = (network: string) => localSeat(own[network])
    return [name, { name, dir: '/run', addresses: own, seatIn } as unknown as SiteNode]
  }),
)
const site = { plan, nodes, node: (name: string) => nodes.get(name)! } as unknown as Site

function endpoint(from: string, port: number, listener?: { network: string }) {
  const { seat, address } = endpointOf(site, `http://gate.conformance.test:${port}/`, {
    from,
    anchorPem: '',
    ...(listener && { listener }),
  })
  return [seat.address, address]
}

test('a call goes to where the listener is, from the seat of the caller in the same network', () => {
  expect(endpoint('outer', 8080)).toEqual(['127.1.0.2', '127.1.0.1'])
  expect(endpoint('inner', 8081)).toEqual(['127.2.0.2', '127.2.0.1'])
  expect(endpoint('inner', 8080, { network: 'inside' })).toEqual(['127.2.0.2', '127.2.0.1'])
  expect(endpoint('gate', 8081)).toEqual(['127.2.0.1', '127.2.0.1'])
})

test('a caller that is not in it is told where it is', () => {
  expect(() => endpoint('outer', 8081)).toThrow(
    'outer is not in the network in which gate.conformance.test listens; there is outside',
  )
})

test('somebody who listens for a node does it where that finds him', () => {
  const gate = nodes.get('gate')!
  expect(seatFoundBy(site, gate, 'outer').address).toBe('127.1.0.1')
  expect(seatFoundBy(site, gate, 'inner').address).toBe('127.2.0.1')
  expect(() => seatFoundBy(site, nodes.get('inner')!, 'outer')).toThrow(
    'outer shares no network with inner; there is inside',
  )
})

test('a template is filled as on the node, where its unit is', () => {
  const gate = nodes.get('gate')!
  const text = '@{address} @{address/inside} @{address:inner}'
  expect(rendered(site, gate, text, 'web')).toBe('127.1.0.1 127.2.0.1 127.2.0.2')
  expect(rendered(site, gate, text, 'back')).toBe('127.2.0.1 127.2.0.1 127.2.0.2')
})
