import { chmod, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { hostsText } from '../agent/hosts-file.ts'
import type { RunSettings } from '../agent/protocol.ts'
import { NodeClock } from '../faults/clock/node-clock.ts'
import type { Seat } from '../protocols/seat.ts'
import { programEnvironment, settings } from '../settings.ts'
import { findLibfaketime } from '../toolchain/libfaketime.ts'
import type { ResolvedTool } from '../toolchain/resolve.ts'
import type { Plan } from '../topology/plan.ts'
import type { AgentProcess } from './agent-link.ts'
import type { Backend, Capabilities, LaunchOptions, Site } from './backend.ts'
import { EvidenceFolder } from './evidence-folder.ts'
import { hostsAt, LaunchedSite, NotSupported, SiteNotReady } from './launched-site.ts'
import { hasUsers, neededTools, nodesByNeed } from './plan-needs.ts'
import { startTime } from './processes.ts'
import { createRunFolder, newLabel, type Run, type RunRecord, removeRunFolder, writeRecord } from './run-folder.ts'
import { findSetpriv } from './setpriv.ts'

/** What a backend takes for one run. */
export interface Grounds extends AsyncDisposable {
  /** By node. */
  readonly addresses: Readonly<Record<string, string>>
  /** By node: where the other nodes find it by its name. */
  readonly seenAt: Readonly<Record<string, string>>
  /** Absent where nodes cannot be cut off from each other. */
  readonly network?: { cut(a: string, b: string): Promise<void>; heal(): Promise<void> }
  /** Folder of each node, as the node sees it; its agent makes it. */
  readonly dirs: Readonly<Record<string, string>>
  /** From where a test calls and listens on a node. */
  seat(node: string): Seat
  /** Whether agents serve those seats, each as `seat` in the folder of its node. */
  readonly agentSeats: boolean
  /** Seats at so many addresses of the run that are no node's. */
  strangers(count: number): readonly Seat[]
  /** What must be on record of it, so that `sweep` finds it all. */
  readonly recorded: Partial<RunRecord>
  /** Whether agents of nodes that go by the same clock can live in one process. */
  readonly sharesAgents: boolean
  /** Starts a process with the agents of these nodes. */
  startAgents(nodes: readonly string[], agents: AgentStart): AgentProcess
}

export interface AgentStart {
  /** Paths on this machine: what `main.ts` of the agent reads at its start. */
  readonly plan: string
  readonly settings: string
  readonly env: Readonly<Record<string, string>>
}

/** What only a backend itself can say and do. */
export interface OwnOfBackend extends Omit<Backend, 'launch'> {
  take(plan: Plan, run: Run, options: LaunchOptions): Promise<Grounds>
}

/** A backend of what is its own: whatever else there is to a launch is the same on all of them. */
export function backendOf(own: OwnOfBackend): Backend {
  return { ...own, launch: (plan, options) => launch(own, plan, options) }
}

async function launch(backend: OwnOfBackend, plan: Plan, options: LaunchOptions): Promise<Site> {
  options.signal?.throwIfAborted()
  refuseLacking(backend, plan, options)
  const tools = await resolveTools(plan, options)
  const run = await openRun(backend, plan, tools, options)
  await using taken = new AsyncDisposableStack()
  taken.defer(() => removeRunFolder(run.folder))
  const grounds = taken.use(await backend.take(plan, run, options))
  const record = { ...run.record, ...grounds.recorded }
  await writeRecord(run.folder, record)
  const clocks = clocksIn(run.folder, Object.keys(plan.nodes), options)
  const inputs = { run: record.run, folder: run.folder, plan, grounds, tools, clocks, extra: options.env ?? {} }
  const [evidence] = await Promise.all([
    EvidenceFolder.create(record.evidence, plan, record, run.folder),
    writeRunFiles(run.folder, plan, runSettings(inputs)),
    writeHosts(run.folder, hostsAt(plan, grounds.seenAt)),
  ])
  const held = taken.move()
  const site = new LaunchedSite({
    run: record.run,
    plan,
    backend,
    evidence,
    grounds,
    onEvent: options.onEvent,
    clocks,
    writeHosts: (hosts) => writeHosts(run.folder, hosts),
    release: () => held.disposeAsync(),
  })
  await startAgents(site, run, grounds, clocks)
  return untilReady(site, options)
}

function refuseLacking(
  { name, capabilities, whyLacking }: OwnOfBackend,
  plan: Plan,
  { clock, partition }: LaunchOptions,
): void {
  const needs: [keyof Capabilities, boolean | undefined][] = [
    ['partition', partition],
    ['ownUsers', hasUsers(plan)],
    ['ownClock', clock === 'movable'],
  ]
  for (const [capability, isNeeded] of needs) {
    if (isNeeded && !capabilities[capability]) throw new NotSupported(name, capability, whyLacking?.(capability))
  }
}

async function resolveTools(plan: Plan, { clock, signal }: LaunchOptions): Promise<ResolvedTool[]> {
  const { plain, overlay } = neededTools(plan, clock)
  const tools: ResolvedTool[] = []
  if (overlay.length > 0) {
    const { ensureTools } = await import('../toolchain/install.ts')
    tools.push(...(await ensureTools(overlay, { overlay: true, signal })).values())
  }
  if (plain.length === 0) return tools
  const { resolveTool } = await import('../toolchain/resolve.ts')
  return [...tools, ...(await Promise.all(plain.map((name) => resolveTool(name))))]
}

function pathsOf(tools: readonly ResolvedTool[]): Record<string, string> {
  return Object.fromEntries(tools.map(({ name, path }) => [name, path]))
}

/** The folder of a new run, with its record in it: whatever is taken from now on can be swept. */
async function openRun(
  { name }: OwnOfBackend,
  plan: Plan,
  tools: readonly ResolvedTool[],
  options: LaunchOptions,
): Promise<Run> {
  const run = newLabel(plan.topology)
  const record: RunRecord = {
    run,
    topology: plan.topology,
    backend: name,
    pid: process.pid,
    startTime: (await startTime(process.pid)) as string,
    evidence: resolve(options.evidence ?? join('.holdfast', 'runs', run)),
    ...buildsRecord(tools),
    ...clockRecord(options),
  }
  return { record, folder: await createRunFolder(record) }
}

/** One for each node of a run whose clocks can be moved. */
function clocksIn(folder: string, nodes: string[], options: LaunchOptions): Map<string, NodeClock> | undefined {
  if (options.clock !== 'movable') return undefined
  const clockOf = (node: string) => new NodeClock(join(folder, 'clocks', node), options.clockStartsAt)
  return new Map(nodes.map((node) => [node, clockOf(node)]))
}

function clockEnvironment(clock: NodeClock | undefined): Record<string, string> {
  const libfaketime = findLibfaketime()
  return clock === undefined || libfaketime === undefined ? {} : clock.environment(libfaketime)
}

/** Evidence says which real programs were other builds than the usual ones. */
function buildsRecord(tools: readonly ResolvedTool[]): Partial<RunRecord> {
  const ours = tools.filter(({ source }) => source === 'overlay')
  return ours.length === 0 ? {} : { overlayBuilds: pathsOf(ours) }
}

function clockRecord({ clock, clockStartsAt = 0 }: LaunchOptions): Partial<RunRecord> {
  if (clock === undefined) return {}
  return { clock: { kind: clock, startsAtSeconds: clockStartsAt, libfaketime: findLibfaketime() } }
}

/** All in one process where that can be: each takes more memory and time to start than most of what it starts. */
async function startAgents(
  site: LaunchedSite,
  { folder, record }: Run,
  grounds: Grounds,
  clocks: ReadonlyMap<string, NodeClock> | undefined,
): Promise<void> {
  const files = { plan: join(folder, 'plan.json'), settings: join(folder, 'settings.json') }
  const start = (nodes: readonly string[], clock?: NodeClock) => {
    const env = { ...environment(record.run), ...clockEnvironment(clock) }
    site.connect(nodes, grounds.startAgents(nodes, { ...files, env }))
  }
  if (grounds.sharesAgents && clocks === undefined) return start(Object.keys(site.plan.nodes))
  const { first, later } = nodesByNeed(site.plan)
  for (const node of first) start([node], clocks?.get(node))
  await site.heardFrom(first)
  for (const node of later) start([node], clocks?.get(node))
}

async function untilReady(site: LaunchedSite, { signal, keep }: LaunchOptions): Promise<Site> {
  try {
    await site.untilReady(signal)
    return site
  } catch (cause) {
    const kept = keep === true && !signal?.aborted ? site : undefined
    const failure = isFailure(cause) ? new SiteNotReady(site, cause, kept) : cause
    if (kept === undefined) await site[Symbol.asyncDispose]()
    throw failure
  }
}

function isFailure(cause: unknown): cause is { node: string; unit?: string; message: string; logTail: string[] } {
  return typeof cause === 'object' && cause !== null && 'logTail' in cause && !(cause instanceof Error)
}

interface RunInputs {
  run: string
  folder: string
  plan: Plan
  grounds: Grounds
  tools: readonly ResolvedTool[]
  clocks?: ReadonlyMap<string, NodeClock>
  extra: NonNullable<LaunchOptions['env']>
}

function runSettings({ run, folder, plan, grounds, tools, clocks, extra }: RunInputs): RunSettings {
  const { addresses, dirs, agentSeats } = grounds
  return {
    run,
    addresses,
    dirs,
    agentSeats,
    hosts: hostsAt(plan, addresses),
    hostsFile: join(folder, 'hosts'),
    tools: pathsOf(tools),
    environment: environment(run),
    clocks: Object.fromEntries([...(clocks ?? [])].map(([node, clock]) => [node, clockEnvironment(clock)])),
    extra,
    dieWithParent: dieWithParent(),
  }
}

function environment(run: string): Record<string, string> {
  return programEnvironment({ HOLDFAST_RUN: run, NODE_COMPILE_CACHE: join(settings().cacheDir, 'compile') })
}

/** Linux tells a process that its parent died, when it was started so; then a killed agent leaves nothing behind. */
function dieWithParent(): string[] {
  const setpriv = findSetpriv()
  return setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL', '--']
}

async function writeRunFiles(folder: string, plan: Plan, run: RunSettings): Promise<void> {
  const write = (name: string, json: unknown) => writeFile(join(folder, name), JSON.stringify(json), { mode: 0o600 })
  await Promise.all([write('plan.json', plan), write('settings.json', run)])
}

/** Replaced whole: whoever reads it meanwhile reads the one or the other. Users of units must be able to. */
async function writeHosts(folder: string, hosts: Readonly<Record<string, string>>): Promise<void> {
  const file = join(folder, 'hosts')
  await writeFile(`${file}.new`, hostsText(hosts))
  await chmod(`${file}.new`, 0o644)
  await rename(`${file}.new`, file)
}
