import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hostsText } from '../../agent/hosts-file.ts'
import type { RunSettings } from '../../agent/protocol.ts'
import { HoldfastError } from '../../errors.ts'
import { localSeat } from '../../protocols/seat.ts'
import { namesMissing } from '../../toolchain/nss-wrapper.ts'
import type { Plan } from '../../topology/plan.ts'
import { agentSeat } from '../agent-seat.ts'
import type { Backend, Capabilities, LaunchOptions } from '../backend.ts'
import { backendOf, type Grounds } from '../launch.ts'
import type { Run } from '../run-folder.ts'
import { seatsHere } from '../seats-here.ts'
import { Faults } from './faults.ts'
import { readKey } from './key-stream.ts'
import { ask, type Reach, reach, startAgents, untilServed } from './led-agents.ts'
import { type MachinesFile, MachinesUnusable, machinesOf, readMachines } from './machines-file.ts'

type Found = MachinesFile & { file: string }
type Read = () => Found | undefined

const missing: Partial<Record<keyof Capabilities, () => string | undefined>> = {
  names: namesMissing,
  networks: () => 'which of the machines reach each other is up to whoever has them',
}

/** Machines may be starting when a run begins. */
const SERVED_WITHIN_MS = 60_000

/** Nodes are machines that stand already, each with an agent that waits to be led (`holdfast serve`). `read`: where they are. */
export function machinesBackendOf(read: Read): Backend {
  const demand = () => demandMachines(read)
  const capabilities: Capabilities = {
    ownAddress: true,
    pause: true,
    remoteHosts: true,
    get names() {
      return namesMissing() === undefined
    },
    get partition() {
      return read()?.faults !== undefined
    },
  }
  return backendOf({
    name: 'machines',
    capabilities,
    unavailable: async () => (read() === undefined ? 'name the file of your machines in HOLDFAST_MACHINES' : undefined),
    whyLacking: (capability) => missing[capability]?.(),
    take: (plan, run, options) => take(demand(), plan, run, options),
    sweep: ({ run }) => sweep(read(), run),
    readLeft: ({ run }, path, from) => readLeft(demand(), { run, path, from }),
  })
}

export const machinesBackend = machinesBackendOf(readMachines)

function demandMachines(read: Read): Found {
  const file = read()
  if (file !== undefined) return file
  throw new HoldfastError(
    'HOLDFAST_MACHINES_UNNAMED',
    'the backend machines needs machines; name their file in HOLDFAST_MACHINES',
  )
}

async function take(file: Found, plan: Plan, { folder, record }: Run, { signal }: LaunchOptions): Promise<Grounds> {
  const { run } = record
  const machines = machinesOf(plan, file)
  const key = await readKey(file.keyFile)
  const names = Object.keys(plan.nodes)
  const reachOf = (node: string): Reach => ({ node, key, machine: machines[node]! })
  await untilServed(names.map(reachOf), SERVED_WITHIN_MS, signal)
  const addresses = Object.fromEntries(names.map((node) => [node, machines[node]!.addresses]))
  const dirs = Object.fromEntries(names.map((node) => [node, join(machines[node]!.dir, run, 'nodes', node)]))
  await using taken = new AsyncDisposableStack()
  // What machines keep of a run goes with these, unless it was swept before.
  const led: ReturnType<typeof startAgents>[] = []
  taken.defer(() => {
    for (const { letGo } of led) letGo()
  })
  taken.defer(() => sweepAll(names.map(reachOf), run).then(() => {}))
  const seats = taken.use(await seatsHere(folder, names, (node) => reach(reachOf(node), { op: 'seat', run, node })))
  const held = taken.move()
  return {
    addresses,
    seenAt: addresses,
    network: file.faults === undefined ? undefined : networkOf(new Faults(file.faults), addresses),
    dirs,
    seat: (node, network) => agentSeat(seats.pathOf(node), addresses[node]![network]!),
    agentSeats: true,
    strangers: (count) => strangersOf(file, count),
    recorded: {},
    sharesAgents: false,
    startAgents(nodes) {
      const settings = JSON.parse(readFileSync(join(folder, 'settings.json'), 'utf8')) as RunSettings
      const started = startAgents(reachOf(nodes[0]!), { run, nodes }, { plan, settings })
      led.push(started)
      return started
    },
    writeHosts: async (node, hosts) =>
      void (await ask(reachOf(node), { op: 'hosts', run }, { [node]: hostsText(hosts) })),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

function networkOf(faults: Faults, addresses: Grounds['addresses']): NonNullable<Grounds['network']> {
  const all = (node: string) => Object.values(addresses[node] ?? {})
  return {
    cut: (a, b) => faults.ask({ op: 'cut', a, b, addresses: { [a]: all(a), [b]: all(b) } }),
    heal: () => faults.ask({ op: 'heal' }),
  }
}

function strangersOf({ file, strangers }: Found, count: number) {
  if (count <= strangers.length) return strangers.slice(0, count).map(localSeat)
  throw new MachinesUnusable(file, `names ${strangers.length} addresses of strangers, and ${count} were asked for`)
}

/** Ends and removes on each machine what is left of a run; on all of them, whatever becomes of one. */
async function sweepAll(machines: readonly Reach[], run: string): Promise<number> {
  const swept = await Promise.allSettled(machines.map((machine) => ask<number>(machine, { op: 'sweep', run })))
  const failures = swept.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  if (failures.length > 0)
    throw new AggregateError(failures, `${failures.length} machines still have what is left of ${run}`)
  return swept.reduce((sum, one) => sum + (one.status === 'fulfilled' ? one.value : 0), 0)
}

/** Machines end by themselves what a coordinator led that is gone: the connection to it ends. */
async function sweep(file: Found | undefined, run: string): Promise<number> {
  if (file === undefined) return 0
  const key = await readKey(file.keyFile)
  return sweepAll(
    Object.entries(file.machines).map(([node, machine]) => ({ node, key, machine })),
    run,
  )
}

/** On whichever machine has it: the path says the folder of the run there. */
async function readLeft(file: Found, { run, path, from }: { run: string; path: string; from?: number | undefined }) {
  const key = await readKey(file.keyFile)
  const has = ({ dir }: { dir: string }, node: string) => path.startsWith(`${join(dir, run, 'nodes', node)}/`)
  const [node, machine] = Object.entries(file.machines).find(([node, machine]) => has(machine, node)) ?? []
  if (node === undefined || machine === undefined) {
    throw Object.assign(new Error(`${path} is on no machine`), { code: 'ENOENT' })
  }
  return ask<string>({ node, key, machine }, { op: 'read', run, path, from })
}
