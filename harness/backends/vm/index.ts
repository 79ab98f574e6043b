import { freemem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hostsText } from '../../agent/hosts-file.ts'
import { killProcessesOf } from '../../agent/labelled.ts'
import type { Plan } from '../../topology/plan.ts'
import { agentSeat } from '../agent-seat.ts'
import type { Capabilities, LaunchOptions } from '../backend.ts'
import { backendOf, type Grounds } from '../launch.ts'
import type { Run } from '../run-folder.ts'
import { seatsHere } from '../seats-here.ts'
import { acceleratorHere, slownessOf, toldOf } from './accelerator.ts'
import { placesOf } from './addresses.ts'
import { findKernel } from './kernel.ts'
import { baseOfMachines, Machines } from './machines.ts'
import { vmMissing } from './missing.ts'
import { findQemu } from './programs.ts'
import { removeUnfinished } from './set-aside.ts'

// Sources in the repository, compiled files in the package.
const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const enterMain = fileURLToPath(new URL(`./enter.${suffix}`, import.meta.url))

/** Bytes: six machines, as they were seen with an orchestrator or a CA in each. */
const MEMORY_OF_SITE = 6 * 768 * 1024 ** 2

const capabilities: Capabilities = {
  ownAddress: true,
  ownUsers: true,
  ownClock: true,
  ownKernel: true,
  names: true,
  ownHosts: true,
  networks: true,
  partition: true,
  impairment: true,
  pause: true,
}

/** Nodes are virtual machines: each has a kernel, a clock, users and files of its own. Needs QEMU, and no privileges. */
export const vmBackend = backendOf({
  name: 'vm',
  capabilities,
  unavailable: vmMissing,
  remark: () => acceleratorHere(findQemu() as string, findKernel()),
  sitesAtOnce: () => Math.max(1, Math.floor(freemem() / MEMORY_OF_SITE)),
  take,
  async sweep({ run }) {
    const killed = await killProcessesOf({ run })
    await removeUnfinished()
    return killed
  },
  // What was in a machine has ended with it.
  readLeft: (_, path) =>
    Promise.reject(Object.assign(new Error(`ENOENT: ${path} was in a machine`), { code: 'ENOENT' })),
})

async function take(plan: Plan, run: Run, { programs }: LaunchOptions): Promise<Grounds> {
  const places = placesOf(plan)
  await using taken = new AsyncDisposableStack()
  const machines = taken.use(new Machines({ plan, run, places, programs }, await baseOfMachines(run.record.run)))
  const names = Object.keys(plan.nodes)
  const seats = taken.use(await seatsHere(run.folder, names, (node) => machines.seat(node)))
  const entries = taken.use(await seatsHere(run.folder, names, (node) => machines.entry(node), 'entries'))
  const held = taken.move()
  const { addresses } = places
  return {
    addresses,
    seenAt: addresses,
    network: {
      cut: async (a, b) => machines.cut(a, b),
      impair: async (a, b, how) => machines.impair(a, b, how),
      heal: async () => machines.heal(),
    },
    dirs: Object.fromEntries(names.map((node) => [node, join(run.folder, 'nodes', node)])),
    seat: (node, network) => agentSeat(seats.pathOf(node), addresses[node]![network]!),
    agentSeats: true,
    enter: (node) => [process.execPath, '--disable-warning=ExperimentalWarning', enterMain, entries.pathOf(node)],
    strangers(count, network) {
      const { node, address } = places.strangers(network)
      return Array.from({ length: count }, (_, at) => agentSeat(seats.pathOf(node), address(at)))
    },
    machine: (node) => machines.machine(node),
    writeHosts: (node, hosts) => machines.writeHosts(node, hostsText(hosts)),
    setClock: (node, seconds) => machines.setClock(node, seconds),
    recorded: { machines: toldOf(machines.accelerator) },
    slowness: slownessOf(machines.accelerator),
    sharesAgents: false,
    startsAllAtOnce: true,
    startAgents: ([node = ''], env, before) => machines.start(node, env, before),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
