import { resolve } from 'node:path'
import type { Unplaced } from '../agent/node-context.ts'
import type { Operation, Operations } from '../agent/protocol.ts'
import { HoldfastError } from '../errors.ts'
import { type DecisionRecord, readDecision } from '../evidence/decision.ts'
import type { SiteEvent } from '../evidence/event.ts'
import type { Seat } from '../protocols/seat.ts'
import { homeOf } from '../topology/networks.ts'
import type { PlanNode, PlanUnit } from '../topology/plan.ts'
import { AgentGone } from './agent-link.ts'
import type { ExecOptions, SiteNode } from './backend.ts'
import { decisionLogsOf } from './evidence-folder.ts'
import type { UnitStates } from './unit-states.ts'

const LINES_KEPT = 5_000

/** A unit is not ready, or not any more. Code `HOLDFAST_NOT_READY`. */
export class UnitNotReached extends HoldfastError {
  constructor(ref: string, message: string) {
    super('HOLDFAST_NOT_READY', `${ref} is not ready: ${message}`)
  }
}

export interface NodeParts {
  plan: PlanNode
  /** By network. */
  addresses: Readonly<Record<string, string>>
  seat(network: string): Seat
  dir: string
  enter?: readonly string[] | undefined
  /** Asks the node's agent; rejects with `AgentGone` where there is none. */
  ask<Op extends Operation>(op: Op, body: Operations[Op]['request']): Promise<Operations[Op]['answer']>
  tell(event: Unplaced<SiteEvent>): void
  /** Reads what a node without an agent left. */
  readLeft(path: string, from?: number): Promise<string>
  states: UnitStates
  /** How many times as long as elsewhere things may take on the node. */
  slowness?: number
}

/** One node of a launched site, by way of its agent. */
export class LaunchedNode implements SiteNode {
  readonly name: string
  readonly host: string
  readonly address: string
  readonly addresses: Readonly<Record<string, string>>
  readonly seat: Seat
  readonly dir: string
  readonly enter: readonly string[] | undefined
  readonly #parts: NodeParts
  readonly #decisionLogs = new Map<string, { bytes: number; records: DecisionRecord[]; read: Promise<void> }>()
  readonly #logs: { unit: string; line: string }[] = []

  constructor(parts: NodeParts) {
    this.#parts = parts
    this.name = parts.plan.name
    this.host = parts.plan.host
    this.addresses = parts.addresses
    this.address = this.addresses[homeOf(parts.plan)]!
    this.seat = this.seatIn(homeOf(parts.plan))
    this.dir = parts.dir
    this.enter = parts.enter
  }

  seatIn(network: string): Seat {
    if (Object.hasOwn(this.addresses, network)) return this.#parts.seat(network)
    const there = Object.keys(this.addresses).join(', ')
    throw new HoldfastError(
      'HOLDFAST_NETWORK_UNKNOWN',
      `node ${this.name} is not in network ${network}; it is in ${there}`,
    )
  }

  exec = async (argv: readonly string[], options?: ExecOptions) => {
    const result = await this.#parts.ask('exec', {
      argv: [...argv],
      timeoutMs: 30_000 * (this.#parts.slowness ?? 1),
      ...options,
    })
    this.#parts.tell({ event: 'executed', argv, code: result.code, signal: result.signal })
    return result
  }

  run: SiteNode['run'] = async (unit, options) => this.#parts.ask('run', { unit: this.#planned(unit).name, ...options })

  /** `from`: the byte to begin at. */
  readFile(path: string, from?: number): Promise<string> {
    const absolute = resolve(this.dir, path)
    return this.#parts.ask('read-file', { path: absolute, from }).catch((cause: unknown) => {
      if (cause instanceof AgentGone) return this.#parts.readLeft(absolute, from)
      throw cause
    })
  }

  async waitForUnit(
    unit: string,
    { timeoutMs = 60_000 * (this.#parts.slowness ?? 1) }: { timeoutMs?: number } = {},
  ): Promise<void> {
    const ref = `${this.name}/${this.#planned(unit).name}` as const
    const { promise, resolve: done, reject } = Promise.withResolvers<void>()
    const fail = (message: string) => reject(new UnitNotReached(ref, message))
    const limit = setTimeout(() => fail(`it still waits after ${timeoutMs} ms`), timeoutMs)
    const stopWatching = this.#parts.states.watch(ref, ({ phase, message = 'unknown' }) => {
      if (phase === 'ready') done()
      else if (phase !== 'waiting') fail(message)
    })
    try {
      await promise
    } finally {
      stopWatching()
      clearTimeout(limit)
    }
  }

  stop = (unit?: string) => this.#each('stop', unit, this.#services().reverse())
  start = (unit?: string) => this.#each('start', unit)
  kill = (unit?: string) => this.#each('kill', unit)
  pause = (unit?: string) => this.#each('pause', unit)
  resume = (unit?: string) => this.#each('resume', unit)
  release = (unit: string) => this.#each('release', unit)

  async signal(signal: NodeJS.Signals, unit?: string): Promise<void> {
    for (const name of unit === undefined ? this.#services() : [unit])
      await this.#parts.ask('signal', { unit: name, signal })
  }

  logs(unit?: string): readonly string[] {
    return this.#logs.filter((entry) => unit === undefined || entry.unit === unit).map((entry) => entry.line)
  }

  addLog(unit: string, line: string): void {
    this.#logs.push({ unit, line })
    if (this.#logs.length > LINES_KEPT) this.#logs.splice(0, LINES_KEPT / 10)
  }

  async decisions(unit?: string): Promise<readonly DecisionRecord[]> {
    const units = unit === undefined ? this.#parts.plan.units : [this.#planned(unit)]
    const logs: (readonly DecisionRecord[])[] = []
    for (const path of decisionLogsOf(units, this)) logs.push(await this.#recordsIn(path))
    const records = logs.flat()
    // A log stays in its own order, which a clock that was moved back would break.
    if (logs.filter(({ length }) => length > 0).length < 2) return records
    return records.sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0))
  }

  /** All records of a log. It only grows, and is asked for at every call: so what was read before is kept. */
  async #recordsIn(path: string): Promise<readonly DecisionRecord[]> {
    const log = this.#decisionLogs.get(path) ?? { bytes: 0, records: [], read: Promise.resolve() }
    this.#decisionLogs.set(path, log)
    log.read = log.read
      .catch(() => {})
      .then(async () => {
        const text = await this.readFile(path, log.bytes).catch((cause: NodeJS.ErrnoException) => {
          if (cause.code === 'ENOENT') return ''
          throw cause
        })
        // The last line may still be being written.
        const whole = text.slice(0, text.lastIndexOf('\n') + 1)
        const read = whole.split('\n').slice(0, -1)
        const at = (index: number) => ({ node: this.name, file: path, line: log.records.length + index + 1 })
        log.records.push(...read.map((line, index) => readDecision(line, at(index))))
        log.bytes += Buffer.byteLength(whole)
      })
    await log.read
    return log.records
  }

  /** What a log had that its machine did not keep is not there any more, and it goes on from elsewhere. */
  forgetDecisions(): void {
    this.#decisionLogs.clear()
  }

  #planned(unit: string): PlanUnit {
    const { units } = this.#parts.plan
    const found = units.find(({ name }) => name === unit)
    if (found === undefined) {
      const known = units.map(({ name }) => name).join(', ')
      throw new HoldfastError('HOLDFAST_UNIT_UNKNOWN', `node ${this.name} has no unit ${unit}; its units are ${known}`)
    }
    return found
  }

  #services(): string[] {
    return this.#parts.plan.units.filter(({ service }) => service !== undefined).map(({ name }) => name)
  }

  async #each(
    operation: 'stop' | 'start' | 'kill' | 'pause' | 'resume' | 'release',
    unit: string | undefined,
    all = this.#services(),
  ): Promise<void> {
    for (const name of unit === undefined ? all : [unit]) {
      this.#planned(name)
      await this.#parts.ask(operation, { unit: name })
    }
  }
}
