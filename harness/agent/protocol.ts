import { HoldfastError } from '../errors.ts'
import type { SiteEvent } from '../evidence/event.ts'
import type { Addresses } from '../topology/networks.ts'
import type { HttpCall, UnitRef } from '../topology/plan.ts'
import type { OneTimeTokenClaims } from './one-time-token.ts'

/**
 * What the coordinator and a process of node agents say to each other: one JSON value per line, on the process's stdin and stdout.
 * The end of stdin means that the coordinator is gone: the agents stop everything and exit.
 */

/** Everything about a run that a plan does not say. Written by the backend, read by the agent at its start. */
export interface RunSettings {
  /** Label of the run; every process carries it as `HOLDFAST_RUN`. */
  run: string
  /** Addresses of all nodes. */
  addresses: Addresses
  /** Folder of each node, by name: its agent makes it. */
  dirs: Readonly<Record<string, string>>
  /** Whether agents serve seats for tests, each as `seat` in its folder. */
  agentSeats: boolean
  /** By node: path of the hosts file that its programs resolve names with (`hosts-file.ts`). */
  hostsFiles: Readonly<Record<string, string>>
  /** Whether those are where every program looks by itself. */
  ownHosts?: boolean | undefined
  /** By node: environment in which programs on libc read it; Node programs have another way. Absent where this machine has none. */
  libcNames?: Readonly<Record<string, Record<string, string>>> | undefined
  /** Paths of the real programs, by name. */
  tools: Record<string, string>
  /** Folder in which each reference node is one file; absent where they run from their own. */
  services?: string | undefined
  /** Environment that every program of the run starts from. */
  environment: Record<string, string>
  /** By node: what its programs need to follow its own clock; absent where they go by the machine's. */
  clocks?: Record<string, Record<string, string>>
  /** Added for the programs of a node (`NODE`) or a unit (`NODE/UNIT`), and for a service that is run beside them (`NODE/service:NAME`). */
  extra: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Units that wait until they are released, however ready all is that they come after. */
  held?: readonly UnitRef[] | undefined
  /** Units of a node that were done or started before its machine lost its power: their files are there, and they start when they are told to. */
  before?: readonly UnitRef[] | undefined
  /** How many times as long as elsewhere programs may take on these nodes; absent for 1. */
  slowness?: number | undefined
  /** Program and arguments to put before a command so that it dies with its agent; empty where the system has none. */
  dieWithParent: string[]
  /** The same for shared memory of System V in a namespace of its own (`PlanUnit.ownIpc`). Absent: the system has none. */
  ownIpc?: string[] | undefined
}

/** Position of a step in its unit: index, and for a step inside `parallel` also lane and index there. */
export type StepPath = number[]

/**
 * A hand-over that the receiver asks for: only its place in the plan is named, so nothing else can be asked for. `x5t`: which of
 * the receiver's certificates a minted token is to be bound to; the issuer takes those only that were proven to it. `seen`: the
 * state of the files that the receiver has, so that the answer waits for another one.
 */
export type HandOver =
  | { kind: 'receive'; unit: UnitRef; step: StepPath; x5t?: string; seen?: string }
  | { kind: 'one-time-token'; unit: UnitRef; step: StepPath; x5rt: string }

/** What is handed over, by kind: a text that was minted or signed, or files. */
export interface HandedOver {
  receive: string | HandedFiles
  'one-time-token': string
}

/** Files by name, in base64. `state` tells one content of the source from another. */
export interface HandedFiles {
  files: Readonly<Record<string, string>>
  state: string
}

/** How a program ended, and what it said. */
export interface ExecResult {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

type OnUnit = Record<
  'stop' | 'start' | 'kill' | 'pause' | 'resume' | 'release',
  { request: { unit: string }; answer: unknown }
>

/** Every operation that the coordinator can request of an agent. */
export interface Operations extends OnUnit {
  exec: {
    request: { argv: string[]; env?: Record<string, string>; input?: string; timeoutMs: number }
    answer: ExecResult
  }
  /** `path` is absolute. `from`: the byte to begin at, for files that grow. */
  'read-file': { request: { path: string; from?: number }; answer: string }
  /** Runs a oneshot that is started on demand; `input` comes to its programs. */
  run: { request: { unit: string; input?: string }; answer: ExecResult }
  signal: { request: { unit: string; signal: NodeJS.Signals }; answer: unknown }
  /** Signs a one-time token of a CA on this node for a test. */
  'one-time-token': { request: OneTimeTokenClaims; answer: string }
  call: { request: { call: HttpCall }; answer: { status: number; json: unknown } }
  /** Serves a hand-over for another node. */
  serve: { request: HandOver; answer: HandedOver[HandOver['kind']] }
}

export type Operation = keyof Operations

export interface Failure {
  code: string
  message: string
}

/** To the agent of one node. */
export type Request = {
  [Op in Operation]: { type: 'request'; id: number; node: string; op: Op; body: Operations[Op]['request'] }
}[Operation]

type Answer = { type: 'answer'; id: number; value: unknown } | { type: 'answer'; id: number; failure: Failure }

export type ToAgent =
  /** To all agents of the process. */
  { type: 'units-ready'; refs: UnitRef[] } | Request | Answer

export type FromAgent =
  | { type: 'event'; event: SiteEvent }
  /** What is a secret from now on, as base64. Both ends keep it in memory, and nobody writes this line down. */
  | { type: 'secret'; content: string }
  | Answer
  /** To the node that has the source. */
  | Extract<Request, { op: 'serve' }>

interface Hearing<Heard> {
  told(message: Exclude<Heard, Request | Answer>): void
  /** What it resolves or rejects with is answered. */
  asked(request: Extract<Heard, Request>): Promise<unknown>
  /** What was heard has ended or broken; it may be told so twice. */
  ended?(): void
}

/** One end of the line. */
export class Line<Said, Heard> {
  #next = 1
  /** Requests of this end that are in flight, by id. */
  readonly #waiting = new Map<number, { node: string; resolve(value: never): void; reject(failure: Error): void }>()
  readonly #output: NodeJS.WritableStream

  constructor(input: NodeJS.ReadableStream, output: NodeJS.WritableStream, on: Hearing<Heard>) {
    this.#output = output
    let rest = ''
    input.setEncoding('utf8')
    input.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() as string
      for (const line of lines) if (line !== '') this.#hear(JSON.parse(line), on)
    })
    for (const event of ['end', 'close', 'error']) input.on(event, () => on.ended?.())
  }

  #hear(message: ToAgent | FromAgent, on: Hearing<Heard>): void {
    if (message.type === 'request') void this.#answer(message.id, on.asked(message as Extract<Heard, Request>))
    else if (message.type !== 'answer') on.told(message as Exclude<Heard, Request | Answer>)
    else {
      const waiting = this.#waiting.get(message.id)
      this.#waiting.delete(message.id)
      if ('failure' in message) waiting?.reject(new HoldfastError(message.failure.code, message.failure.message))
      else waiting?.resolve(message.value as never)
    }
  }

  say(message: Said | Request | Answer): void {
    if (this.#output.writable) this.#output.write(`${JSON.stringify(message)}\n`)
  }

  ask<Op extends Operation>(node: string, op: Op, body: Operations[Op]['request']): Promise<Operations[Op]['answer']> {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { node, resolve, reject })
      this.say({ type: 'request', id, node, op, body } as Request)
    })
  }

  async #answer(id: number, answer: Promise<unknown>): Promise<void> {
    try {
      this.say({ type: 'answer', id, value: await answer })
    } catch (cause) {
      this.say({ type: 'answer', id, failure: failureOf(cause) })
    }
  }

  /** Nobody answers any more. */
  abandon(failureOf: (node: string) => Error): void {
    for (const { node, reject } of this.#waiting.values()) reject(failureOf(node))
    this.#waiting.clear()
  }
}

export function failureOf(cause: unknown): Failure {
  const code = (cause as { code?: unknown }).code
  const message = cause instanceof Error ? cause.message : String(cause)
  return { code: typeof code === 'string' ? code : 'HOLDFAST_AGENT_FAILED', message }
}
