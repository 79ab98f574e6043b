import type { Readable, Writable } from 'node:stream'
import { type FromAgent, Line, type Operation, type Operations, type Request, type ToAgent } from '../agent/protocol.ts'
import { HoldfastError } from '../errors.ts'
import type { SiteEvent } from '../evidence/event.ts'
import type { UnitRef } from '../topology/plan.ts'

/** The agent of a node is gone. Code `HOLDFAST_AGENT_GONE`. */
export class AgentGone extends HoldfastError {
  constructor(node: string) {
    super('HOLDFAST_AGENT_GONE', `the agent of node ${node} is gone; launch the site again`)
  }
}

/** What an agent asks the agent of another node. */
export type Ask = Extract<FromAgent, Request>

/** A running process of agents, however the backend reached it. */
export interface AgentProcess {
  readonly input: Writable
  readonly output: Readable
  /** What the process itself has to say, as text: warnings of its runtime, and why it could not start. */
  readonly errors: Readable
  /** Resolves when it has ended. */
  readonly ended: Promise<{ code: number | null; signal: string | null }>
  /** Ends it at once. */
  kill(): void
  /** Ends what its agents started and left behind, by the main processes of their units. */
  killUnits(pids: readonly number[]): void
}

/** An agent must have ended this long after its input: it gives its programs 2 s. */
const END_WITHIN_MS = 4_000

/** The coordinator's end of the line to the agents of one process. */
export class AgentLink {
  readonly nodes: readonly string[]
  readonly #process: AgentProcess
  readonly #endWithinMs: number
  #gone = false
  readonly #line: Line<ToAgent, FromAgent>

  constructor(
    nodes: readonly string[],
    process: AgentProcess,
    on: {
      event: (event: SiteEvent) => void
      secret: (content: Uint8Array) => void
      ask: (ask: Ask) => Promise<unknown>
    },
    slowness = 1,
  ) {
    this.#endWithinMs = END_WITHIN_MS * slowness
    this.nodes = nodes
    this.#process = process
    // A write to an agent that has just died; its end is reported by `ended`.
    process.input.on('error', () => {})
    this.#line = new Line<ToAgent, FromAgent>(process.output, process.input, {
      told: (message) => {
        if (message.type === 'event') on.event(message.event)
        else on.secret(Buffer.from(message.content, 'base64'))
      },
      asked: on.ask,
    })
    void process.ended.then(() => {
      this.#gone = true
      this.#line.abandon((node) => new AgentGone(node))
    })
  }

  get isGone(): boolean {
    return this.#gone
  }

  request<Op extends Operation>(
    node: string,
    op: Op,
    body: Operations[Op]['request'],
  ): Promise<Operations[Op]['answer']> {
    if (this.#gone) return Promise.reject(new AgentGone(node))
    return this.#line.ask(node, op, body)
  }

  unitsReady(refs: UnitRef[]): void {
    if (!this.#gone && refs.length > 0) this.#line.say({ type: 'units-ready', refs })
  }

  /** Tells the agents to stop everything and to end, by the end of their input. Resolves when they have. */
  async end(): Promise<void> {
    this.#process.input.end()
    const late = setTimeout(() => this.#process.kill(), this.#endWithinMs)
    await this.#process.ended
    clearTimeout(late)
  }
}
