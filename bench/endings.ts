import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { killProcessesOf, signalProcess } from '../harness/agent/labelled.ts'
import { findRuns, type RunRecord } from '../harness/backends/run-folder.ts'
import { settings, userEnvironment } from '../harness/settings.ts'
import { addressesListening, type ChurnOptions, leftovers } from './churn.ts'
import { randomFrom } from './random.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const END_WITHIN_MS = 10_000
/** Most sites are ready after half of this. */
const LATEST_END_MS = 7_000

/** How people start it. npm tells nobody when what it started has ended. */
const LAUNCHERS: Readonly<Record<string, readonly string[]>> = {
  'bin/holdfast': [process.execPath, join(root, 'bin', 'holdfast.mjs')],
  bootstrap: [process.execPath, join(root, 'bootstrap.mjs'), 'holdfast'],
  npx: ['npx', '--no-install', 'holdfast'],
}

interface Launched {
  readonly program: ChildProcess
  readonly folder: string
  /** For its temporary files, and nobody else's. */
  readonly temporary: string
  readonly record: RunRecord | undefined
  readonly isNpm: boolean
}

interface Ending {
  readonly command: readonly string[]
  end(launched: Launched): unknown
}

const UP = ['up', './endings.json'] as const
const TEST = ['test', 'holds'] as const
const signalled = (command: readonly string[], signal: NodeJS.Signals): Ending => ({
  command,
  end: ({ program }) => program.kill(signal),
})
const groupSignalled = (command: readonly string[], signal: NodeJS.Signals): Ending => ({
  command,
  end: ({ program }) => process.kill(-program.pid!, signal),
})
const withoutReaders = ({ command, end }: Ending): Ending => ({
  command,
  end(launched) {
    for (const stream of [launched.program.stdout, launched.program.stderr]) stream?.destroy()
    return end(launched)
  },
})
const withoutEvidence = ({ command, end }: Ending): Ending => ({
  command,
  async end(launched) {
    await rm(join(launched.folder, '.holdfast'), { recursive: true, force: true, maxRetries: 10 })
    return end(launched)
  },
})

/** How a run is ended. All of these are told to the launcher alone, unless they say otherwise. */
const ENDINGS: Readonly<Record<string, Ending>> = {
  'SIGINT to its group': groupSignalled(UP, 'SIGINT'),
  // npm hands it on to a shell that waits for its program, which hears nothing of it: a terminal tells all of them.
  'SIGINT to the launcher, or to the group of npm': {
    command: UP,
    end: ({ program, isNpm }) => (isNpm ? process.kill(-program.pid!, 'SIGINT') : program.kill('SIGINT')),
  },
  SIGTERM: signalled(UP, 'SIGTERM'),
  SIGHUP: signalled(UP, 'SIGHUP'),
  'SIGTERM to its group': groupSignalled(UP, 'SIGTERM'),
  'SIGHUP to its group, whose terminal is gone': withoutReaders(groupSignalled(UP, 'SIGHUP')),
  'SIGTERM without evidence': withoutEvidence(signalled(UP, 'SIGTERM')),
  'SIGTERM amid connections that say nothing': {
    command: ['up', 'separate-auth'],
    async end({ program, record }) {
      const targets = record === undefined ? [] : await addressesListening(record.subnet ?? '')
      const sockets = targets.map((target) => connect(target).on('error', () => {}))
      await wait(50)
      program.kill('SIGTERM')
      await once(program, 'exit')
      for (const socket of sockets) socket.destroy()
    },
  },
  'SIGINT to the group of a test run': groupSignalled(TEST, 'SIGINT'),
  'SIGTERM to a test run without evidence': withoutEvidence(signalled(TEST, 'SIGTERM')),
  'SIGKILL of a worker': {
    command: TEST,
    async end({ program, folder }) {
      const worker = await readFile(join(folder, 'worker.pid'), 'utf8').catch(() => undefined)
      if (worker === undefined) program.kill('SIGTERM')
      else process.kill(Number(worker), 'SIGKILL')
    },
  },
}

/** A gateway whose start script puts the server into a session of its own, where it keeps the script's output. */
const topology = {
  name: 'endings',
  summary: 'to be ended',
  trustDomains: { lab: { ca: 'ca' } },
  nodes: {
    ca: { host: 'ca.lab.test', domain: 'lab', units: { ca: { kind: 'step-ca' } } },
    gateway: {
      host: 'gateway.lab.test',
      domain: 'lab',
      units: {
        gateway: {
          kind: 'exec',
          settings: { run: ['sh', '-c', 'setsid --fork node gateway.mjs; exec sleep 600'], token: 'none' },
        },
      },
    },
  },
  credentials: {
    'cert-gateway': { kind: 'certificate', issuer: 'ca', holder: 'gateway', lifetime: '1h', handover: 'enrol' },
  },
  accepts: [{ target: 'gateway', action: 'call', credential: 'cert-gateway' }],
}
const files = {
  'endings.json': JSON.stringify(topology),
  'gateway.mjs': `import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
const { HOLDFAST_CERT, HOLDFAST_KEY, HOLDFAST_CA, HOLDFAST_ADDRESS, HOLDFAST_PORT } = process.env
const [cert, key, ca] = [HOLDFAST_CERT, HOLDFAST_KEY, HOLDFAST_CA].map((file) => readFileSync(file))
createServer({ cert, key, ca, requestCert: true }, (_, answer) => answer.end()).listen(HOLDFAST_PORT, HOLDFAST_ADDRESS)
`,
  'holds.scenario.ts': `import { writeFileSync } from 'node:fs'
import { scenario } from 'holdfast/vitest'
writeFileSync(${'`${import.meta.dirname}/worker.pid`'}, String(process.pid))
const test = scenario('./endings.json')
for (let at = 0; at < 200; at += 1) {
  test('holds ' + at, async ({ site }) => {
    void site
    await new Promise((resolve) => setTimeout(resolve, 200))
  })
}
`,
}

export interface EndingsOptions extends ChurnOptions {
  /** Sites side by side. */
  lanes?: number
}

/**
 * Up, one of these endings at a random moment, whoever launched it; within 10 s nothing may be left: no process with the run's label, no socket
 * on its subnet, no folder, so no key. Nothing is swept. Works in a runtime folder of its own. Rejects with all that was left.
 */
export async function endings(options: EndingsOptions): Promise<Record<string, number>> {
  const { cycles, seed, lanes = 1, report = () => {} } = options
  const random = randomFrom(seed)
  const hits: Record<string, number> = {}
  const oneOf = (names: readonly string[]) => names[Math.floor(random() * names.length)]!
  const left: string[] = []
  let begun = 0
  let ended = 0
  const lane = async (): Promise<void> => {
    while (begun < cycles) {
      begun += 1
      const [ending, launcher] = [oneOf(Object.keys(ENDINGS)), oneOf(Object.keys(LAUNCHERS))]
      const cycle = begun
      const { hit, ms, stays } = await oneCycle(ending, launcher, random() * LATEST_END_MS)
      hits[hit] = (hits[hit] ?? 0) + 1
      ended += 1
      if (stays !== undefined) left.push(`cycle ${cycle}, ${launcher}, ${hit}: ${stays}`)
      report(`${ended}/${cycles}: ${launcher}, ${hit}: ${stays ?? `gone after ${Math.round(ms)} ms`}`)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  left.push(...(await readdir(settings().runtimeDir).catch(() => [])))
  if (left.length > 0) throw new Error(`${left.length} were left in ${settings().runtimeDir}:\n${left.join('\n')}`)
  return hits
}

async function project(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-endings-'))
  const modules = join(folder, 'node_modules')
  await mkdir(join(modules, '.bin'), { recursive: true })
  await symlink(root, join(modules, 'holdfast'))
  await symlink(join(root, 'node_modules', 'vitest'), join(modules, 'vitest'))
  await symlink('../holdfast/bin/holdfast.mjs', join(modules, '.bin', 'holdfast'))
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)))
  return folder
}

interface Cycle {
  hit: string
  ms: number
  /** What was left, and had to be killed. */
  stays: string | undefined
}

async function oneCycle(ending: string, launcher: string, afterMs: number): Promise<Cycle> {
  const folder = await project()
  const { command, end } = ENDINGS[ending]!
  const [file, ...args] = [...LAUNCHERS[launcher]!, ...command]
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe']
  const temporary = await mkdtemp(join(tmpdir(), 'holdfast-endings-tmp-'))
  const env = { ...userEnvironment(), TMPDIR: temporary }
  const program = spawn(file!, args, { cwd: folder, env, detached: true, stdio })
  const ended = once(program, 'exit')
  let said = ''
  for (const stream of [program.stdout, program.stderr]) stream.on('data', (text) => (said += text))
  await wait(afterMs)
  const record = await recordIn(folder)
  if (program.exitCode !== null) throw new Error(`it did not come up:\n${said}`)
  const began = performance.now()
  const launched = { program, folder, temporary, record, isNpm: launcher === 'npx' }
  await Promise.race([end(launched), wait(END_WITHIN_MS)])
  const left = await whatStays(launched, ended)
  const ms = performance.now() - began
  const hit = record === undefined ? `${ending}, before its run` : ending
  if (left.length === 0) {
    for (const path of [folder, temporary]) await rm(path, { recursive: true, force: true, maxRetries: 3 })
    return { hit, ms, stays: undefined }
  }
  signalProcess(-program.pid!, 'SIGKILL')
  if (record !== undefined) await killProcessesOf(record)
  return { hit, ms, stays: `ended after ${afterMs} ms, ${folder} is left, and\n  ${left.join('\n  ')}\n${said}` }
}

/** Whatever was started in a folder, be it part of a run or about to make one. */
async function processesIn(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')))
  return pids.filter((_, at) => folders[at] === folder).map((pid) => `process ${pid}, which works in ${folder}`)
}

async function recordIn(folder: string): Promise<RunRecord | undefined> {
  return (await findRuns()).find(({ record }) => record?.evidence.startsWith(join(folder, '/')))?.record
}

/** What is left when it has had its time: as soon as the launcher has ended, but for npm. */
async function whatStays({ record, folder, temporary, isNpm }: Launched, ended: Promise<unknown>): Promise<string[]> {
  const end = performance.now() + END_WITHIN_MS
  const late = new AbortController()
  const time = wait(END_WITHIN_MS, ['the process itself'], { signal: late.signal })
  const still = await Promise.race([ended.then(() => []), time.catch(() => [])])
  late.abort()
  if (still.length > 0) return still
  for (;;) {
    // What its launcher had not come to yet when it was ended may have come to it since.
    const its = record ?? (await recordIn(folder))
    const files = (await readdir(temporary)).map((name) => `temporary ${join(temporary, name)}`)
    const left = [...(its === undefined ? [] : await leftovers(its)), ...(await processesIn(folder)), ...files]
    if (left.length === 0 || !isNpm || performance.now() > end) return left
    await wait(50)
  }
}

async function main(): Promise<void> {
  const { parseArgs } = await import('node:util')
  const text = { type: 'string' } as const
  const { values } = parseArgs({ options: { cycles: text, seed: text, lanes: text } })
  const seed = Number(values.seed ?? Date.now() % 1_000_000)
  console.error(`seed ${seed}`)
  process.env.HOLDFAST_RUNTIME_DIR = await mkdtemp(join(tmpdir(), 'holdfast-endings-runs-'))
  const started = performance.now()
  const [cycles, lanes] = [Number(values.cycles ?? 500), Number(values.lanes ?? 3)]
  const hits = await endings({ cycles, seed, lanes, report: console.error })
  await rm(process.env.HOLDFAST_RUNTIME_DIR, { recursive: true, force: true })
  console.log(JSON.stringify({ seed, hits, left: 0, seconds: Math.round((performance.now() - started) / 1000) }))
}

if (import.meta.main) await main()
