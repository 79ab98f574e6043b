import type { OneTimeTokenClaims } from '../agent/one-time-token.ts'
import type { ExecResult } from '../agent/protocol.ts'
import type { KnownSecrets } from '../credentials/known-secrets.ts'
import { HoldfastError } from '../errors.ts'
import type { DecisionRecord } from '../evidence/decision.ts'
import type { SiteEvent } from '../evidence/event.ts'
import type { Environments } from '../faults/sabotage.ts'
import type { Seat } from '../protocols/seat.ts'
import type { HttpCall, Plan, UnitRef } from '../topology/plan.ts'
import type { RunRecord } from './run-folder.ts'

export type BackendName = 'process' | 'netns' | 'container' | 'swarm' | 'vm' | 'machines'

/** What a backend can do beyond running nodes. Absent means no. */
export interface Capabilities {
  /** Every node has an address of its own. */
  ownAddress?: boolean
  /** Every program finds the hosts of the plan by their names, in whatever language it is written. */
  names?: boolean
  /** Every node has an /etc/hosts of its own, in which programs find the hosts of the plan as they find any. */
  ownHosts?: boolean
  /** Nodes that share no network cannot reach each other. Without it they do not find each other by their names, and that is all. */
  networks?: boolean
  ownUsers?: boolean
  ownClock?: boolean
  ownKernel?: boolean
  partition?: boolean
  /** What passes between two nodes can be late, or lost now and then. */
  impairment?: boolean
  pause?: boolean
  remoteHosts?: boolean
}

export interface Backend {
  readonly name: BackendName
  readonly capabilities: Capabilities
  /** Why this machine cannot run the backend, or `undefined` when it can. */
  unavailable(): Promise<string | undefined>
  /** What is to be known of it here where it can run; one line. */
  remark?(): string | undefined
  /** Why it lacks a capability that it could have on another machine, and what to type; undefined where there is no more to say. */
  whyLacking?(capability: keyof Capabilities): string | undefined
  /** Its nodes stand already, so that one site at a time can have them: whoever has several launches one after the other. */
  readonly servesOneSite?: boolean
  /** How many sites of it this machine bears at once; absent where that is no matter. Who runs files of scenarios side by side asks. */
  sitesAtOnce?(): number
  /** Why it cannot run this plan with what it was given, which others it can; undefined when it can. */
  unfit?(plan: Plan): string | undefined
  /** Starts every node and resolves when all units are ready; on failure releases everything and rejects. */
  launch(plan: Plan, options: LaunchOptions): Promise<Site>
  /** Ends what still runs of a run whose coordinator died. Resolves with how many processes that were. */
  sweep(record: RunRecord): Promise<number>
  /** Reads a file of a node whose agent is gone, as far as it can still be reached; rejects with `ENOENT` where there is none. */
  readLeft(record: Pick<RunRecord, 'run'>, path: string, from?: number): Promise<string>
}

/** The named backend does not exist here. Code `HOLDFAST_BACKEND_UNKNOWN`. */
export class UnknownBackend extends HoldfastError {
  constructor(name: string, known: readonly Backend[]) {
    const names = known.map((one) => one.name).join(', ')
    super('HOLDFAST_BACKEND_UNKNOWN', `there is no backend "${name}"; known: ${names}`)
  }
}

export interface LaunchOptions {
  /** Folder that keeps evidence of this run (created 0700). Default `.holdfast/runs/<run>` under the working directory. */
  evidence?: string
  /** Leave a failed site running and say how to reach it. */
  keep?: boolean
  /** `movable`: `site.clock` moves the clocks of the nodes while they run. Takes capability `ownClock`. Default: the machine's clock. */
  clock?: 'movable'
  /** `site.partition` cuts nodes off from each other. Takes capability `partition`; on some backends all traffic of the site then goes another way. */
  partition?: boolean
  /** Seconds ahead of the machine at which movable clocks begin; negative for behind. Default 0. */
  clockStartsAt?: number
  /**
   * Units that wait until they are released, however ready all is that they come after. Such a launch resolves once the agents were
   * started: how far the units are is seen by `waitForUnit`.
   */
  hold?: readonly UnitRef[]
  /** Paths of programs that whoever enters a node starts there, beyond what the plan names. */
  programs?: readonly string[]
  signal?: AbortSignal
  /** Called for every event of every node, in the order in which they came. */
  onEvent?: (event: SiteEvent) => void
  /**
   * Extra environment for the programs of one node (`NODE`) or one unit (`NODE/UNIT`), or for a service that a test runs on a node
   * (`NODE/service:NAME`): faults and sabotage come from outside.
   */
  env?: Environments
}

/** A launched plan: its nodes can be called, inspected, stopped, cut off. Disposing stops everything, in reverse order. */
export interface Site extends AsyncDisposable {
  /** Label of this run: lower-case letters, digits and hyphens. Everything that the run made carries it. */
  readonly run: string
  readonly plan: Plan
  readonly backend: BackendName
  readonly capabilities: Capabilities
  /** How many times as long as elsewhere things may take on its nodes; absent for 1. Bounds of waits are so much longer. */
  readonly slowness?: number | undefined
  /** Folder of the evidence that this run keeps. */
  readonly evidence: string
  /** What must not stand in it: what nodes were handed or made, and what tests make, who add it. */
  readonly secrets: KnownSecrets
  /** All nodes of the plan, by name. */
  readonly nodes: ReadonlyMap<string, SiteNode>
  node(name: string): SiteNode
  /** Ms that every unit took, by `node/unit`: from its last dependency being ready to being ready itself. */
  readonly timings: ReadonlyMap<string, number>
  /** All events so far. */
  events(): readonly SiteEvent[]
  /**
   * A one-time token of the CA on `node`, for a CSR that the caller made: how a test gets a certificate of its own.
   * `x5rt` is base64url SHA-256 of the CSR's DER.
   */
  oneTimeToken(node: string, request: OneTimeTokenClaims): Promise<string>
  /** Makes an HTTP call from a node with the TLS files that lie there (an operator's, say). Resolves with status and parsed JSON. */
  callFrom(node: string, call: HttpCall): Promise<{ status: number; json: unknown }>
  /**
   * Cuts two nodes off from each other, both ways: nothing passes any more, and neither is told. Without capability `partition`, it rejects
   * with `HOLDFAST_NOT_SUPPORTED`; on a site that was launched without `partition: true`, with `HOLDFAST_NETWORK_WHOLE`, where the backend
   * has to lead all traffic another way for it.
   */
  partition(a: string, b: string): Promise<void>
  /**
   * From now on, what passes between two nodes, either way, is late and lost as told, until the next word on these two, or until `heal`. Without
   * capability `impairment`, it rejects with `HOLDFAST_NOT_SUPPORTED`; for what cannot be, with `HOLDFAST_IMPAIRMENT`.
   */
  impair(a: string, b: string, how: Impairment): Promise<void>
  /** Ends all partitions and impairments: what was held back arrives. */
  heal(): Promise<void>
  /**
   * The clock of one node, or, without a name, of all nodes. Without capability `ownClock`, moving it rejects with
   * `HOLDFAST_NOT_SUPPORTED`; on a site that was launched without `clock: 'movable'`, with `HOLDFAST_CLOCK_FIXED`.
   */
  clock(node?: string): SiteClock
  /** A node as a machine: for what no program of it can do. */
  machine(node: string): SiteMachine
  /** A TCP address for each host name of the plan, for clients that run beside the nodes: that of its node at home. */
  resolve(host: string): string | undefined
  /** Seats at so many addresses of a network that are nobody's. Default: in the home of the first node. */
  strangers(count: number, network?: string): readonly Seat[]
  /**
   * Leads the nodes to another address with the next look at a host name of the plan, or, without one, to its node again.
   * Connections stay as they are, and so does `resolve`. Absent where names are not the backend's own.
   */
  lead?(host: string, address?: string): Promise<void>
}

/** How what passes between two nodes fares, frame by frame. */
export interface Impairment {
  /** So much later each way, 0 to 10 000. Default 0. */
  readonly delayMs?: number
  /** The share that is lost: from 0, none, to less than 1, all, which is a partition. Default 0. */
  readonly loss?: number
  /** Of the choice of what is lost: the same one chooses alike. A whole number from 0 to 4 294 967 295. Default 1. */
  readonly seed?: number
}

/**
 * A node as a machine with a kernel of its own. On a backend without capability `ownKernel`, each rejects with
 * `HOLDFAST_NOT_SUPPORTED`.
 */
export interface SiteMachine {
  /**
   * Cuts its power: nothing in it learns of that, and what it had in memory is gone. Of the folder of its node, which is on its disk, that is
   * there later which a program has synced, or which was written a while before; nothing is of what was written elsewhere.
   */
  crash(): Promise<void>
  /**
   * Gives a machine without power its power again: it boots anew, with what its disk has kept, and starts its services as they were. Resolves
   * when those are ready. One that runs rejects with `HOLDFAST_MACHINE_STATE`.
   */
  start(): Promise<void>
  /** Pulls its network cables, all of them, and plugs them in again: its kernel sees that, as of a real card. */
  block(): Promise<void>
  unblock(): Promise<void>
  /** Stops it between two instructions, its kernel too, and lets it go on. */
  freeze(): Promise<void>
  thaw(): Promise<void>
}

/** Clocks of nodes. Monotonic clocks are not among them: timeouts measure what really passed. */
export interface SiteClock {
  /** Seconds ahead of the machine; of the first node, where it is the clock of all. */
  readonly offsetSeconds: number
  /** Moves by so many whole seconds, from where each clock stands. Every program follows with its next look at the clock. */
  shift(seconds: number): Promise<void>
}

export interface ExecOptions {
  env?: Record<string, string>
  input?: string
  timeoutMs?: number
}

export interface SiteNode {
  readonly name: string
  readonly host: string
  /** At home: in the first of its networks. */
  readonly address: string
  /** By network; where the topology declares none, that is `default`. */
  readonly addresses: Readonly<Record<string, string>>
  /** From where a test calls and listens on the node, at home. */
  readonly seat: Seat
  /** The same in another of its networks. Throws `HOLDFAST_NETWORK_UNKNOWN` for one that it is not in. */
  seatIn(network: string): Seat
  /** Absolute path of the node's directory, on the node. */
  readonly dir: string
  /** Words to put before a command, so that a shell of this machine runs it on the node. Absent where that is no other place. */
  readonly enter?: readonly string[] | undefined
  /** Runs a program on the node, or one of the services as `service:NAME`; never through a shell. Bounded by `timeoutMs` (default 30 000). */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>
  /**
   * Runs a oneshot that is started on demand, after the runs of it that were asked for before. Its programs get `input` on their
   * standard input; how the last of them ended, and what they said, is the answer. Rejects when another step of it fails.
   */
  run(unit: string, options?: { input?: string }): Promise<ExecResult>
  /** Reads a file; a path that is not absolute is relative to the node's directory. */
  readFile(path: string): Promise<string>
  /** Resolves when the unit is ready (or, for a oneshot, done); rejects with its failure, or after `timeoutMs` (default 60 000, which is more than a program has to get ready). */
  waitForUnit(unit: string, options?: { timeoutMs?: number }): Promise<void>
  /** SIGTERM, then SIGKILL after the unit's own limit. Resolves with how it ended. Without a unit: every service of the node. */
  stop(unit?: string): Promise<void>
  /**
   * Starts a stopped or killed unit again, and resolves when it is ready. Without a unit: every service of the node. One that the launch
   * holds back is started before its turn. Rejects, too, when a oneshot that runs once more with each start fails.
   */
  start(unit?: string): Promise<void>
  /** SIGKILL to the whole process tree of the unit. */
  kill(unit?: string): Promise<void>
  /** Sends a signal to the unit's main process (SIGHUP to reload). */
  signal(signal: NodeJS.Signals, unit?: string): Promise<void>
  /** SIGSTOP and SIGCONT. */
  pause(unit?: string): Promise<void>
  resume(unit?: string): Promise<void>
  /** Has a unit that the launch holds back start when its turn has come. */
  release(unit: string): Promise<void>
  /** Log lines so far, oldest first. */
  logs(unit?: string): readonly string[]
  /** Decision records so far, oldest first. */
  decisions(unit?: string): Promise<readonly DecisionRecord[]>
}
