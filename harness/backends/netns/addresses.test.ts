import { expect, test } from 'vitest'
import { idlePlan } from '../fixtures/plans.ts'
import { addressesOf, linksIn, networksIn, strangersIn } from './addresses.ts'

test('each network has a range of its own, and each node an address and an interface in each of its networks', () => {
  const plan = idlePlan('a', 'b', 'c')
  plan.nodes.a!.networks = ['inner', 'outer']
  plan.nodes.b!.networks = ['outer']
  plan.nodes.c!.networks = ['inner']
  const networks = networksIn(plan)
  const links = linksIn(plan, networks)

  expect(networks.map(({ name, bridge, range }) => [name, bridge, range])).toEqual([
    ['inner', 'net0', '10.77.0.0/16'],
    ['outer', 'net1', '10.78.0.0/16'],
  ])
  expect(addressesOf(links)).toEqual({
    a: { inner: '10.77.0.1', outer: '10.78.0.1' },
    b: { outer: '10.78.0.2' },
    c: { inner: '10.77.0.2' },
  })
  expect(links.map(({ node, name, port }) => `${node} ${name} ${port}`)).toEqual([
    ...['a eth0 port0', 'a eth1 port1', 'b eth0 port2', 'c eth0 port3'],
  ])
  expect(strangersIn(networks[1]!, 2)).toEqual(['10.78.255.1', '10.78.255.2'])
})

test('more than 255 nodes go on in the next part of the range; what is too much is told with what there is', () => {
  const many = idlePlan(...Array.from({ length: 300 }, (_, at) => `node-${at}`))
  const addresses = linksIn(many, networksIn(many)).map(({ address }) => address)
  const some = idlePlan('one')
  some.nodes.one!.networks = Array.from({ length: 179 }, (_, at) => `net-${at}`)

  expect(addresses.slice(254, 257)).toEqual(['10.77.0.255', '10.77.1.0', '10.77.1.1'])
  expect(new Set(addresses).size).toBe(300)
  expect(() => networksIn(some)).toThrow('has 178 networks at most, and 179 are asked for')
  expect(() => strangersIn(networksIn(many)[0]!, 255)).toThrow('has 254 addresses of nobody at most')
})
