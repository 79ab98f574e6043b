import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RunSettings } from '../../agent/protocol.ts'
import type { Ending } from '../../agent/seat-server.ts'
import { HoldfastError } from '../../errors.ts'
import { machineTime } from '../../faults/clock/own-clock.ts'
import { settings } from '../../settings.ts'
import { networksOf } from '../../topology/networks.ts'
import type { Plan, UnitRef } from '../../topology/plan.ts'
import type { AgentProcess } from '../agent-link.ts'
import type { Impairment, SiteMachine } from '../backend.ts'
import type { Run } from '../run-folder.ts'
import { type Accelerator, chooseAccelerator } from './accelerator.ts'
import { type Places, PREFIX } from './addresses.ts'
import { makeDisk } from './disk.ts'
import { EthernetSwitch } from './ethernet-switch.ts'
import { type GuestFiles, holdfastFiles, systemOf, takeAll } from './guest-files.ts'
import { imageOf } from './images.ts'
import { ensureInitramfs, ensureKernel, fingerprintOf, type Kernel } from './kernel.ts'
import { Machine } from './machine.ts'
import { PacketCapture } from './packet-capture.ts'
import { filesOfNodes, type PlanFiles } from './plan-files.ts'
import { findBusybox, findQemu } from './programs.ts'
import { hostsOnMachine, runFiles } from './run-files.ts'
import { KnownTag, nameOfImage, warmCode, warmFiles } from './warm-code.ts'

// Sources in the repository, compiled files in the package.
const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const guestMain = fileURLToPath(new URL(`./guest.${suffix}`, import.meta.url))

/** What all machines of a run start from. */
interface Base {
  readonly qemu: string
  readonly kernel: Kernel
  readonly initramfs: string
  readonly accelerator: Accelerator
  /** Files of every machine, and the images with them. */
  readonly files: readonly GuestFiles[]
  readonly images: readonly string[]
  /** What Node has made of Holdfast's modules, and how the machines' Node calls it. */
  readonly warm: string
  readonly tag: KnownTag
}

/** What is to be on machines. */
interface PartsOfRun {
  readonly plan: Plan
  readonly run: Run
  readonly places: Places
  /** Programs beyond those of the plan. */
  readonly programs?: readonly string[] | undefined
}

/** The machines of one run, and the networks between them. */
export class Machines implements AsyncDisposable {
  readonly #plan: Plan
  readonly #programs: readonly string[]
  readonly #run: Run
  readonly #places: Places
  readonly #base: Base
  readonly #machines = new Map<string, Machine>()
  readonly #networks: ReadonlyMap<string, EthernetSwitch>
  /** Seconds ahead of this machine, by node. */
  readonly #ahead = new Map<string, number>()
  /** What each machine's hosts file says of the others. */
  readonly #hosts = new Map<string, string>()
  #extra: Promise<Extra> | undefined

  constructor({ plan, run, places, programs = [] }: PartsOfRun, base: Base) {
    this.#plan = plan
    this.#programs = programs
    this.#run = run
    this.#places = places
    this.#base = base
    this.#networks = new Map(places.networks.map((name) => [name, new EthernetSwitch(captureOf(run, name))]))
  }

  get accelerator(): Accelerator {
    return this.#base.accelerator
  }

  /** A stream to the seat of a node. */
  async seat(node: string): Promise<Ending> {
    return this.#started(node).line.seat()
  }

  /** A stream on which a program is run on a node. */
  async entry(node: string): Promise<Ending> {
    return this.#started(node).line.entry()
  }

  #started(node: string): Machine {
    const machine = this.#machines.get(node)
    if (machine !== undefined) return machine
    throw new HoldfastError('HOLDFAST_AGENT_GONE', `the machine of node ${node} is not there yet`)
  }

  /** Starts the machine of a node; with `before`, one that has lost its power. */
  async start(node: string, env: Readonly<Record<string, string>>, before?: readonly UnitRef[]): Promise<AgentProcess> {
    const { folder, record } = this.#run
    const [drive, disk] = [join(folder, `drive-${node}`), join(folder, `disk-${node}`)]
    this.#extra ??= this.#findExtra()
    const { settings, images, read, warm } = await this.#extra
    const files = new Map([...read.get(node)!, ...warm])
    await writeFile(drive, this.#runFiles(node, env, { ...settings, before }, files), { mode: 0o600 })
    if (before === undefined) await makeDisk(disk)
    const index = Object.keys(this.#plan.nodes).indexOf(node)
    const networks = networksOf(this.#plan.nodes[node]!)
    const parts = {
      accelerator: this.#base.accelerator.name,
      memoryMiB: memoryOf(this.#plan, node),
      kernel: this.#base.kernel.image,
      initramfs: this.#base.initramfs,
      drives: [drive, ...this.#base.images, ...images],
      disk,
      cards: networks.map((_, card) => macOf(index, card)),
      clock: new Date(this.now(node)).toISOString().slice(0, 19),
      name: `holdfast-${record.run}-${node}`,
    }
    const machine = new Machine(
      this.#base.qemu,
      parts,
      { HOLDFAST_RUN: record.run, HOLDFAST_NODE: node },
      {
        now: () => this.now(node),
        // What cannot be written down is found out again.
        tagged: (tag) => void this.#base.tag.write(tag).catch(() => {}),
      },
    )
    this.#machines.set(node, machine)
    for (const [card, network] of networks.entries()) this.#networks.get(network)!.attach(node, machine.cards[card]!)
    return machine.agent
  }

  /** In ms since 1970, on a node. */
  now(node: string): number {
    return machineTime() + (this.#ahead.get(node) ?? 0) * 1_000
  }

  /** Sets the clock of a node to so many seconds ahead of this machine's: before its machine starts, and while it runs. */
  async setClock(node: string, seconds: number): Promise<void> {
    this.#ahead.set(node, seconds)
    await this.#machines.get(node)?.line.ask('clock')
  }

  cut(a: string, b: string): void {
    for (const network of this.#networks.values()) network.cut(a, b)
  }

  impair(a: string, b: string, how: Required<Impairment>): void {
    for (const network of this.#networks.values()) network.impair(a, b, how)
  }

  heal(): void {
    for (const network of this.#networks.values()) network.heal()
  }

  async writeHosts(node: string, text: string): Promise<void> {
    this.#hosts.set(node, text)
    await this.#machines.get(node)?.line.ask('hosts', hostsOnMachine(text))
  }

  machine(node: string): Omit<SiteMachine, 'start'> {
    const machine = this.#started(node)
    const link = async (up: boolean) => {
      for (const index of machine.cards.keys()) await machine.monitor.tell('set_link', { name: `card${index}`, up })
    }
    return {
      crash: async () => {
        machine.kill()
        await machine.agent.ended
      },
      block: () => link(false),
      unblock: () => link(true),
      freeze: () => machine.monitor.tell('stop'),
      thaw: () => machine.monitor.tell('cont'),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of this.#machines.values()) machine.kill()
    await Promise.all([...this.#machines.values()].map(({ agent }) => agent.ended))
    await Promise.all([...this.#networks.values()].map((network) => network.close()))
  }

  /** What the agents read, and files beyond those of every machine. It is there once the launch has written it. */
  async #findExtra(): Promise<Extra> {
    const settings = JSON.parse(await readFile(join(this.#run.folder, 'settings.json'), 'utf8')) as RunSettings
    const { tools, services, extra } = settings
    const has = (path: string) => path.startsWith(this.#run.folder) || this.#base.files.some((files) => files.has(path))
    const named = { plan: this.#plan, extra, all: [Object.values(tools), this.#programs] }
    const { programs, read } = filesOfNodes(named, has)
    if (services !== undefined) takeAll(programs, services)
    const images = programs.size === 0 ? [] : [await imageOf(programs)]
    const tag = await this.#base.tag.read()
    const warm = tag === undefined ? [] : await warmFiles(this.#base.warm, tag)
    return { settings, images, read, warm: new Map(warm) }
  }

  #runFiles(node: string, env: Readonly<Record<string, string>>, settings: RunSettings, given: ReadFiles): Buffer {
    const { addresses, strangers } = this.#places
    const plan = this.#plan
    const networks = networksOf(plan.nodes[node]!)
    const text = (json: unknown) => ({ content: Buffer.from(JSON.stringify(json)), mode: 0o600 })
    const { folder } = this.#run
    return runFiles({
      dir: settings.dirs[node]!,
      host: plan.nodes[node]!.host,
      cards: networks.map((network) => ({ address: addresses[node]![network]!, prefix: PREFIX })),
      strangers: networks.map(strangers).flatMap((of) => (of.node === node ? [of.range] : [])),
      env,
      agent: [process.execPath, '--disable-warning=ExperimentalWarning', guestMain, folder, node],
      hosts: this.#hosts.get(node) ?? '',
      files: new Map([
        ...given,
        [join(folder, 'plan.json'), text(plan)],
        [join(folder, 'settings.json'), text(settings)],
      ]),
    })
  }
}

type ReadFiles = PlanFiles['read']

interface Extra {
  readonly settings: RunSettings
  readonly images: readonly string[]
  /** By node: what only its own machine gets. */
  readonly read: ReadonlyMap<string, ReadFiles>
  /** What every machine gets of the compiled code. */
  readonly warm: ReadFiles
}

/** Everything that machines start from, made where it is not there yet; `label`: of the run that is the first to need it. */
export async function baseOfMachines(label: string): Promise<Base> {
  const [qemu, busybox] = [findQemu() as string, findBusybox() as string]
  const kernel = await ensureKernel()
  const initramfs = await ensureInitramfs(kernel, busybox)
  const files = [systemOf(settings().path), holdfastFiles()]
  const images: string[] = []
  for (const some of files) images.push(await imageOf(some))
  const accelerator = await chooseAccelerator(qemu, kernel, initramfs, label)
  const warm = await warmCode(files[1]!, nameOfImage(images[1]!))
  const tag = new KnownTag(fingerprintOf(kernel, qemu, accelerator.name, process.version))
  return { qemu, kernel, initramfs, accelerator, files, images, warm, tag }
}

/** A node's own, and a card's of it; the first bits say that nobody else has it. */
function macOf(node: number, card: number): string {
  const bytes = [0x52, 0x54, 0x00, card, node >> 8, node & 0xff]
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/** Kernel, agent, and what they read of the images; then each service. What is not used is not taken from the host. */
function memoryOf({ nodes }: Plan, node: string): number {
  const services = nodes[node]!.units.filter(({ service }) => service?.command !== undefined).length
  return 320 + 96 * Math.max(1, services)
}

function captureOf({ record }: Run, network: string): PacketCapture | undefined {
  return settings().vmCapture ? new PacketCapture(join(record.evidence, `${network}.pcap`)) : undefined
}
