import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { findRuns, type RunRecord } from '../harness/backends/run-folder.ts'
import { userEnvironment } from '../harness/settings.ts'
import { type ChurnOptions, leftovers } from './churn.ts'
import { randomFrom } from './random.ts'

const launcher = fileURLToPath(new URL('../bin/holdfast.mjs', import.meta.url))
const END_WITHIN_MS = 10_000
/** Most sites are ready after half of this. */
const LATEST_END_MS = 5_000

/** How a run is ended. All of these are told to the launcher alone, unless they say otherwise. */
const ENDINGS: Readonly<Record<string, (launched: ChildProcess, folder: string) => unknown>> = {
  SIGINT: (launched) => launched.kill('SIGINT'),
  SIGTERM: (launched) => launched.kill('SIGTERM'),
  SIGHUP: (launched) => launched.kill('SIGHUP'),
  'SIGTERM to its group': ({ pid }) => process.kill(-pid!, 'SIGTERM'),
  'SIGHUP to its group, whose terminal is gone': (launched) => {
    for (const stream of [launched.stdout, launched.stderr]) stream?.destroy()
    process.kill(-launched.pid!, 'SIGHUP')
  },
  'SIGTERM without evidence': async (launched, folder) => {
    await rm(join(folder, '.holdfast'), { recursive: true, force: true, maxRetries: 3 })
    launched.kill('SIGTERM')
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
const gateway = `import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
const { HOLDFAST_CERT, HOLDFAST_KEY, HOLDFAST_CA, HOLDFAST_ADDRESS, HOLDFAST_PORT } = process.env
const [cert, key, ca] = [HOLDFAST_CERT, HOLDFAST_KEY, HOLDFAST_CA].map((file) => readFileSync(file))
createServer({ cert, key, ca, requestCert: true }, (_, answer) => answer.end()).listen(HOLDFAST_PORT, HOLDFAST_ADDRESS)
`

/**
 * Up, one of these endings at a random moment; within 10 s nothing may be left: no process with the run's label, no socket on its
 * subnet, no folder. Nothing is swept. Works in a runtime folder of its own. Rejects with what is left.
 */
export async function endings({ cycles, seed, report = () => {} }: ChurnOptions): Promise<Record<string, number>> {
  const random = randomFrom(seed)
  const hits: Record<string, number> = {}
  const names = Object.keys(ENDINGS)
  for (let cycle = 1; cycle <= cycles; cycle += 1) {
    const name = names[Math.floor(random() * names.length)]!
    const hit = await oneCycle(name, random() * LATEST_END_MS)
    hits[hit] = (hits[hit] ?? 0) + 1
    report(`${cycle}/${cycles}: ${hit}`)
  }
  return hits
}

async function oneCycle(name: string, afterMs: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-endings-'))
  await writeFile(join(folder, 'endings.json'), JSON.stringify(topology))
  await writeFile(join(folder, 'gateway.mjs'), gateway)
  const launched = spawn(process.execPath, [launcher, 'up', './endings.json'], {
    ...{ cwd: folder, env: userEnvironment(), detached: true },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(launched, 'exit')
  let said = ''
  for (const stream of [launched.stdout, launched.stderr]) stream.on('data', (text) => (said += text))
  await wait(afterMs)
  const [record] = (await findRuns()).flatMap((run) => run.record ?? [])
  if (launched.exitCode !== null) throw new Error(`it did not come up:\n${said}`)
  await ENDINGS[name]!(launched, folder)
  const left = await whatStays(record, ended)
  if (left.length > 0) throw new Error(`after ${name} this is left:\n  ${left.join('\n  ')}\n${said}`)
  await rm(folder, { recursive: true, force: true })
  return record === undefined ? `${name}, before its run` : name
}

/** What is left when it has had its time. */
async function whatStays(record: RunRecord | undefined, ended: Promise<unknown>): Promise<string[]> {
  const late = new AbortController()
  const time = wait(END_WITHIN_MS, ['the process itself'], { signal: late.signal })
  const still = await Promise.race([ended.then(() => []), time.catch(() => [])])
  late.abort()
  return still.length > 0 || record === undefined ? still : leftovers(record)
}
