import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { processesOf } from '../harness/agent/labelled.ts'
import { findRuns, type RunRecord } from '../harness/backends/run-folder.ts'
import { sweepRuns } from '../harness/backends/sweep.ts'
import { settings } from '../harness/settings.ts'
import { backend } from '../harness/shipped.ts'
import { randomFrom } from './random.ts'

const holder = fileURLToPath(new URL('../harness/backends/fixtures/hold-site.ts', import.meta.url))
const VICTIMS = ['coordinator', 'agent', 'unit'] as const
/** A site is killed at some moment of its start or soon after it, mostly counted from when it has a run; most are ready after half of this. */
const LATEST_KILL_MS = 1_200
/** Machines whose code is translated take long to start, and little of that differs: most are killed early in it. */
const LATEST_KILL_OF_MACHINES_MS = 14_000
const END_WITHIN_MS = 5_000
const RUN_WITHIN_MS = 30_000

export interface ChurnOptions {
  cycles: number
  /** Default: process. */
  backendName?: string
  /** The same seed makes the same choices; what they hit depends on the machine's timing. */
  seed: number
  report?: (line: string) => void
}

/**
 * Up, SIGKILL of a random part at a random moment, sweep; after each cycle nothing may be left: no process with the run's
 * label, no socket on its subnet, no folder, no link or mount of this machine that was not there before. Works in a runtime folder of its own. Rejects with what is left.
 */
export async function churn(options: ChurnOptions): Promise<Record<string, number>> {
  const { cycles, seed, backendName = 'process', report = () => {} } = options
  const random = randomFrom(seed)
  const hits: Record<string, number> = {}
  const before = await ofMachine()
  for (let cycle = 1; cycle <= cycles; cycle += 1) {
    const evidence = await mkdtemp(join(tmpdir(), 'holdfast-churn-'))
    const size = random() < 0.3 ? 'certified' : 'small'
    const victim = VICTIMS[Math.floor(random() * VICTIMS.length)]!
    const hit = await oneCycle({
      backendName,
      evidence,
      size,
      victim,
      afterMs: momentOf(backendName, random()),
      random,
    })
    hits[hit] = (hits[hit] ?? 0) + 1
    report(`${cycle}/${cycles} ${size}: killed ${hit}`)
    await rm(evidence, { recursive: true, force: true })
    const more = (await ofMachine()).filter((one) => !before.includes(one))
    if (more.length > 0) throw new Error(`after killing ${hit} this is left:\n  ${more.join('\n  ')}`)
  }
  return hits
}

function momentOf(backendName: string, part: number): number {
  return backendName === 'vm' ? part ** 2 * LATEST_KILL_OF_MACHINES_MS : part * LATEST_KILL_MS
}

/** What a run could make that is no process and no file of its own: links, mounts, and images in the making. */
async function ofMachine(): Promise<string[]> {
  const links = (await readdir('/sys/class/net')).map((name) => `link ${name}`)
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => `mount ${line}`)
  const images = await readdir(join(settings().cacheDir, 'vm')).catch(() => [])
  const unfinished = images.filter((name) => name.startsWith('making-')).map((name) => `image ${name}`)
  return [...links, ...mounts, ...unfinished]
}

interface Cycle {
  backendName: string
  evidence: string
  size: string
  victim: (typeof VICTIMS)[number]
  afterMs: number
  random: () => number
}

async function oneCycle({ backendName, evidence, size, victim, afterMs, random }: Cycle): Promise<string> {
  const coordinator = spawn(process.execPath, [holder, backendName, evidence, size], { stdio: 'ignore' })
  // A busy machine may take longer than that to come as far as to have a run: then nothing would be tried but its absence.
  if (random() < 0.9) await untilRun(coordinator)
  await new Promise((resolve) => setTimeout(resolve, afterMs))
  const record = await runOf(coordinator)
  const hit = record === undefined ? 'coordinator before its run' : await killPart(coordinator, record, victim, random)
  if (hit !== 'coordinator' && coordinator.exitCode === null) coordinator.kill('SIGKILL')
  if (coordinator.exitCode === null && coordinator.signalCode === null) await once(coordinator, 'exit')
  if (record !== undefined) await endOfProcesses(record.run)
  await sweepRuns(backend)
  const left = [...(record === undefined ? [] : await leftovers(record)), ...(await folders())]
  if (left.length > 0) throw new Error(`after killing ${hit} of ${record?.run} this is left:\n  ${left.join('\n  ')}`)
  return hit
}

async function untilRun(coordinator: ChildProcess): Promise<void> {
  const end = performance.now() + RUN_WITHIN_MS
  while (coordinator.exitCode === null && (await runOf(coordinator)) === undefined) {
    if (performance.now() > end) throw new Error(`a coordinator has no run after ${RUN_WITHIN_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function runOf(coordinator: ChildProcess): Promise<RunRecord | undefined> {
  return (await findRuns()).find(({ record }) => record?.pid === coordinator.pid)?.record
}

/** Kills the part, and answers what was hit: an agent or a unit is there only once the coordinator has come so far. */
async function killPart(
  coordinator: ChildProcess,
  record: RunRecord,
  victim: (typeof VICTIMS)[number],
  random: () => number,
): Promise<string> {
  const others = await Promise.all(
    (await processesOf({ run: record.run })).map(async (pid) => ({ pid, part: await partOf(pid) })),
  )
  const candidates = others.filter(({ part }) => part === victim)
  const chosen = candidates[Math.floor(random() * candidates.length)]
  if (chosen === undefined) {
    coordinator.kill('SIGKILL')
    return 'coordinator'
  }
  try {
    process.kill(chosen.pid, 'SIGKILL')
  } catch (cause) {
    // It may have ended by itself since it was listed, as the steps of a unit do.
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause
  }
  return victim
}

async function partOf(pid: number): Promise<'agent' | 'unit'> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  // What runs in a machine is not seen; the machine is as good as its agent.
  return /agent\/main\.[tj]s|^[^\0]*qemu/.test(command) ? 'agent' : 'unit'
}

/** With the coordinator gone, agents stop their programs by themselves; only what lost its agent too is for sweep. */
async function endOfProcesses(run: string): Promise<void> {
  const end = performance.now() + END_WITHIN_MS
  for (;;) {
    const parts = await Promise.all((await processesOf({ run })).map(partOf))
    if (!parts.includes('agent')) return
    if (performance.now() > end)
      throw new Error(`agents of ${run} are alive ${END_WITHIN_MS} ms after their coordinator`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** What is there of a run: processes, sockets, and any folder of it. */
export async function leftovers({ run, subnet = '' }: RunRecord): Promise<string[]> {
  const processes = (await processesOf({ run })).map((pid) => `process ${pid}`)
  const sockets = (await addressesListening(subnet)).map(({ host, port }) => `socket ${host}:${port}`)
  return [...processes, ...sockets, ...(await folders(run))]
}

async function folders(run = ''): Promise<string[]> {
  const names = await readdir(settings().runtimeDir).catch(() => [])
  return names.filter((name) => name.includes(run)).map((name) => `folder ${join(settings().runtimeDir, name)}`)
}

/** Listening sockets on a subnet (`127.x.y.`), from the kernel's table: addresses stand there as little-endian hexadecimal. */
export async function addressesListening(subnet: string): Promise<{ host: string; port: number }[]> {
  const [a, b, c] = subnet.split('.').map((part) => Number(part).toString(16).padStart(2, '0').toUpperCase())
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/))
  const listening = lines.filter((columns) => columns[3] === '0A' && columns[1]?.slice(2, 8) === `${c}${b}${a}`)
  return listening.map(([, local = '']) => {
    return { host: `${subnet}${Number.parseInt(local.slice(0, 2), 16)}`, port: Number.parseInt(local.slice(9), 16) }
  })
}

async function main(): Promise<void> {
  const { parseArgs } = await import('node:util')
  const { values } = parseArgs({
    options: { cycles: { type: 'string' }, seed: { type: 'string' }, backend: { type: 'string' } },
  })
  const seed = Number(values.seed ?? Date.now() % 1_000_000)
  process.stderr.write(`seed ${seed}\n`)
  process.env.HOLDFAST_RUNTIME_DIR = await mkdtemp(join(tmpdir(), 'holdfast-churn-runs-'))
  const started = performance.now()
  const hits = await churn({
    ...{ cycles: Number(values.cycles ?? 200), seed, backendName: values.backend },
    report: (line) => console.error(line),
  })
  await rm(process.env.HOLDFAST_RUNTIME_DIR, { recursive: true, force: true })
  console.log(JSON.stringify({ seed, hits, left: 0, seconds: Math.round((performance.now() - started) / 1000) }))
}

if (import.meta.main) await main()
