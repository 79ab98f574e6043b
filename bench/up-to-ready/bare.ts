// Starts the programs of one rendered plan with nothing around them: no agents, no supervision, no logs, no evidence, no
// checks. It is what `holdfast up` is measured against.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { signAtCa } from '../../harness/agent/enrol.ts'
import { readTls, request, warmUp } from '../../harness/agent/https-request.ts'
import { signOneTimeToken } from '../../harness/agent/one-time-token.ts'
import { type NewRequest, newRequest } from '../../harness/pki/request.ts'
import type { Enrol } from '../../harness/topology/plan.ts'

interface BareProgram {
  argv: string[]
  env: Record<string, string>
}

interface BareCall {
  method: string
  url: string
  tls?: { ca: string; cert?: string; key?: string }
  json?: unknown
  expect: number[]
}

export type BareStep =
  | { run: BareProgram }
  | { call: BareCall }
  | { write: { path: string; text: string } }
  | { copy: { from: string; to: string } }
  | { mint: { call: BareCall; member: string; to: string } }
  | { enrol: Enrol }
  | { parallel: BareStep[][] }

export interface BareUnit {
  ref: string
  after: string[]
  folder: string
  files: { path: string; text: string }[]
  steps: BareStep[]
  service?: BareProgram & { ready: BareCall | { port: number; address: string } }
}

export interface BareRun {
  hosts: Record<string, string>
  units: BareUnit[]
}

const { hosts, units } = JSON.parse(await readFile(process.argv[2]!, 'utf8')) as BareRun
const services: ChildProcess[] = []
const started = new Map<string, Promise<void>>()
const requests = new Map<Enrol, Promise<NewRequest>>()
const ms: Record<string, number> = {}

try {
  const up = Promise.all(units.map(({ ref }) => start(ref)))
  // While the first programs start, as the agents do: neither has to wait for anything.
  for (const step of units.flatMap(({ steps }) => enrolmentsIn(steps))) requests.set(step, newRequest(step))
  void warmUp()
  await up
  process.stdout.write(`${JSON.stringify(ms)}\n`)
  await once(process.stdin.resume(), 'end')
} finally {
  for (const service of services) service.kill('SIGKILL')
}

function start(ref: string): Promise<void> {
  const running = started.get(ref) ?? run(units.find((unit) => unit.ref === ref)!)
  started.set(ref, running)
  return running
}

async function run(unit: BareUnit): Promise<void> {
  await Promise.all(unit.after.map(start))
  const began = performance.now()
  await Promise.all(unit.files.map(({ path, text }) => writeFile(path, text, { mode: 0o600 })))
  await runSteps(unit, unit.steps)
  if (unit.service) {
    services.push(execute(unit, unit.service))
    await untilReady(unit.service.ready)
  }
  ms[unit.ref] = performance.now() - began
}

async function runSteps(unit: BareUnit, steps: readonly BareStep[]): Promise<void> {
  for (const step of steps) {
    if ('run' in step) await succeed(execute(unit, step.run))
    else if ('call' in step) await call(step.call)
    else if ('write' in step) await write(unit, step.write)
    else if ('copy' in step) await put(step.copy.to, await readFile(step.copy.from, 'utf8'))
    else if ('mint' in step) await put(step.mint.to, (await call(step.mint.call))[step.mint.member] as string)
    else if ('enrol' in step) await enrol(step.enrol)
    else await Promise.all(step.parallel.map((lane) => runSteps(unit, lane)))
  }
}

function execute(unit: BareUnit, { argv, env }: BareProgram): ChildProcess {
  return spawn(argv[0]!, argv.slice(1), { cwd: unit.folder, env, stdio: ['ignore', 'ignore', 'inherit'] })
}

async function succeed(child: ChildProcess): Promise<void> {
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${child.spawnfile} exited with ${code}`)
}

async function call({ method, url, tls, json, expect }: BareCall): Promise<Record<string, unknown>> {
  const answer = await request({
    ...{ method, url, json, address: hosts[new URL(url).hostname], timeoutMs: 10_000 },
    tls: tls && (await readTls(tls)),
  })
  if (!expect.includes(answer.status)) throw new Error(`${method} ${url} answered ${answer.status}: ${answer.text}`)
  return answer.text.startsWith('{') ? JSON.parse(answer.text) : {}
}

/** Asks for a connection first: that costs next to nothing, so asking often takes no time away from what is starting. */
async function untilReady(ready: NonNullable<BareUnit['service']>['ready']): Promise<void> {
  if (!('url' in ready)) return untilTrue(() => opens(ready))
  const { hostname, port } = new URL(ready.url)
  await untilTrue(() => opens({ port: Number(port), address: hosts[hostname]! }))
  await untilTrue(() => call(ready))
}

async function untilTrue(attempt: () => Promise<unknown>): Promise<void> {
  for (const end = performance.now() + 20_000; ; await wait(2)) {
    try {
      await attempt()
      return
    } catch (cause) {
      if (performance.now() > end) throw cause
    }
  }
}

async function opens({ port, address }: { port: number; address: string }): Promise<void> {
  const socket = connect({ host: address, port })
  await once(socket, 'connect')
  socket.destroy()
}

async function write(unit: BareUnit, { path, text }: { path: string; text: string }): Promise<void> {
  let whole = text
  for (const [place, name] of text.matchAll(/"@\{json:([^}"]+)\}"/g)) {
    whole = whole.replace(place, await readFile(join(unit.folder, name!), 'utf8'))
  }
  await put(path, whole)
}

function enrolmentsIn(steps: readonly BareStep[]): Enrol[] {
  return steps.flatMap((step) =>
    'enrol' in step ? [step.enrol] : 'parallel' in step ? step.parallel.flatMap(enrolmentsIn) : [],
  )
}

async function enrol(step: Enrol): Promise<void> {
  const made = await (requests.get(step) ?? newRequest(step))
  const ott = await signOneTimeToken({ ...step, x5rt: made.x5rt })
  const resolveTo = hosts[new URL(step.url).hostname]
  const anchorPem = await readFile(step.anchor, 'utf8')
  const { certPem } = await signAtCa({ ...step, resolveTo, anchorPem, csrPem: made.csrPem, ott })
  await put(join(step.dir, 'key.pem'), made.keyPem)
  await put(join(step.dir, 'cert.pem'), certPem)
}

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(path, text, { mode: 0o600 })
}
