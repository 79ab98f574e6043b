import { join } from 'node:path'
import { killProcessesOf } from '../../agent/labelled.ts'
import { readTextFrom } from '../../agent/text-file.ts'
import { localSeat } from '../../protocols/seat.ts'
import { settings } from '../../settings.ts'
import { clockMissing } from '../../toolchain/libfaketime.ts'
import { namesMissing } from '../../toolchain/nss-wrapper.ts'
import type { Plan } from '../../topology/plan.ts'
import { startAgentChild } from '../agent-child.ts'
import { agentSeat } from '../agent-seat.ts'
import type { Capabilities, LaunchOptions } from '../backend.ts'
import { removeCopies } from '../copies.ts'
import { backendOf, type Grounds } from '../launch.ts'
import { hasUsers } from '../plan-needs.ts'
import { findRuns, type Run } from '../run-folder.ts'
import { openToUsers, usersMissing } from '../users.ts'
import { relayedNetwork } from './relayed-network.ts'
import { addressesIn, loopbackMissing, strangersIn, takeSubnet } from './subnet.ts'

const capabilities: Capabilities = {
  ownAddress: true,
  pause: true,
  partition: true,
  get names() {
    return namesMissing() === undefined
  },
  get ownClock() {
    return clockMissing() === undefined
  },
  get ownUsers() {
    return usersMissing() === undefined
  },
}

const missing: Partial<Record<keyof Capabilities, () => string | undefined>> = {
  names: namesMissing,
  networks: () =>
    'all nodes share the loopback of this machine; use a backend that gives each node a network of its own',
  ownClock: clockMissing,
  ownUsers: usersMissing,
}

/** Nodes are process trees on this machine, each with a loopback address of its own. Needs no privileges. */
export const processBackend = backendOf({
  name: 'process',
  capabilities,
  unavailable: loopbackMissing,
  whyLacking: (capability) => missing[capability]?.(),
  take,
  sweep: ({ run }) => killProcessesOf({ run }),
  readLeft: (_, path, from) => readTextFrom(path, from),
})

async function take(plan: Plan, { folder, record }: Run, { partition }: LaunchOptions): Promise<Grounds> {
  const agentSeats = settings().seats === 'agent'
  const names = Object.keys(plan.nodes)
  if (hasUsers(plan)) await openToUsers(folder)
  await using taken = new AsyncDisposableStack()
  // Also of runs that are not swept yet: their programs may still listen there.
  const others = (await findRuns()).flatMap(({ record }) => record?.subnet ?? [])
  const subnet = taken.use(await takeSubnet(new Set(others)))
  const { lots, taken: addressesTaken } = addressesIn(subnet.prefix, plan, partition ? 2 : 1)
  const [addresses = {}, relayed] = lots
  const dirs = Object.fromEntries(names.map((node) => [node, join(folder, 'nodes', node)]))
  const network = relayed && taken.use(await relayedNetwork(plan, addresses, relayed))
  taken.defer(() => removeCopies(plan, { dirs, addresses }))
  // Once the agents have ended: what left its process group is found by the run's label alone.
  taken.defer(async () => void (await killProcessesOf({ run: record.run })))
  const held = taken.move()
  return {
    addresses,
    seenAt: relayed ?? addresses,
    network,
    dirs,
    seat(node, network) {
      const address = addresses[node]?.[network] as string
      return agentSeats ? agentSeat(join(dirs[node] as string, 'seat'), address) : localSeat(address)
    },
    agentSeats,
    strangers: (count) => strangersIn(subnet.prefix, addressesTaken, count).map(localSeat),
    recorded: { subnet: subnet.prefix },
    sharesAgents: true,
    startAgents: (agents, env) => startAgentChild(folder, agents, env),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
