import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { RunSettings } from '../agent/protocol.ts'
import { type MovableClock, NodeClock, OwnClock } from '../faults/clock/node-clock.ts'
import type { Seat } from '../protocols/seat.ts'
import { findLibfaketime } from '../toolchain/libfaketime.ts'
import { findNssWrapper, nssWrapperEnvironment } from '../toolchain/nss-wrapper.ts'
import type { ResolvedTool } from '../toolchain/resolve.ts'
import type { Addresses } from '../topology/networks.ts'
import type { Plan, PlanNode, UnitRef } from '../topology/plan.ts'
import { agentEnvironment } from './agent-child.ts'
import type { AgentProcess } from './agent-link.ts'
import type { Backend, Capabilities, Impairment, LaunchOptions, Site, SiteMachine } from './backend.ts'
import { bundledServices } from './bundled.ts'
import { EvidenceFolder } from './evidence-folder.ts'
import { demandGiven } from './given-files.ts'
import { hostsFileOf, LaunchedSite, type Launching, NotSupported, SiteNotReady, writeHosts } from './launched-site.ts'
import { demandPrograms, hasOwnIpc, hasUsers, neededTools, nodesByNeed, withUsers } from './plan-needs.ts'
import { dieWithParent, ownIpc, startTime } from './processes.ts'
import { createRunFolder, newLabel, type Run, type RunRecord, removeRunFolder, writeRecord } from './run-folder.ts'
import { toolsForUsers } from './tools-for-users.ts'

/** What a backend takes for one run. */
export interface Grounds extends AsyncDisposable {
  readonly addresses: Addresses
  /** Where the other nodes find a node by its name. */
  readonly seenAt: Addresses
  /** Absent where nodes cannot be cut off from each other. */
  readonly network?: {
    cut(a: string, b: string): Promise<void>
    /** Only with capability `impairment`. */
    impair?(a: string, b: string, how: Required<Impairment>): Promise<void>
    heal(): Promise<void>
  }
  /** Folder of each node, as the node sees it; its agent makes it. */
  readonly dirs: Readonly<Record<string, string>>
  /** What a shell of this machine puts before a command that is to run on a node. Absent where that is no other place. */
  enter?(node: string): readonly string[]
  /** From where a test calls and listens on a node, in one of its networks. */
  seat(node: string, network: string): Seat
  /** Whether agents serve those seats, each as `seat` in the folder of its node. */
  readonly agentSeats: boolean
  /** How many times as long as elsewhere everything may take here; absent for 1. Whatever bounds a wait for a node is so much longer. */
  readonly slowness?: number
  /** Seats at so many addresses of a network that are no node's. */
  strangers(count: number, network: string): readonly Seat[]
  /** Where nodes have hosts files of their own: replaces that of a node. */
  writeHosts?(node: string, hosts: Readonly<Record<string, string>>): Promise<void>
  /** Where nodes are machines: one of them. */
  machine?(node: string): Omit<SiteMachine, 'start'>
  /**
   * Where nodes have clocks of their own: sets that of a node to so many seconds ahead of this machine's, before its agent starts or after.
   * Absent where each program is led to see another time.
   */
  setClock?(node: string, seconds: number): Promise<void>
  /** What must be on record of it, so that `sweep` finds it all. */
  readonly recorded: Partial<RunRecord>
  /** Whether agents of nodes that go by the same clock can live in one process. */
  readonly sharesAgents: boolean
  /** Whether a node takes so long to start that none waits until another one's agent is there. */
  readonly startsAllAtOnce?: boolean
  /**
   * Starts a process with the agents of these nodes: `main.ts` reads `plan.json` and `settings.json` in the folder of the run. `before`: units that
   * were there before a machine lost its power (`RunSettings`).
   */
  startAgents(
    nodes: readonly string[],
    env: Readonly<Record<string, string>>,
    before?: readonly UnitRef[],
  ): AgentProcess | Promise<AgentProcess>
}

/** What only a backend itself can say and do. */
export interface OwnOfBackend extends Omit<Backend, 'launch'> {
  take(plan: Plan, run: Run, options: LaunchOptions): Promise<Grounds>
}

/** A backend of what is its own: whatever else there is to a launch is the same on all of them. */
export function backendOf(own: OwnOfBackend): Backend {
  return { ...own, launch: (plan, options) => launch(own, plan, options) }
}

async function launch(backend: OwnOfBackend, given: Plan, options: LaunchOptions): Promise<Site> {
  options.signal?.throwIfAborted()
  const { ownUsers, remoteHosts } = backend.capabilities
  // A root whose backend lacks users is told so. Agents elsewhere are root or not, whoever leads them.
  const plan = ownUsers || (process.getuid?.() === 0 && !remoteHosts) ? withUsers(given) : given
  refuseLacking(backend, plan, options)
  await demandPrograms(plan)
  await demandGiven(plan, Date.now() + (options.clockStartsAt ?? 0) * 1000)
  const resolved = await resolveTools(plan, options, backend.capabilities)
  const run = await openRun(backend.name, plan, resolved, options)
  await using taken = new AsyncDisposableStack()
  taken.defer(() => removeRunFolder(run.folder))
  const grounds = taken.use(await backend.take(plan, run, options))
  const { folder } = run
  const record = { ...run.record, ...grounds.recorded }
  await writeRecord(folder, record)
  const clocks = await clocksIn(folder, plan, options, grounds)
  const tools = hasUsers(plan) && !backend.capabilities.ownKernel ? await toolsForUsers(resolved, folder) : resolved
  const launching = { backend, plan, options, record, folder, tools, grounds, clocks }
  const [evidence] = await Promise.all([
    EvidenceFolder.create(launching, plan),
    writeRunFiles(launching),
    writeHosts(launching),
  ])
  const held = taken.move()
  const site = new LaunchedSite(launching, evidence, () => held.disposeAsync())
  await startAgents(site, launching).catch(async (cause: unknown) => {
    await site.abandon()
    throw cause
  })
  return options.hold === undefined ? untilReady(site, options) : site
}

function refuseLacking(backend: OwnOfBackend, plan: Plan, { clock, partition }: LaunchOptions): void {
  const { name, capabilities, whyLacking } = backend
  const needs: [keyof Capabilities, boolean | undefined][] = [
    ['partition', partition],
    ['ownUsers', hasUsers(plan)],
    ['ownClock', clock === 'movable'],
  ]
  for (const [capability, isNeeded] of needs) {
    if (isNeeded && !capabilities[capability]) throw new NotSupported(name, capability, whyLacking?.(capability))
  }
}

async function resolveTools(
  plan: Plan,
  { clock, signal }: LaunchOptions,
  { ownHosts, ownKernel }: Capabilities,
): Promise<ResolvedTool[]> {
  const { plain, overlay } = neededTools(plan, { clock, ownHosts, ownKernel })
  const tools: ResolvedTool[] = []
  if (overlay.length > 0) {
    const { ensureTools } = await import('../toolchain/install.ts')
    tools.push(...(await ensureTools(overlay, { overlay: true, signal })))
  }
  if (plain.length === 0) return tools
  const { resolveTool } = await import('../toolchain/resolve.ts')
  return [...tools, ...(await Promise.all(plain.map((name) => resolveTool(name))))]
}

function pathsOf(tools: readonly ResolvedTool[]): Record<string, string> {
  return Object.fromEntries(tools.map(({ name, path }) => [name, path]))
}

/** The folder of a new run, with its record in it: whatever is taken from now on can be swept. */
async function openRun(backend: string, plan: Plan, tools: ResolvedTool[], options: LaunchOptions): Promise<Run> {
  const run = newLabel(plan.topology)
  const ours = tools.filter(({ source }) => source === 'overlay')
  const { clock, clockStartsAt = 0 } = options
  const record: RunRecord = {
    run,
    topology: plan.topology,
    backend,
    pid: process.pid,
    startTime: (await startTime(process.pid)) as string,
    evidence: resolve(options.evidence ?? join('.holdfast', 'runs', run)),
    overlayBuilds: ours.length > 0 ? pathsOf(ours) : undefined,
    clock: clock && { kind: clock, startsAtSeconds: clockStartsAt, libfaketime: findLibfaketime() },
  }
  return { record, folder: await createRunFolder(record) }
}

/** One for each node of a run whose clocks can be moved. */
async function clocksIn(
  folder: string,
  { nodes }: Plan,
  { clock, clockStartsAt = 0 }: LaunchOptions,
  { setClock }: Pick<Grounds, 'setClock'>,
): Promise<Launching['clocks']> {
  if (clock !== 'movable') return undefined
  const clockOf = (node: string): MovableClock =>
    setClock === undefined
      ? new NodeClock(join(folder, 'clocks', node))
      : new OwnClock((seconds) => setClock(node, seconds))
  const clocks = new Map(Object.keys(nodes).map((node) => [node, clockOf(node)]))
  for (const one of clocks.values()) await one.set(clockStartsAt)
  return clocks
}

/** All in one process where that can be: each takes more memory and time to start than most of what it starts. */
async function startAgents(site: LaunchedSite, { plan, grounds, clocks }: Launching): Promise<void> {
  const startEach = (nodes: readonly string[]) => Promise.all(nodes.map((node) => site.startAgents([node])))
  if (grounds.sharesAgents && clocks === undefined) return site.startAgents(Object.keys(plan.nodes))
  const { first = [], later = [] } = grounds.startsAllAtOnce ? { first: Object.keys(plan.nodes) } : nodesByNeed(plan)
  const heard = site.heardFrom(first)
  await startEach(first)
  await heard
  await startEach(later)
}

async function untilReady(site: LaunchedSite, { signal, keep }: LaunchOptions): Promise<Site> {
  try {
    const failure = await site.untilReady(signal)
    if (failure === undefined) return site
    throw new SiteNotReady(site, failure, keep && !signal?.aborted ? site : undefined)
  } catch (cause) {
    if (signal?.aborted) await site.abandon()
    else if (!(cause instanceof SiteNotReady && cause.site)) await site[Symbol.asyncDispose]()
    throw cause
  }
}

/** What the agents read at their start. */
async function writeRunFiles({
  backend,
  record,
  folder,
  plan,
  grounds,
  tools,
  clocks,
  options,
}: Launching): Promise<void> {
  const { run } = record
  const { ownHosts } = backend.capabilities
  const { addresses, dirs, agentSeats } = grounds
  const library = findNssWrapper()
  const hostsFile = (node: PlanNode) => (ownHosts ? '/etc/hosts' : hostsFileOf(folder, node))
  const hostsFiles = Object.entries(plan.nodes).map(([name, node]) => [name, hostsFile(node)] as const)
  const libcNames =
    library === undefined || ownHosts
      ? []
      : hostsFiles.map(([node, file]) => [node, nssWrapperEnvironment(library, file)] as const)
  const settings: RunSettings = {
    run,
    addresses,
    dirs,
    agentSeats,
    hostsFiles: Object.fromEntries(hostsFiles),
    ownHosts,
    libcNames: Object.fromEntries(libcNames),
    tools: pathsOf(tools),
    services: bundledServices(options),
    environment: agentEnvironment(run),
    clocks: Object.fromEntries(
      [...(clocks ?? [])].map(([node, clock]) => [node, clock.environment(findLibfaketime())]),
    ),
    extra: options.env ?? {},
    held: options.hold,
    slowness: grounds.slowness,
    // Linux tells a process that its parent died, when it was started so; then a killed agent leaves nothing behind.
    dieWithParent: dieWithParent(),
    ownIpc: hasOwnIpc(plan) && !backend.capabilities.ownKernel ? ownIpc() : undefined,
  }
  const write = (name: string, json: unknown) => writeFile(join(folder, name), JSON.stringify(json), { mode: 0o600 })
  await Promise.all([write('plan.json', plan), write('settings.json', settings)])
}
