import { spawn } from 'node:child_process'
import { access, mkdir, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { signalTree } from '../../agent/process-tree.ts'
import type { RunSettings } from '../../agent/protocol.ts'
import { NodeClock } from '../../faults/clock/node-clock.ts'
import { programEnvironment, settings } from '../../settings.ts'
import { clockMissing, findLibfaketime } from '../../toolchain/libfaketime.ts'
import type { ToolName } from '../../toolchain/tools.ts'
import type { Plan } from '../../topology/plan.ts'
import type { AgentProcess } from '../agent-link.ts'
import type { Backend, Capabilities, LaunchOptions, Site } from '../backend.ts'
import { completeHistory, EvidenceFolder } from '../evidence-folder.ts'
import { LaunchedSite, NotSupported, SiteNotReady } from '../launched-site.ts'
import { neededTools, nodesByNeed } from '../plan-needs.ts'
import { startTime } from './processes.ts'
import { createRunFolder, findRuns, newLabel, type RunRecord, removeRunFolder } from './run-folder.ts'
import { addressesIn, loopbackMissing, type Subnet, takeSubnet } from './subnet.ts'

const capabilities: Capabilities = {
  ownAddress: true,
  pause: true,
  get ownClock() {
    return clockMissing() === undefined
  },
}
// Sources in the repository, compiled files in the package.
const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const agentMain = fileURLToPath(new URL(`../../agent/main.${suffix}`, import.meta.url))

/** Nodes are process trees on this machine, each with a loopback address of its own. Needs no privileges. */
export const processBackend: Backend = {
  name: 'process',
  capabilities,
  unavailable: () => loopbackMissing(),
  whyLacking: (capability) => (capability === 'ownClock' ? clockMissing() : undefined),
  launch,
}

async function launch(plan: Plan, options: LaunchOptions): Promise<Site> {
  options.signal?.throwIfAborted()
  refuseOwnUsers(plan)
  refuseClock(options)
  const run = newLabel(plan.topology)
  const [tools, taken] = await Promise.all([resolveTools(plan, options), takenSubnets()])
  const subnet = await takeSubnet(taken)
  try {
    return await launchIn(subnet, run, plan, tools, options)
  } catch (cause) {
    await subnet.release()
    throw cause
  }
}

/** Changing users takes privileges that this backend does without. */
function refuseOwnUsers(plan: Plan): void {
  const units = Object.values(plan.nodes).flatMap((node) => node.units)
  if (units.some((unit) => unit.service?.user !== undefined)) throw new NotSupported('process', 'ownUsers')
}

function refuseClock({ clock }: LaunchOptions): void {
  if (clock === 'movable' && !capabilities.ownClock) throw new NotSupported('process', 'ownClock', clockMissing())
}

/** Subnets of runs that are not swept yet: their programs may still listen there. */
async function takenSubnets(): Promise<Set<string>> {
  return new Set((await findRuns()).flatMap(({ record }) => (record === undefined ? [] : [record.subnet])))
}

async function resolveTools(plan: Plan, { clock, signal }: LaunchOptions): Promise<Record<string, string>> {
  const names = neededTools(plan)
  if (names.length === 0) return {}
  if (clock === 'movable') {
    const { ensureTools } = await import('../../toolchain/install.ts')
    const movable = await ensureTools(names as ToolName[], { clock, signal })
    return Object.fromEntries([...movable].map(([name, { path }]) => [name, path]))
  }
  const { resolveTool } = await import('../../toolchain/resolve.ts')
  const entries = names.map(async (name) => [name, (await resolveTool(name as ToolName)).path] as const)
  return Object.fromEntries(await Promise.all(entries))
}

async function launchIn(
  subnet: Subnet,
  run: string,
  plan: Plan,
  tools: Record<string, string>,
  options: LaunchOptions,
): Promise<Site> {
  const record: RunRecord = {
    run,
    topology: plan.topology,
    backend: 'process',
    pid: process.pid,
    startTime: (await startTime(process.pid)) as string,
    subnet: subnet.prefix,
    evidence: resolve(options.evidence ?? join('.holdfast', 'runs', run)),
    ...clockRecord(tools, options),
  }
  const folder = await createRunFolder(record)
  const nodes = Object.keys(plan.nodes)
  const dirs = Object.fromEntries(nodes.map((node) => [node, join(folder, 'nodes', node)]))
  const addresses = addressesIn(subnet.prefix, nodes)
  const clocks = clocksIn(folder, nodes, options)
  const extra = options.env ?? {}
  const [evidence] = await Promise.all([
    EvidenceFolder.create(record.evidence, plan, record),
    writeRunFiles(folder, plan, await runSettings({ run, folder, plan, addresses, tools, clocks, extra })),
    ...nodes.map((node) => mkdir(dirs[node] as string, { recursive: true, mode: 0o700 })),
  ]).catch(async (cause: unknown) => {
    await removeRunFolder(folder)
    throw cause
  })
  const release = async () => {
    await completeHistory(record.evidence, plan, join(folder, 'nodes'))
    await removeRunFolder(folder)
    await subnet.release()
  }
  const site = new LaunchedSite({
    run,
    plan,
    backend: 'process',
    capabilities,
    evidence,
    addresses,
    dirs,
    onEvent: options.onEvent,
    clocks,
    writeHosts: (hosts) => writeHosts(folder, hosts),
    release,
  })
  const connect = (node: string) => {
    const env = { ...environment(run), ...clockEnvironment(clocks?.get(node)) }
    site.connect(node, startAgent(folder, env, node, dirs[node] as string))
  }
  const { first, later } = nodesByNeed(plan)
  first.forEach(connect)
  await site.heardFrom(first)
  later.forEach(connect)
  return untilReady(site, options)
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

/** What evidence says of a run that did not go by the machine's clock: another build of the real programs than the usual one. */
function clockRecord(
  programs: Record<string, string>,
  { clock, clockStartsAt = 0 }: LaunchOptions,
): Partial<RunRecord> {
  if (clock === undefined) return {}
  return {
    clock: { kind: clock, startsAtSeconds: clockStartsAt, libfaketime: findLibfaketime(), overlayBuilds: programs },
  }
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
  addresses: Record<string, string>
  tools: Record<string, string>
  clocks?: ReadonlyMap<string, NodeClock>
  extra: NonNullable<LaunchOptions['env']>
}

async function runSettings({ run, folder, plan, addresses, tools, clocks, extra }: RunInputs): Promise<RunSettings> {
  const hosts = Object.values(plan.nodes).map(({ name, host }) => [host, addresses[name] as string])
  return {
    run,
    addresses,
    hosts: Object.fromEntries(hosts),
    hostsFile: join(folder, 'hosts.json'),
    tools,
    environment: environment(run),
    clocks: Object.fromEntries([...(clocks ?? [])].map(([node, clock]) => [node, clockEnvironment(clock)])),
    extra: extra as Record<string, Record<string, string>>,
    dieWithParent: await dieWithParent(),
  }
}

function environment(run: string): Record<string, string> {
  return programEnvironment({ HOLDFAST_RUN: run, NODE_COMPILE_CACHE: join(settings().cacheDir, 'compile') })
}

/** Linux tells a process that its parent died, when it was started so; then a killed agent leaves nothing behind. */
async function dieWithParent(): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const { path } = settings()
  for (const folder of path) {
    const program = join(folder, 'setpriv')
    const found = await access(program).then(
      () => true,
      () => false,
    )
    if (found) return [program, '--pdeathsig', 'KILL', '--']
  }
  return []
}

async function writeRunFiles(folder: string, plan: Plan, run: RunSettings): Promise<void> {
  const write = (name: string, json: unknown) => writeFile(join(folder, name), JSON.stringify(json), { mode: 0o600 })
  await Promise.all([write('plan.json', plan), write('settings.json', run), writeHosts(folder, run.hosts)])
}

/** Replaced whole: whoever reads it meanwhile reads the one or the other. */
async function writeHosts(folder: string, hosts: Readonly<Record<string, string>>): Promise<void> {
  const suffixes = new Set(Object.keys(hosts).map((host) => host.slice(host.indexOf('.') + 1)))
  const file = join(folder, 'hosts.json')
  await writeFile(`${file}.new`, JSON.stringify({ hosts, suffixes: [...suffixes] }), { mode: 0o600 })
  await rename(`${file}.new`, file)
}

function startAgent(folder: string, env: Record<string, string>, node: string, dir: string): AgentProcess {
  const files = ['--plan', join(folder, 'plan.json'), '--settings', join(folder, 'settings.json')]
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', agentMain, 'run', ...files, '--node', node, '--dir', dir],
    { detached: true, cwd: dir, env, stdio: ['pipe', 'pipe', 'pipe'] },
  )
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolveEnd) => {
    child.once('error', () => resolveEnd({ code: null, signal: null }))
    child.once('close', (code, signal) => resolveEnd({ code, signal }))
  })
  return {
    input: child.stdin,
    output: child.stdout,
    errors: child.stderr,
    ended,
    kill: () => void child.kill('SIGKILL'),
    killUnits: (pids) => {
      for (const pid of pids) signalTree(pid, 'SIGKILL')
    },
  }
}
