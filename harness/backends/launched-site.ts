import { addAbortListener } from 'node:events'
import { chmod, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hostsText } from '../agent/hosts-file.ts'
import type { Unplaced } from '../agent/node-context.ts'
import { forEachLine } from '../agent/process-tree.ts'
import type { Operation, Operations } from '../agent/protocol.ts'
import type { KnownSecrets } from '../credentials/known-secrets.ts'
import { redactJson } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'
import type { SiteEvent } from '../evidence/event.ts'
import type { MovableClock } from '../faults/clock/node-clock.ts'
import { trustEnvironment } from '../settings.ts'
import { findLibfaketime } from '../toolchain/libfaketime.ts'
import type { ResolvedTool } from '../toolchain/resolve.ts'
import { homeOf, hostsSeen } from '../topology/networks.ts'
import type { Plan, PlanNode, UnitRef } from '../topology/plan.ts'
import { agentEnvironment } from './agent-child.ts'
import { AgentGone, AgentLink, type AgentProcess, type Ask } from './agent-link.ts'
import type {
  Backend,
  BackendName,
  Capabilities,
  Impairment,
  LaunchOptions,
  Site,
  SiteClock,
  SiteMachine,
} from './backend.ts'
import { decisionTexts, type EvidenceFolder } from './evidence-folder.ts'
import type { Grounds } from './launch.ts'
import { LaunchedNode } from './launched-node.ts'
import type { Run } from './run-folder.ts'
import { startOrder, stopInReverse } from './stop-order.ts'
import { UnitStates } from './unit-states.ts'

/** What keeps a site from getting ready: a unit that failed, or an agent that ended. */
type Failure = Pick<Extract<SiteEvent, { event: 'unit-failed' }>, 'node' | 'message' | 'logTail'>

/** A unit of a site that was being launched failed. Code `HOLDFAST_NOT_READY`. */
export class SiteNotReady extends HoldfastError {
  /** Where, and why: `NODE/UNIT was not ready: …`. */
  readonly node: string
  readonly why: string
  readonly logTail: readonly string[]
  readonly evidence: string
  /** With `keep`: what came up, still running; whoever gets it disposes it. */
  readonly site: Site | undefined

  constructor(site: Pick<Site, 'run' | 'evidence'>, failure: Failure, kept?: Site) {
    const tail = failure.logTail.map((line) => `\n    | ${line}`).join('')
    const where = kept === undefined ? '' : `kept running as ${site.run}, `
    super('HOLDFAST_NOT_READY', `${failure.message}${tail}\n  ${where}evidence in ${site.evidence}`)
    this.node = failure.node
    this.why = failure.message
    this.logTail = failure.logTail
    this.evidence = site.evidence
    this.site = kept
  }
}

/** The backend of a site cannot do what was asked. Code `HOLDFAST_NOT_SUPPORTED`. */
export class NotSupported extends HoldfastError {
  constructor(backend: BackendName, capability: keyof Capabilities, why = 'use a backend that has it') {
    super('HOLDFAST_NOT_SUPPORTED', `backend ${backend} has no ${capability}; ${why}`)
  }
}

/** A clock of a site whose nodes go by the machine's was to be moved. Code `HOLDFAST_CLOCK_FIXED`. */
export class ClockFixed extends HoldfastError {
  constructor(run: string) {
    super('HOLDFAST_CLOCK_FIXED', `the nodes of ${run} go by the machine's clock; launch it with clock: 'movable'`)
  }
}

/** Nodes were to be cut off from each other on a site that was launched without that. Code `HOLDFAST_NETWORK_WHOLE`. */
export class NetworkWhole extends HoldfastError {
  constructor(run: string) {
    super('HOLDFAST_NETWORK_WHOLE', `the network of ${run} cannot be cut; launch it with partition: true`)
  }
}

/** A machine was to be given its power again, and has not lost it. Code `HOLDFAST_MACHINE_STATE`. */
export class MachineRuns extends HoldfastError {
  constructor(node: string) {
    super('HOLDFAST_MACHINE_STATE', `the machine of node ${node} runs; crash it before it is started`)
  }
}

/** Nothing between nodes can be as it was asked for. Code `HOLDFAST_IMPAIRMENT`. */
export class ImpossibleImpairment extends HoldfastError {
  constructor(what: string, given: number) {
    super('HOLDFAST_IMPAIRMENT', `${what}; given was ${given}`)
  }
}

function demandImpairment({ delayMs, loss, seed }: Required<Impairment>): void {
  if (!(delayMs >= 0 && delayMs <= 10_000)) throw new ImpossibleImpairment('delayMs goes from 0 to 10 000', delayMs)
  if (!(loss >= 0 && loss < 1)) {
    throw new ImpossibleImpairment('loss goes from 0 to less than 1; to lose all is a partition', loss)
  }
  if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)) {
    throw new ImpossibleImpairment('seed is a whole number from 0 to 4 294 967 295', seed)
  }
}

/** What a launch has come to before its agents start. */
export interface Launching extends Run {
  readonly backend: Pick<Backend, 'name' | 'capabilities' | 'readLeft' | 'whyLacking'>
  readonly plan: Plan
  readonly options: LaunchOptions
  readonly tools: readonly ResolvedTool[]
  readonly grounds: Grounds
  /** By node; absent where the nodes go by the machine's clock. */
  readonly clocks: ReadonlyMap<string, MovableClock> | undefined
}

const EVENTS_KEPT = 100_000

/** A site of node agents, the same on every backend: only how an agent is started and reached differs. */
export class LaunchedSite implements Site {
  readonly run: string
  readonly plan: Plan
  readonly backend: BackendName
  readonly capabilities: Capabilities
  readonly slowness: number | undefined
  readonly evidence: string
  readonly secrets: KnownSecrets
  readonly nodes: ReadonlyMap<string, LaunchedNode>
  readonly timings: ReadonlyMap<string, number>
  readonly #launching: Launching
  readonly #evidence: EvidenceFolder
  /** Gives back what the backend took (folders, addresses), after all agents have ended. */
  readonly #release: () => Promise<void>
  readonly #links = new Map<string, AgentLink>()
  readonly #events: SiteEvent[] = []
  /** By node, whose agent was not heard of yet. */
  readonly #silent = new Map<string, () => void>()
  /** Hosts that the nodes are led elsewhere for. */
  readonly #led = new Map<string, string>()
  readonly #failed = Promise.withResolvers<Failure>()
  readonly #states: UnitStates
  #disposing: Promise<void> | undefined

  constructor(launching: Launching, evidence: EvidenceFolder, release: () => Promise<void>) {
    const { record, plan, backend } = launching
    this.#launching = launching
    this.#evidence = evidence
    this.#release = release
    this.run = record.run
    this.plan = plan
    this.backend = backend.name
    this.capabilities = backend.capabilities
    this.slowness = launching.grounds.slowness
    this.evidence = evidence.path
    this.secrets = evidence.secrets
    this.#states = new UnitStates(plan)
    this.timings = this.#states.timings
    this.nodes = new Map(Object.keys(plan.nodes).map((name) => [name, this.#makeNode(name)]))
  }

  #makeNode(name: string): LaunchedNode {
    const { backend, grounds } = this.#launching
    return new LaunchedNode({
      plan: this.plan.nodes[name]!,
      addresses: grounds.addresses[name]!,
      seat: (network) => grounds.seat(name, network),
      dir: grounds.dirs[name] as string,
      enter: grounds.enter?.(name),
      slowness: grounds.slowness ?? 1,
      ask: (op, body) => this.#ask(name, op, body),
      tell: (event) => this.#tell(name, event),
      readLeft: (path, from) => backend.readLeft(this, path, from),
      states: this.#states,
    })
  }

  node(name: string): LaunchedNode {
    const node = this.nodes.get(name)
    if (node === undefined) {
      const known = [...this.nodes.keys()].join(', ')
      throw new HoldfastError('HOLDFAST_NODE_UNKNOWN', `the site has no node ${name}; its nodes are ${known}`)
    }
    return node
  }

  async #ask<Op extends Operation>(
    node: string,
    op: Op,
    body: Operations[Op]['request'],
  ): Promise<Operations[Op]['answer']> {
    const link = this.#links.get(this.node(node).name)
    if (link === undefined) throw new AgentGone(node)
    return link.request(node, op, body)
  }

  events: Site['events'] = () => this.#events
  strangers: Site['strangers'] = (count, network = homeOf(Object.values(this.plan.nodes)[0] ?? {})) =>
    this.#launching.grounds.strangers(count, network)
  resolve: Site['resolve'] = (host) => [...this.nodes.values()].find((node) => node.host === host)?.address
  oneTimeToken: Site['oneTimeToken'] = (node, request) => this.#ask(node, 'one-time-token', request)
  callFrom: Site['callFrom'] = (node, call) => this.#ask(node, 'call', { call })

  async lead(host: string, address?: string): Promise<void> {
    if (address === undefined) this.#led.delete(host)
    else this.#led.set(host, address)
    await writeHosts(this.#launching, this.#led)
  }

  async partition(a: string, b: string): Promise<void> {
    for (const name of [a, b]) this.node(name)
    await this.#network.cut(a, b)
    this.#tell(a, { event: 'cut-off', from: b })
  }

  async impair(a: string, b: string, { delayMs = 0, loss = 0, seed = 1 }: Impairment): Promise<void> {
    if (!this.capabilities.impairment) throw this.#lacks('impairment')
    for (const name of [a, b]) this.node(name)
    demandImpairment({ delayMs, loss, seed })
    await this.#launching.grounds.network?.impair?.(a, b, { delayMs, loss, seed })
    this.#tell(a, { event: 'impaired', to: b, delayMs, loss })
  }

  async heal(): Promise<void> {
    await this.#network.heal()
    for (const node of this.nodes.keys()) this.#tell(node, { event: 'healed' })
  }

  #lacks(capability: keyof Capabilities): NotSupported {
    return new NotSupported(this.backend, capability, this.#launching.backend.whyLacking?.(capability))
  }

  get #network(): NonNullable<Grounds['network']> {
    if (!this.capabilities.partition) throw this.#lacks('partition')
    const { network } = this.#launching.grounds
    if (network === undefined) throw new NetworkWhole(this.run)
    return network
  }

  machine(node: string): SiteMachine {
    const { name } = this.node(node)
    const act = async (did: keyof SiteMachine) => {
      const machine = this.#launching.grounds.machine?.(name)
      if (machine === undefined) throw this.#lacks('ownKernel')
      if (did === 'start') this.#demandOff(name)
      this.#tell(name, { event: 'machine', did })
      await (did === 'start' ? this.#restart(name) : machine[did]())
    }
    return {
      crash: () => act('crash'),
      start: () => act('start'),
      block: () => act('block'),
      unblock: () => act('unblock'),
      freeze: () => act('freeze'),
      thaw: () => act('thaw'),
    }
  }

  clock(node?: string): SiteClock {
    const nodes = node === undefined ? [...this.nodes.keys()] : [this.node(node).name]
    const clockOf = (name = '') => this.#launching.clocks?.get(name)
    return {
      get offsetSeconds() {
        return clockOf(nodes[0])?.offsetSeconds ?? 0
      },
      shift: async (seconds) => {
        if (!this.capabilities.ownClock) throw this.#lacks('ownClock')
        for (const name of nodes) {
          const clock = clockOf(name)
          if (clock === undefined) throw new ClockFixed(this.run)
          await clock.set(clock.offsetSeconds + seconds)
          const { offsetSeconds } = clock
          this.#tell(name, { event: 'clock-moved', bySeconds: seconds, offsetSeconds })
        }
      },
    }
  }

  /** Starts a process of agents; several live in one only where they go by the same clock. */
  async startAgents(nodes: readonly string[], before?: readonly UnitRef[]): Promise<void> {
    const { record, grounds, clocks } = this.#launching
    const clock = nodes.length === 1 ? clocks?.get(nodes[0]!)?.environment(findLibfaketime()) : {}
    const env = { ...agentEnvironment(record.run), ...trustEnvironment(), ...clock }
    this.connect(nodes, await grounds.startAgents(nodes, env, before))
  }

  #demandOff(node: string): void {
    if (this.#links.get(node)?.isGone !== true) {
      throw new MachineRuns(node)
    }
  }

  /** A machine without power starts anew; what had come up on it before does so again. */
  async #restart(node: string): Promise<void> {
    const before = this.#states.everReady(node)
    const heard = this.heardFrom([node])
    await this.startAgents([node], before)
    await heard
    this.node(node).forgetDecisions()
    for (const ref of startOrder(this.plan, node).filter((one) => before.includes(one))) {
      await this.#ask(node, 'start', { unit: ref.slice(node.length + 1) })
    }
  }

  /** Adds a process of agents that the backend has just started. What it says of itself, it says for each of its nodes. */
  connect(nodes: readonly string[], process: AgentProcess): void {
    const on = {
      event: (event: SiteEvent) => this.#onEvent(event),
      secret: (content: Uint8Array) => this.#evidence.learn(content),
      ask: (ask: Ask) => this.#onAsk(nodes, ask),
    }
    const link = new AgentLink(nodes, process, on, this.#launching.grounds.slowness)
    for (const node of nodes) this.#links.set(node, link)
    forEachLine(process.errors, (line) => {
      for (const node of nodes) this.#tell(node, { event: 'log', unit: 'agent', stream: 'stderr', line })
    })
    // Agents that were connected late would otherwise never hear what was ready before them.
    link.unitsReady(this.#states.readyRefs())
    void process.ended.then(({ code, signal }) => {
      for (const node of nodes) process.killUnits(this.#states.runningPids(node))
      for (const node of nodes) this.#tell(node, { event: 'agent-gone', code, signal })
    })
  }

  /** Resolves when the agents of these nodes, just connected, have started or are gone. */
  heardFrom(nodes: readonly string[]): Promise<unknown> {
    return Promise.all(nodes.map((node) => new Promise<void>((heard) => this.#silent.set(node, heard))))
  }

  /** Resolves when every unit is ready, or with the first that fails; rejects with the reason of `signal`. */
  async untilReady(signal?: AbortSignal): Promise<Failure | undefined> {
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    using _ = signal && addAbortListener(signal, () => reject(signal.reason))
    return (await Promise.race([this.#states.allReady, this.#failed.promise, aborted])) ?? undefined
  }

  #tell(node: string, event: Unplaced<SiteEvent>): void {
    this.#onEvent({ at: new Date().toISOString(), node, ...event })
  }

  /** Agents know what passed through their own hands: here is known what passed anywhere, and what tests made. */
  #onEvent(told: SiteEvent): void {
    const event = redactJson(told, this.secrets)
    this.#events.push(event)
    if (event.event === 'agent-started' || event.event === 'agent-gone') this.#silent.get(event.node)?.()
    if (this.#events.length > EVENTS_KEPT) this.#events.splice(0, EVENTS_KEPT / 10)
    this.#evidence.record(event)
    if (event.event === 'log') this.nodes.get(event.node)?.addLog(event.unit, event.line)
    this.#states.apply(event)
    if (event.event === 'unit-ready') {
      const ref = `${event.node}/${event.unit}`
      for (const link of new Set(this.#links.values())) link.unitsReady([ref])
    } else if (event.event === 'unit-failed') {
      this.#failed.resolve(event)
    } else if (event.event === 'agent-gone' && this.#disposing === undefined) {
      const how = event.signal ?? `code ${event.code}`
      const logTail = this.node(event.node).logs('agent').slice(-20)
      const { nodes = [] } = this.#links.get(event.node) ?? {}
      const agents = `the process of the agents of all ${nodes.length} nodes`
      const whose = nodes.length > 1 ? agents : `the agent of node ${event.node}`
      this.#failed.resolve({ node: event.node, message: `${whose} ended (${how})`, logTail })
    }
    this.#launching.options.onEvent?.(event)
  }

  /** Passes a hand-over on. A process speaks only for its own nodes: what it asks for must be theirs. */
  async #onAsk(from: readonly string[], { node, body }: Ask): Promise<unknown> {
    const [receiver = ''] = body.unit.split('/')
    if (!from.includes(receiver)) {
      throw new HoldfastError('HOLDFAST_HANDOVER_UNDECLARED', `${receiver} is none of ${from.join(', ')}`)
    }
    return this.#ask(node, 'serve', body)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose(() => stopInReverse(this.plan, (ref) => this.#stopUnit(ref)))
    return this.#disposing
  }

  /** Releases a site that nobody has used yet: its agents end all of its programs at once, in no order. */
  abandon(): Promise<void> {
    this.#disposing ??= this.#dispose(async () => [])
    return this.#disposing
  }

  async #dispose(stopUnits: () => Promise<unknown[]>): Promise<void> {
    const failures = await stopUnits()
    // While there are agents to ask for them.
    const decided = await decisionTexts(this.plan, this.#launching.grounds, (path, node) =>
      this.node(node).readFile(path),
    )
    const endAgents = () => Promise.all([...new Set(this.#links.values())].map((link) => link.end()))
    for (const step of [endAgents, this.#release]) await step().catch((cause: unknown) => failures.push(cause))
    // The last: neither keys nor addresses wait for a disk.
    try {
      await this.#evidence.close(decided)
    } catch (cause) {
      if (failures.length === 0) throw cause
      failures.push(cause)
    }
    if (failures.length > 0) throw new AggregateError(failures, `site ${this.run} was not released whole`)
  }

  async #stopUnit(ref: UnitRef): Promise<void> {
    const [node, unit] = ref.split('/') as [string, string]
    await this.#ask(node, 'stop', { unit }).catch((cause: unknown) => {
      if (!(cause instanceof AgentGone)) throw cause
    })
  }
}

/** Where the hosts lie that a node finds. Nodes of a topology without networks have one file: they all find the same. */
export function hostsFileOf(folder: string, { name, networks }: Pick<PlanNode, 'name' | 'networks'>): string {
  return join(folder, networks === undefined ? 'hosts' : `hosts.${name}`)
}

/**
 * Replaced whole: whoever reads one meanwhile reads the old or the new. Users of units must be able to. Where nodes have an /etc/hosts of
 * their own, that alone is written. `led`: hosts that are elsewhere.
 */
export async function writeHosts(
  { backend, folder, plan, grounds }: Pick<Launching, 'backend' | 'folder' | 'plan' | 'grounds'>,
  led: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  const nodes = backend.capabilities.ownHosts ? [] : Object.values(plan.nodes)
  const files = new Map(nodes.map((node) => [hostsFileOf(folder, node), node.name]))
  const hostsOf = (node: string) => {
    const seen = Object.entries(hostsSeen(plan, grounds.seenAt, node))
    return Object.fromEntries(seen.map(([host, address]) => [host, led.get(host) ?? address]))
  }
  const write = async ([file, node]: [string, string]) => {
    await writeFile(`${file}.new`, hostsText(hostsOf(node)))
    await chmod(`${file}.new`, 0o644)
    await rename(`${file}.new`, file)
  }
  const own = Object.keys(plan.nodes).map((node) => grounds.writeHosts?.(node, hostsOf(node)))
  await Promise.all([...[...files].map(write), ...own])
}
