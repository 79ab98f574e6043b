import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { KnownSecrets } from '../credentials/known-secrets.ts'
import { redact, redactJson, secretsOf } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'
import type { UnitRef } from '../topology/plan.ts'
import { type FirstPause, WorkAhead } from './ahead.ts'
import { execute } from './execute.ts'
import { serveHandOver } from './hand-over.ts'
import { addressesFor, callFromNode, type NodeContext } from './node-context.ts'
import { signOneTimeToken } from './one-time-token.ts'
import {
  type ExecResult,
  type FromAgent,
  failureOf,
  type Operation,
  type Operations,
  type Request,
} from './protocol.ts'
import { serveSeat } from './seat-server.ts'
import { fillJson } from './template.ts'
import { readTextFrom } from './text-file.ts'
import { Unit } from './unit.ts'
import { sharedMode } from './unit-files.ts'

/** All programs must be gone 5 s after the coordinator: this leaves time for SIGKILL and the way out. */
const END_WITHIN_MS = 2_000

/** What all agents of a process have in common: they serve one run. */
export interface SharedByAgents extends Pick<NodeContext, 'plan' | 'settings' | 'serve'> {
  secrets: KnownSecrets
  say: (message: FromAgent) => void
  pause: FirstPause
}

type Handlers = { [Op in Operation]: (body: Operations[Op]['request']) => Promise<Operations[Op]['answer']> }

/** Runs the units of one node in the order of the plan, and serves the coordinator's requests. */
export class NodeAgent {
  readonly #context: NodeContext
  readonly #secrets: KnownSecrets
  readonly #units: Map<string, Unit>
  readonly #ready = new Set<UnitRef>()
  readonly #waiting = new Set<Unit>()
  /** What waits for its release, too. */
  readonly #held: Set<UnitRef>
  readonly #before: ReadonlySet<UnitRef>
  readonly #handlers: Handlers

  constructor(node: string, { plan, settings, secrets, say, serve, pause }: SharedByAgents) {
    this.#secrets = secrets
    this.#held = new Set(settings.held)
    this.#before = new Set(settings.before)
    this.#context = {
      plan,
      node: plan.nodes[node]!,
      dir: settings.dirs[node] as string,
      ...addressesFor(node, plan, settings),
      hostsFile: settings.hostsFiles[node]!,
      tools: settings.tools,
      ref: node,
      settings,
      ahead: new WorkAhead(plan, plan.nodes[node]!, pause),
      emit: (event) => {
        say({ type: 'event', event: redactJson({ at: new Date().toISOString(), node, ...event }, secrets) })
      },
      learn: (content, { mode }) => {
        if (Number.parseInt(mode, 8) & 0o004) return
        secrets.add(secretsOf(content))
        say({ type: 'secret', content: Buffer.from(content as string).toString('base64') })
      },
      serve,
    }
    this.#units = new Map(this.#context.node.units.map((unit) => [unit.name, new Unit(this.#context, unit)]))
    this.#handlers = this.#makeHandlers()
  }

  /** Starts what can be started at once; the rest follows as other units become ready. */
  async start(): Promise<void> {
    const { dir, settings } = this.#context
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    chmodSync(dir, sharedMode(this.#context))
    if (settings.agentSeats) {
      // One is left where power was lost.
      rmSync(join(dir, 'seat'), { force: true })
      await serveSeat(join(dir, 'seat'))
    }
    this.#context.emit({ event: 'agent-started', pid: process.pid })
    for (const unit of this.#units.values()) {
      if (unit.plan.start === undefined && !this.#before.has(unit.ref)) this.#waiting.add(unit)
    }
    this.#startPossible()
  }

  /** Starts what waited for these units. */
  unitsReady(refs: readonly UnitRef[]): void {
    for (const ref of refs) this.#ready.add(ref)
    this.#startPossible()
  }

  /** Stops everything that runs on this node, all at once. */
  async end(): Promise<void> {
    await Promise.allSettled([...this.#units.values()].map((unit) => unit.end(END_WITHIN_MS)))
  }

  #startPossible(): void {
    for (const unit of this.#waiting) {
      if (this.#held.has(unit.ref) || !unit.plan.after.every((ref) => this.#ready.has(ref))) continue
      this.#waiting.delete(unit)
      // What failed was told: nothing that waits for it starts.
      unit.run().then(
        () => this.unitsReady([unit.ref]),
        () => {},
      )
    }
  }

  /** What is held back is started before its turn; where that fails its turn is still to come. */
  async #start(unit: Unit): Promise<void> {
    if (this.#held.has(unit.ref)) {
      await unit.run()
      this.#held.delete(unit.ref)
      this.#waiting.delete(unit)
      return
    }
    // What its steps have kept up to date is so again once they have run.
    if (this.#before.has(unit.ref) && unit.plan.service === undefined) return unit.run()
    await unit.start()
    for (const next of this.#units.values()) {
      // The service is up, and yet not all is there that its start brings: whoever asked for it must not go on as if it were.
      if (next.plan.again !== undefined && next.plan.after.includes(unit.ref)) await next.run()
    }
  }

  #release(unit: Unit): void {
    if (!this.#held.delete(unit.ref)) throw unit.wrongState('is not held back')
    this.#startPossible()
  }

  /** A failure tells no secret that is known here. */
  async serve({ op, body }: Request): Promise<unknown> {
    try {
      return await (this.#handlers[op] as (body: unknown) => Promise<unknown>)(body)
    } catch (cause) {
      const { code, message } = failureOf(cause)
      throw new HoldfastError(code, redact(message, this.#secrets))
    }
  }

  #unit(name: string): Unit {
    const unit = this.#units.get(name)
    if (unit === undefined) {
      throw new HoldfastError('HOLDFAST_UNIT_UNKNOWN', `node ${this.#context.node.name} has no unit ${name}`)
    }
    return unit
  }

  async #run(name: string, input?: string): Promise<ExecResult> {
    const unit = this.#unit(name)
    const missing = unit.plan.after.filter((ref) => !this.#ready.has(ref))
    if (missing.length === 0) return unit.runAsked(input)
    throw unit.wrongState(`waits for ${missing.join(', ')}`)
  }

  #makeHandlers(): Handlers {
    const context = this.#context
    return {
      stop: async ({ unit }) => this.#unit(unit).stop(),
      start: ({ unit }) => this.#start(this.#unit(unit)),
      kill: async ({ unit }) => this.#unit(unit).kill(),
      pause: async ({ unit }) => this.#unit(unit).pause(),
      resume: async ({ unit }) => this.#unit(unit).resume(),
      release: async ({ unit }) => this.#release(this.#unit(unit)),
      signal: async ({ unit, signal }) => this.#unit(unit).signal(signal),
      run: ({ unit, input }) => this.#run(unit, input),
      exec: (body) => execute(context, body),
      'read-file': ({ path, from }) => readTextFrom(path, from),
      'one-time-token': async ({ provisioner, ...claims }) => {
        const filled = fillJson(provisioner, context, `${context.ref}: one-time token`)
        return signOneTimeToken({ ...claims, provisioner: filled })
      },
      call: async ({ call }) => {
        const { status, json } = await callFromNode(context, call, `${context.ref}: ${call.method} ${call.url}`)
        return { status, json }
      },
      serve: (body) => serveHandOver(context, body),
    }
  }
}
