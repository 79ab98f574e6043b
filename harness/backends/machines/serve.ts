import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import net, { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { killProcessesOf, processesOf } from '../../agent/labelled.ts'
import { failureOf, type RunSettings } from '../../agent/protocol.ts'
import { firstLine, pass, untilMore } from '../../agent/seat-server.ts'
import { readTextFrom } from '../../agent/text-file.ts'
import { HoldfastError } from '../../errors.ts'
import { trustEnvironment } from '../../settings.ts'
import { findNssWrapper, nssWrapperEnvironment } from '../../toolchain/nss-wrapper.ts'
import type { Plan } from '../../topology/plan.ts'
import { agentEnvironment, agentProgram } from '../agent-child.ts'
import { removeCopies } from '../copies.ts'
import { dieWithParent, ownIpc } from '../processes.ts'
import { demandOwnFolder, isLabel } from '../run-folder.ts'
import { keyServer } from './key-stream.ts'
import { type Bounds, keepAlive, Lead } from './lead.ts'
import { type Asked, eachLine, FRAME, type Hosts, type Start } from './served.ts'

/** Files of agents, after the name of the first of their nodes. */
const PLAN = '.plan.json'
const SETTINGS = '.settings.json'

export interface ServeOptions {
  address: string
  /** 0 is any free one. */
  port: number
  key: Buffer
  /** Absolute: for folders of runs (0700), each with those of its nodes. Made with mode 0700 where it is not there. */
  dir: string
  /** When whoever leads is told of this end, and counts as gone. Default: as `served.ts` says. */
  bounds?: Bounds | undefined
}

export interface Serving extends AsyncDisposable {
  readonly port: number
}

/** The folder of runs cannot be trusted with keys. Code `HOLDFAST_SERVED_FOLDER`. */
class FolderNotOurs extends HoldfastError {
  constructor(dir: string, what: string) {
    super('HOLDFAST_SERVED_FOLDER', `${dir} ${what}; name a folder of yours with --dir`)
  }
}

/** What is asked of this machine cannot be done here. Code `HOLDFAST_MACHINE_REFUSED`. */
class Refused extends HoldfastError {
  constructor(what: string) {
    super('HOLDFAST_MACHINE_REFUSED', what)
  }
}

/** Starts agents for whoever has the key, on this machine, and ends what they started when he is gone. Resolves once it listens. */
export async function serveMachine({ address, port, key, dir, bounds }: ServeOptions): Promise<Serving> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await demandOwnFolder(dir, (what) => new FolderNotOurs(dir, what))
  const machine = new Machine(dir, bounds)
  const left = await machine.runsThere()
  const server = keyServer(key, (stream) => void machine.answer(stream))
  server.listen(port, address)
  await once(server, 'listening')
  await machine.removeDead(left)
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
      await machine.end()
    },
  }
}

class Machine {
  readonly #dir: string
  readonly #bounds: ServeOptions['bounds']
  readonly #lead = new Lead((run) => this.#sweep(run, this.#folderOf(run)))
  /** Streams that ask, and agents that run. */
  readonly #streams = new Set<TLSSocket>()
  readonly #agents = new Map<string, { child: ChildProcess; gone: Promise<unknown> }>()
  /** Runs of which something may be here. */
  readonly #led = new Set<string>()

  constructor(dir: string, bounds: ServeOptions['bounds']) {
    this.#dir = dir
    this.#bounds = bounds
  }

  async answer(stream: TLSSocket): Promise<void> {
    this.#streams.add(stream)
    stream.once('close', () => this.#streams.delete(stream))
    try {
      const asked = (await firstLine(stream)) as Asked
      const body = asked.bytes === undefined ? undefined : JSON.parse(await readBytes(stream, asked.bytes))
      const answer = await this.#serve(stream, asked, body)
      if (answer !== undefined) stream.end(`${JSON.stringify({ value: answer })}\n`)
    } catch (cause) {
      if (stream.writable) stream.end(`${JSON.stringify({ failure: failureOf(cause) })}\n`)
    }
  }

  /** Undefined where the stream goes on. */
  async #serve(stream: TLSSocket, asked: Asked, body: unknown): Promise<unknown> {
    const folder = this.#folderOf(asked.run)
    if (asked.op === 'agents' || asked.op === 'seat' || asked.op === 'hosts') this.#lead.demand(asked.run)
    switch (asked.op) {
      case 'lead':
        return this.#beLed(stream, asked.run)
      case 'agents':
        return this.#start(stream, { ...asked, folder }, body as Start)
      case 'seat':
        return sit(stream, join(folder, 'nodes', nameOf(asked.node), 'seat'))
      case 'hosts':
        this.#led.add(asked.run)
        await writeHosts(folder, body as Hosts)
        return true
      case 'read':
        return readTextFrom(await pathWithin(folder, asked.path), asked.from)
      case 'kill':
        return this.#kill(asked.run, asked.nodes)
      case 'sweep':
        return this.#sweep(asked.run, folder)
      default:
        throw new Refused(`${JSON.stringify((asked as { op: unknown }).op)} is nothing that is done here`)
    }
  }

  async #beLed(stream: TLSSocket, run: string): Promise<undefined> {
    await this.#lead.give(run, stream)
    stream.write(`${JSON.stringify({ value: true })}\n`)
    stream.once('end', () => stream.destroy())
    keepAlive(stream, this.#bounds)
  }

  #folderOf(run: string): string {
    return join(this.#dir, nameOf(run))
  }

  async #start(stream: TLSSocket, asked: { run: string; nodes: readonly string[]; folder: string }, start: Start) {
    const { run, nodes, folder } = asked
    const plan = start.plan as Plan
    for (const node of nodes) nameOf(node)
    this.#led.add(run)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const ours = settingsHere(start.settings, folder)
    const file = (ending: string) => join(folder, `${nodes[0]}${ending}`)
    const [planFile, settingsFile] = [file(PLAN), file(SETTINGS)]
    await writeFile(planFile, JSON.stringify(plan), { mode: 0o600 })
    await writeFile(settingsFile, JSON.stringify(ours), { mode: 0o600 })
    const [program = '', ...argv] = agentProgram('main')
    const child = spawn(program, [...argv, 'run', '--plan', planFile, '--settings', settingsFile, ...nodes], {
      detached: true,
      cwd: folder,
      env: { ...agentEnvironment(run), ...trustEnvironment() },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const units = nodes.flatMap((node) => plan.nodes[node]!.units.map(({ name }) => `${node}/${name}` as const))
    // What its agents left goes with them.
    const gone = once(child, 'close')
      .catch(() => [null, null])
      .then(async (how) => {
        await Promise.all(units.map((unit) => killProcessesOf({ run, unit })))
        return how as [code: number | null, signal: string | null]
      })
    this.#agents.set(keyOf(run, nodes), { child, gone })
    couple(stream, child)
    // Files of agents that ended can be read as long as somebody leads them; without him, keys must not stay.
    untilClosed(stream)
      .then(() => gone)
      .then(() => this.#sweep(run, folder))
      .catch(() => {})
    const [code, signal] = await gone
    this.#agents.delete(keyOf(run, nodes))
    stream.write(`${FRAME.ended}${JSON.stringify({ code, signal })}\n`)
    // Whoever led them hangs up when he has read what they left, or is gone.
    if (stream.readableEnded) stream.end()
    else stream.once('end', () => stream.end())
    return undefined
  }

  async #kill(run: string, nodes: readonly string[]): Promise<boolean> {
    const agents = this.#agents.get(keyOf(run, nodes))
    agents?.child.kill('SIGKILL')
    await agents?.gone
    return agents !== undefined
  }

  /** Ends and removes what is left of a run. Resolves with how many processes that were. */
  async #sweep(run: string, folder: string): Promise<number> {
    const prefix = `${run} `
    const ours = [...this.#agents].filter(([key]) => key.startsWith(prefix)).map(([, agents]) => agents)
    for (const { child } of ours) child.kill('SIGKILL')
    await Promise.all(ours.map(({ gone }) => gone))
    const left = await killProcessesOf({ run })
    await removeCopiesOf(folder)
    this.#led.delete(run)
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    this.#lead.ended(run)
    return ours.length + left
  }

  async end(): Promise<void> {
    for (const { child } of this.#agents.values()) child.stdin?.end()
    await Promise.all([...this.#agents.values()].map(({ gone }) => gone))
    for (const stream of this.#streams) stream.destroy()
    // Nobody can lead what is left, nor ask for it.
    await Promise.all([...this.#led].map((run) => this.#sweep(run, this.#folderOf(run))))
  }

  async runsThere(): Promise<string[]> {
    const entries = await readdir(this.#dir, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory() && isLabel(entry.name)).map(({ name }) => name)
  }

  /** Removes what a server that was killed left. What has processes is led through another one, or about to end. */
  async removeDead(runs: readonly string[]): Promise<void> {
    for (const run of runs) {
      if ((await processesOf({ run })).length === 0) await this.#sweep(run, this.#folderOf(run))
    }
  }
}

function keyOf(run: string, nodes: readonly string[]): string {
  return `${run} ${nodes.join(' ')}`
}

/** A name becomes part of a path: it must be no more than a name. @throws Refused */
function nameOf(name: string): string {
  if (/^[a-z0-9][a-z0-9-]*$/.test(name)) return name
  throw new Refused(`${JSON.stringify(name)} is no name of a run or a node`)
}

/** A path that leads, links and all, to a file in a folder. @throws Refused */
async function pathWithin(folder: string, path: string): Promise<string> {
  const [real, within] = await Promise.all([realpath(path), realpath(folder)])
  if (real.startsWith(`${within}/`)) return real
  throw new Refused(`${path} is not in the folder of its run`)
}

/** What agents of a run copied out of its folder for as long as it goes on. */
async function removeCopiesOf(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [] as string[])
  const json = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8')) as unknown
  for (const plan of names.filter((name) => name.endsWith(PLAN))) {
    const settings = plan.slice(0, -PLAN.length) + SETTINGS
    // One that was being written when all ended was nobody's yet.
    const [of, told] = await Promise.all([json(plan), json(settings)]).catch(() => [])
    if (of !== undefined) await removeCopies(of as Plan, told as RunSettings)
  }
}

/** At once where it is closed already, and however it closes: an error on the way there is none of who waits for it. */
function untilClosed(stream: TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) resolve()
    else stream.once('close', () => resolve())
  })
}

/** Settings of a run, where what depends on the machine is this one's. */
function settingsHere(told: RunSettings, folder: string): RunSettings {
  const library = findNssWrapper()
  const hostsFiles = Object.fromEntries(Object.keys(told.dirs).map((node) => [node, hostsFileOf(folder, node)]))
  const names = Object.entries(hostsFiles).map(([node, file]) => [node, nssWrapperEnvironment(library ?? '', file)])
  return {
    ...told,
    hostsFiles,
    libcNames: library === undefined ? undefined : Object.fromEntries(names),
    environment: agentEnvironment(told.run),
    dieWithParent: dieWithParent(),
    ownIpc: ownIpc(),
  }
}

function hostsFileOf(folder: string, node: string): string {
  return join(folder, 'hosts', nameOf(node))
}

/** Each is replaced whole: whoever reads it meanwhile reads the one or the other. */
async function writeHosts(folder: string, hosts: Hosts): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await mkdir(join(folder, 'hosts'), { recursive: true })
  for (const [node, text] of Object.entries(hosts)) {
    const file = hostsFileOf(folder, node)
    await writeFile(`${file}.new`, text)
    await rename(`${file}.new`, file)
  }
}

/** Their lines, framed, to the stream, and its lines to them. Without it, or without whoever is at its end, their input ends. */
function couple(stream: TLSSocket, child: ChildProcess): void {
  const { stdin, stdout, stderr } = child
  stdin!.on('error', () => {})
  eachLine(stdout!, (line) => stream.write(`${FRAME.output}${line}\n`))
  eachLine(stderr!, (line) => stream.write(`${FRAME.errors}${line}\n`))
  eachLine(stream, (line) => {
    if (line === FRAME.inputEnds) stdin!.end()
    else stdin!.write(`${line.slice(FRAME.input.length)}\n`)
  })
  stream.on('end', () => stdin!.end())
  // It may have been over before.
  if (stream.readableEnded) stdin!.end()
  void untilClosed(stream).then(() => stdin!.end())
}

/** Passes what follows on to the seat of a node. */
async function sit(stream: TLSSocket, path: string): Promise<undefined> {
  const seat = net.connect({ path, allowHalfOpen: true })
  await once(seat, 'connect')
  pass(stream, seat)
}

async function readBytes(stream: TLSSocket, count: number): Promise<string> {
  const chunks: Buffer[] = []
  let missing = count
  while (missing > 0) {
    const chunk = stream.read(Math.min(missing, stream.readableLength || missing)) as Buffer | null
    if (chunk !== null) {
      chunks.push(chunk)
      missing -= chunk.length
    } else await untilMore(stream, 'it ended before all of it had come')
  }
  return Buffer.concat(chunks).toString('utf8')
}
