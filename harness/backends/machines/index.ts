import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hostsText } from '../../agent/hosts-file.ts'
import type { RunSettings } from '../../agent/protocol.ts'
import { HoldfastError } from '../../errors.ts'
import { localSeat } from '../../protocols/seat.ts'
import { namesMissing } from '../../toolchain/nss-wrapper.ts'
import type { Plan } from '../../topology/plan.ts'
import { agentSeat } from '../agent-seat.ts'
import type { Backend, Capabilities, LaunchOptions, SiteMachine } from '../backend.ts'
import { backendOf, type Grounds } from '../launch.ts'
import type { Run } from '../run-folder.ts'
import { seatsHere } from '../seats-here.ts'
import { Faults, Undoing } from './faults.ts'
import { readKey } from './key-stream.ts'
import type { Bounds } from './lead.ts'
import { ask, MachineSilent, type Reach, reach, startAgents, takeLead, untilServed } from './led-agents.ts'
import { lackingFor, type MachinesFile, MachinesUnusable, machinesOf, readMachines } from './machines-file.ts'

/** Nobody has said where the machines are. Code `HOLDFAST_MACHINES_UNNAMED`. */
class MachinesUnnamed extends HoldfastError {
  constructor(what: string) {
    super('HOLDFAST_MACHINES_UNNAMED', `${what}; name the file of the machines in HOLDFAST_MACHINES`)
  }
}

/** A machine was to go on with a run that it has nothing of any more. Code `HOLDFAST_MACHINE_EMPTY`. */
class PowerLost extends HoldfastError {
  constructor(node: string) {
    super(
      'HOLDFAST_MACHINE_EMPTY',
      `the machine of ${node} keeps nothing of a run without power, no keys above all, and has its power again when the run has ended; launch it anew, or use backend vm`,
    )
  }
}

type Found = MachinesFile & { file: string }
type Read = () => Found | undefined

const unserved = () => 'whoever has the machines must do it (faults in their file)'
const missing: Partial<Record<keyof Capabilities, () => string | undefined>> = {
  names: namesMissing,
  partition: unserved,
  ownKernel: unserved,
  ownClock: unserved,
  networks: () => 'which of the machines reach each other is up to whoever has them',
}

/** Machines may be starting when a run begins. */
const SERVED_WITHIN_MS = 60_000

/**
 * Nodes are machines that stand already, each with an agent that waits to be led (`holdfast serve`). `read`: where they are. `bounds`: when a
 * machine that says nothing counts as gone; default: as `served.ts` says.
 */
export function machinesBackendOf(read: Read, bounds?: Bounds): Backend {
  const demand = () => demandMachines(read)
  const capabilities: Capabilities = {
    ownAddress: true,
    pause: true,
    remoteHosts: true,
    get names() {
      return namesMissing() === undefined
    },
    get networks() {
      return read()?.networks === true
    },
    get partition() {
      return read()?.faults !== undefined
    },
    get ownKernel() {
      return read()?.faults?.ownKernel === true
    },
    get ownClock() {
      return read()?.faults?.ownKernel === true
    },
  }
  return backendOf({
    name: 'machines',
    capabilities,
    unavailable: async () => (read() === undefined ? 'name the file of your machines in HOLDFAST_MACHINES' : undefined),
    whyLacking: (capability) => missing[capability]?.(),
    servesOneSite: true,
    sitesAtOnce: () => 1,
    unfit: (plan) => {
      const file = demand()
      const lacking = lackingFor(plan, file)
      return lacking && `${file.file} ${lacking}`
    },
    take: (plan, run, { signal }) => take(demand(), plan, run, { signal, bounds }),
    sweep: ({ run }) => sweep(read(), run),
    readLeft: ({ run }, path, from) => readLeft(demand(), { run, path, from }),
  })
}

export const machinesBackend = machinesBackendOf(readMachines)

function demandMachines(read: Read): Found {
  const file = read()
  if (file !== undefined) return file
  throw new MachinesUnnamed('the backend machines needs machines')
}

async function take(
  file: Found,
  plan: Plan,
  { folder, record }: Run,
  { signal, bounds }: Pick<LaunchOptions, 'signal'> & { bounds: Bounds | undefined },
): Promise<Grounds> {
  const { run } = record
  const machines = machinesOf(plan, file)
  const key = await readKey(file.keyFile)
  const names = Object.keys(plan.nodes)
  const reachOf = (node: string): Reach => ({ node, key, machine: machines[node]! })
  await untilServed(names.map(reachOf), SERVED_WITHIN_MS, signal)
  const addresses = Object.fromEntries(names.map((node) => [node, machines[node]!.addresses]))
  const dirs = Object.fromEntries(names.map((node) => [node, join(machines[node]!.dir, run, 'nodes', node)]))
  await using taken = new AsyncDisposableStack()
  const led = new Map<string, ReturnType<typeof startAgents>>()
  const lead = async (to: Reach) => {
    const stream = await takeLead(to, run, bounds)
    taken.defer(() => void stream.destroy())
    // A machine that is gone has nothing more to say.
    stream.once('close', () => led.get(to.node)?.letGo())
  }
  await allOf(names.map((node) => lead(reachOf(node))))
  // What machines keep of a run goes with these, unless it was swept before.
  taken.defer(() => {
    for (const { letGo } of led.values()) letGo()
  })
  taken.defer(() => sweepAll(names.map(reachOf), run).then(() => {}))
  const faults = file.faults && new Undoing(new Faults(file.faults.folder))
  taken.defer(() => faults?.undo())
  // A coordinator that was killed may have left them cut off from each other.
  await faults?.ask({ op: 'heal' })
  const seats = taken.use(await seatsHere(folder, names, (node) => reach(reachOf(node), { op: 'seat', run, node })))
  const held = taken.move()
  return {
    addresses,
    seenAt: addresses,
    network: faults && networkOf(faults, addresses),
    ...(file.faults?.ownKernel && {
      machine: (node: string) => machineOf(faults!, node, () => led.get(node)?.lost()),
      setClock: (node: string, seconds: number) => faults!.ask({ op: 'clock', node, seconds }),
    }),
    dirs,
    seat: (node, network) => agentSeat(seats.pathOf(node), addresses[node]![network]!),
    agentSeats: true,
    strangers: (count, network) => strangersOf(file, count, network),
    recorded: {},
    sharesAgents: false,
    startAgents(nodes, _, before) {
      if (before !== undefined) throw new PowerLost(nodes[0]!)
      const settings = JSON.parse(readFileSync(join(folder, 'settings.json'), 'utf8')) as RunSettings
      const started = startAgents(reachOf(nodes[0]!), { run, nodes }, { plan, settings })
      led.set(nodes[0]!, started)
      return started
    },
    writeHosts: async (node, hosts) =>
      void (await ask(reachOf(node), { op: 'hosts', run }, { [node]: hostsText(hosts) })),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** Rejects with the first failure, once none of them goes on. */
async function allOf(all: readonly Promise<unknown>[]): Promise<void> {
  for (const one of await Promise.allSettled(all)) if (one.status === 'rejected') throw one.reason
}

/** `lost`: tells that its agent is gone, which nobody else would say of a machine without power. */
function machineOf(faults: Undoing, node: string, lost: () => void): Omit<SiteMachine, 'start'> {
  const act = (op: 'block' | 'unblock' | 'freeze' | 'thaw') => () => faults.ask({ op, node })
  return {
    crash: async () => {
      await faults.ask({ op: 'crash', node })
      lost()
    },
    block: act('block'),
    unblock: act('unblock'),
    freeze: act('freeze'),
    thaw: act('thaw'),
  }
}

function networkOf(faults: Undoing, addresses: Grounds['addresses']): NonNullable<Grounds['network']> {
  const all = (node: string) => Object.values(addresses[node] ?? {})
  return {
    cut: (a, b) => faults.ask({ op: 'cut', a, b, addresses: { [a]: all(a), [b]: all(b) } }),
    heal: () => faults.ask({ op: 'heal' }),
  }
}

function strangersOf({ file, strangers }: Found, count: number, network: string) {
  const there = strangers[network] ?? []
  if (count <= there.length) return there.slice(0, count).map(localSeat)
  const what = `names ${there.length} addresses of strangers in ${network}, and ${count} were asked for`
  throw new MachinesUnusable(file, what)
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
  if (file === undefined) throw new MachinesUnnamed(`what ${run} left on machines cannot be looked for`)
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
  if (node === undefined || machine === undefined) throw gone(`${path} is on no machine`)
  return ask<string>({ node, key, machine }, { op: 'read', run, path, from }).catch((cause: Error) => {
    if (cause instanceof HoldfastError && !(cause instanceof MachineSilent)) throw cause
    throw gone(`${path} is on the machine of ${node}, which cannot be reached: ${cause.message}`)
  })
}

function gone(message: string): Error {
  return Object.assign(new Error(message), { code: 'ENOENT' })
}
