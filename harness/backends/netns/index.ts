import { join } from 'node:path'
import { killProcessesOf } from '../../agent/labelled.ts'
import { readTextFrom } from '../../agent/text-file.ts'
import { HoldfastError } from '../../errors.ts'
import { clockMissing } from '../../toolchain/libfaketime.ts'
import type { Plan } from '../../topology/plan.ts'
import { startAgentChild } from '../agent-child.ts'
import { agentSeat } from '../agent-seat.ts'
import type { Capabilities } from '../backend.ts'
import { removeCopies } from '../copies.ts'
import { backendOf, type Grounds } from '../launch.ts'
import { hasUsers } from '../plan-needs.ts'
import type { Run } from '../run-folder.ts'
import { openToUsers, usersMissing } from '../users.ts'
import { addressesOf, linksIn, networksIn, strangersIn } from './addresses.ts'
import { between } from './between.ts'
import { detourOf, relayMissing } from './detour.ts'
import { enteringAsUser, type Machine, machine } from './machine.ts'
import { makeNamespaces } from './namespaces.ts'
import { strangerSeats } from './strangers.ts'

const capabilities: Capabilities = {
  ownAddress: true,
  ownHosts: true,
  names: true,
  networks: true,
  pause: true,
  partition: true,
  get impairment() {
    return perlLacking() === undefined
  },
  get ownClock() {
    return clockMissing() === undefined
  },
  get ownUsers() {
    return usersLacking() === undefined
  },
}

const missing: Partial<Record<keyof Capabilities, () => string | undefined>> = {
  impairment: perlLacking,
  ownClock: clockMissing,
  ownUsers: usersLacking,
}

function perlLacking(): string | undefined {
  const found = machine()
  return typeof found === 'string' ? found : relayMissing(found)
}

function usersLacking(): string | undefined {
  const found = machine()
  if (typeof found === 'string') return found
  return found.rootless ? 'run it as root: a user namespace has no user but one' : usersMissing()
}

const namespaces = ['--net', '--mount', '--uts'] as const

/** Nodes are process trees in network, mount and host-name namespaces of their own, between which this machine is the switch. */
export const netnsBackend = backendOf({
  name: 'netns',
  capabilities,
  unavailable: async () => {
    const found = machine()
    return typeof found === 'string' ? found : undefined
  },
  whyLacking: (capability) => missing[capability]?.(),
  take,
  // Namespaces end with the last process in them.
  sweep: ({ run }) => killProcessesOf({ run }),
  readLeft: (_, path, from) => readTextFrom(path, from),
})

async function take(plan: Plan, { folder, record: { run } }: Run): Promise<Grounds> {
  const found = usable()
  if (hasUsers(plan)) await openToUsers(folder)
  await using taken = new AsyncDisposableStack()
  const networks = networksIn(plan)
  const links = linksIn(plan, networks)
  const addresses = addressesOf(links)
  const dirs = Object.fromEntries(Object.keys(plan.nodes).map((node) => [node, join(folder, 'nodes', node)]))
  const made = taken.use(await makeNamespaces(found, { run, folder, networks, links }))
  taken.defer(() => removeCopies(plan, { dirs, addresses }))
  taken.defer(async () => void (await killProcessesOf({ run })))
  const seatOf = strangerSeats(found, { run, folder, switchHolder: made.switchHolder })
  const held = taken.move()
  return {
    addresses,
    seenAt: addresses,
    network: between(made, links, detourOf(found, run, made)),
    dirs,
    seat: (node, network) => agentSeat(join(dirs[node]!, 'seat'), addresses[node]![network]!),
    agentSeats: true,
    // Programs of people, too, read files as who they are.
    enter: (node) => enteringAsUser(found, made.holderOf(node), ...namespaces),
    strangers: (count, network) => strangersIn(networks.find(({ name }) => name === network)!, count).map(seatOf),
    recorded: {},
    sharesAgents: false,
    writeHosts: made.writeHosts,
    startAgents: (agents, env) => {
      const holder = made.holderOf(agents[0]!)
      return startAgentChild(folder, agents, env, enteringAsUser(found, holder, ...namespaces))
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** This machine has no namespaces. Code `HOLDFAST_BACKEND_UNAVAILABLE`. */
class Unusable extends HoldfastError {
  constructor(why: string) {
    super('HOLDFAST_BACKEND_UNAVAILABLE', `backend netns: ${why}`)
  }
}

/** Whoever asked `unavailable` before knows. @throws Unusable */
function usable(): Machine {
  const found = machine()
  if (typeof found !== 'string') return found
  throw new Unusable(found)
}
