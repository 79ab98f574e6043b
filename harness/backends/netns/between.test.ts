import { expect, test } from 'vitest'
import { idlePlan } from '../fixtures/plans.ts'
import { linksIn, networksIn } from './addresses.ts'
import { between } from './between.ts'

function fakeNetwork() {
  const plan = idlePlan('a', 'b', 'c')
  plan.nodes.a!.networks = ['inner', 'outer']
  plan.nodes.b!.networks = ['outer', 'inner']
  plan.nodes.c!.networks = ['outer']
  const told: string[] = []
  const ip = async (node: string | undefined, commands: readonly string[]) => {
    told.push(...commands.map((command) => `${node}: ${command}`))
  }
  const network = between({ ip }, linksIn(plan, networksIn(plan)), {
    impair: async (ways) => ways.map(([from, to]) => `${from.port}-${to.port}`),
  })
  return { network, told: () => told.splice(0).toSorted() }
}

const how = { delayMs: 1, loss: 0, seed: 1 }

test('a cut is in every network that both are in, both ways, and is ended by what began it', async () => {
  const { network, told } = fakeNetwork()
  const nobody = 'lladdr 02:00:00:00:00:01'
  await network.cut('a', 'b')
  expect(told()).toEqual([
    `a: neigh replace 10.77.0.2 ${nobody} dev eth0 nud permanent`,
    `a: neigh replace 10.78.0.2 ${nobody} dev eth1 nud permanent`,
    `b: neigh replace 10.77.0.1 ${nobody} dev eth1 nud permanent`,
    `b: neigh replace 10.78.0.1 ${nobody} dev eth0 nud permanent`,
  ])
  await network.heal()
  expect(told()).toEqual([
    'a: neigh del 10.77.0.2 dev eth0',
    'a: neigh del 10.78.0.2 dev eth1',
    'b: neigh del 10.77.0.1 dev eth1',
    'b: neigh del 10.78.0.1 dev eth0',
  ])
  await network.heal()
  expect(told()).toEqual([])
})

test('what is impaired goes by the detour, and what is cut off stays so', async () => {
  const { network, told } = fakeNetwork()
  await network.impair('b', 'c', how)
  expect(told()).toEqual([
    'b: neigh replace 10.78.0.3 lladdr port2-port4 dev eth0 nud permanent',
    'c: neigh replace 10.78.0.2 lladdr port4-port2 dev eth0 nud permanent',
  ])
  await network.cut('b', 'c')
  told()
  await network.impair('b', 'c', how)
  expect(told()).toEqual([])
})
