import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StorageUnavailable } from '../../../shared/sqlite.ts'
import { Health } from '../../health.ts'
import type { Route } from '../../listener/route.ts'
import type { Pipelines } from '../../pipelines/pipelines.ts'
import type { RunningStage, StageResult, StageRunner } from '../../pipelines/stage-runner.ts'
import { Cluster } from '../cluster.ts'
import { membershipOf } from '../membership.ts'
import { type PeerAnswer, type PeerCall, PeerCallFailed, type PeerCalls } from '../peer-calls.ts'
import { clusterRoutes } from '../routes.ts'
import { openStore, type Store } from '../store.ts'
import { callRoute, eventSession } from './call-route.ts'
import { History } from './history.ts'
import { seeded } from './random.ts'
import { type NodeClock, NodeTime, SimTime, settled } from './sim-time.ts'

// Several nodes in one process: their code and their disks are real; their clocks, the network between them and what stages do are the test's.

export const LEASE_MS = 1_000

export interface WorldOptions {
  readonly nodes: number
  /** Nodes of them that do not vote, from the last one on. */
  readonly readers?: number
  readonly seed?: number
  readonly clocks?: readonly NodeClock[]
  /** What a message takes, at least and at most. */
  readonly delayMs?: readonly [number, number]
  readonly stageMs?: readonly [number, number]
  readonly pipelines?: Pipelines
}

/** What lives until it is killed. */
interface Incarnation {
  readonly time: NodeTime
  readonly health: Health
  readonly store: Store
  readonly cluster: Cluster
  readonly routes: readonly Route[]
}

export interface SimNode {
  readonly id: string
  readonly folder: string
  readonly clock: NodeClock
  alive: Incarnation | undefined
  /** Killed with its so manyth write from now on, once that is on the disk. */
  diesAtWrite: number | undefined
  /** Killed with its so manyth answer from now on, once that has left. */
  diesAtAnswer: number | undefined
  /** Its disk takes no writes. */
  isReadOnly: boolean
}

const REFUSED: PeerAnswer = { status: 401, headers: {}, body: Buffer.from('{"error":"invalid_token"}') }
const STAGES = ['one', 'two'] as const
const STAGE_TIMEOUT_MS = 60_000

/** Two stages, one after the other. */
export const PIPELINES: Pipelines = new Map([
  [
    'pair',
    {
      ...{
        name: 'pair',
        params: { type: 'object' },
        check: (params: Readonly<Record<string, unknown>>) => ({ params }),
      },
      stages: STAGES.map((name, at) => ({
        ...{ name, argv: ['true'], timeoutMs: STAGE_TIMEOUT_MS, needs: STAGES.slice(0, at) },
      })),
    },
  ],
])

export class World implements AsyncDisposable {
  readonly time = new SimTime()
  readonly history = new History()
  readonly nodes: readonly SimNode[]
  readonly random: () => number
  /** What no node should ever have met with. */
  readonly failures: unknown[] = []
  /** Attempts that were begun: `run stage attempt node`. */
  readonly begun: string[] = []
  delayMs: readonly [number, number]
  /** Among nodes, so far. */
  calls = 0
  /** When each node asked for a lease. */
  readonly leasesAsked: { readonly node: string; readonly at: number }[] = []
  /** How likely a message is to be lost. */
  lossRate = 0
  readonly #options: WorldOptions
  readonly #root: string
  readonly #cut = new Set<string>()
  readonly #refused = new Set<string>()
  #led = ''

  constructor(options: WorldOptions) {
    this.#options = options
    this.random = seeded(options.seed ?? 1)
    this.delayMs = options.delayMs ?? [1, 5]
    // Where there is memory for files, nothing waits for a disk: that a write is on it is proven elsewhere.
    this.#root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'holdfast-cluster-'))
    this.nodes = Array.from({ length: options.nodes }, (_, at) => ({
      ...{ id: `n${at + 1}`, folder: join(this.#root, `n${at + 1}`), alive: undefined, isReadOnly: false },
      clock: { ...(options.clocks?.[at] ?? { rate: 1, aheadMs: 0 }) },
      ...{ diesAtWrite: undefined, diesAtAnswer: undefined },
    }))
  }

  static start(options: WorldOptions): World {
    const world = new World(options)
    for (const { id } of world.nodes) world.up(id)
    return world
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { id } of this.nodes) this.kill(id)
    await settled()
    rmSync(this.#root, { recursive: true, force: true })
  }

  node(id: string): SimNode {
    return this.nodes.find((node) => node.id === id)!
  }

  cluster(id: string): Cluster {
    const { alive } = this.node(id)
    if (alive === undefined) throw new Error(`${id} is down`)
    return alive.cluster
  }

  up(id: string): void {
    const node = this.node(id)
    if (node.alive !== undefined) return
    const time = new NodeTime(this.time, node.clock)
    const store = this.#mortal(node, openStore(node.folder), time)
    const health = new Health()
    const cluster = new Cluster({
      ...{ membership: membershipOf(this.#configured(id)), leaseMs: LEASE_MS, peerTimeoutMs: LEASE_MS },
      ...{ store, time, random: this.random, health, log: { info() {}, warn() {}, error() {} } },
      ...{
        pipelines: this.#options.pipelines ?? PIPELINES,
        runner: this.#runner(id, time),
        calls: this.#calls(id, time),
      },
      // Of others' leases what counts is that the grant was answered.
      onGrant: ({ voter, epoch, holder }) => {
        if (voter === holder) this.history.record(this.time.now, { type: 'granted', voter, epoch, holder })
      },
    })
    node.alive = { time, health, store, cluster, routes: clusterRoutes(cluster) }
    cluster.events.open(this.#witness(id), undefined, undefined)
    cluster.start()
  }

  /** As by SIGKILL: what is on its disk stays, and nothing else. */
  kill(id: string): void {
    const node = this.node(id)
    const { alive } = node
    if (alive === undefined) return
    node.alive = undefined
    node.diesAtWrite = undefined
    node.diesAtAnswer = undefined
    alive.time.die()
    // What it was in the middle of comes to its next wait, and no further.
    void settled().then(() => alive.store.close())
  }

  /** As by SIGSTOP, and SIGCONT later. */
  pause(id: string, ms: number): void {
    const { alive } = this.node(id)
    if (alive !== undefined) alive.time.pausedUntil = this.time.now + ms
  }

  /** One way. */
  cut(from: string, to: string): void {
    this.#cut.add(`${from} ${to}`)
  }

  /** One way: its token is not accepted there. */
  refuse(from: string, to: string): void {
    this.#refused.add(`${from} ${to}`)
  }

  isolate(...ids: readonly string[]): void {
    for (const one of ids) {
      for (const { id } of this.nodes) {
        if (ids.includes(id)) continue
        this.cut(one, id)
        this.cut(id, one)
      }
    }
  }

  heal(): void {
    this.#cut.clear()
    this.#refused.clear()
    this.lossRate = 0
  }

  async run(ms: number): Promise<void> {
    await this.time.advance(ms, () => this.#look())
    if (this.failures.length > 0) throw this.failures[0]
  }

  /** Rejects when it does not come true within that time of the world. */
  async until(isTrue: () => boolean, what: string, withinMs = 60_000): Promise<void> {
    const end = this.time.now + withinMs
    while (!isTrue()) {
      if (this.time.now >= end) throw new Error(`waited ${withinMs} ms for ${what}: ${this.text()}`)
      await this.run(20)
    }
  }

  /** The one that serves, and that all who are up agree on. */
  leader(): string | undefined {
    const up = this.nodes.filter(({ alive }) => alive !== undefined)
    const named = new Set(up.map(({ alive }) => alive!.cluster.state().leader))
    const [leader] = named
    if (named.size !== 1 || leader == null) return undefined
    return this.node(leader).alive?.cluster.leadership.serves() ? leader : undefined
  }

  /** For messages of failures. */
  text(): string {
    return this.nodes
      .map(({ id, alive }) => {
        if (alive === undefined) return `${id} down`
        const { role, leader, epoch } = alive.cluster.state()
        return `${id} ${role} ${leader} ${epoch}`
      })
      .join(', ')
  }

  /** A call from outside of the cluster; undefined: no answer came. */
  async ask(to: string, call: Omit<PeerCall, 'timeoutMs'> & { timeoutMs?: number }): Promise<PeerAnswer | undefined> {
    try {
      return await this.#send('client', to, { timeoutMs: 12_000, ...call })
    } catch {
      return undefined
    }
  }

  async post(to: string, path: string, json: unknown, headers: Record<string, string> = {}) {
    const answer = await this.ask(to, { method: 'POST', path, body: Buffer.from(JSON.stringify(json)), headers })
    return answer && { status: answer.status, headers: answer.headers, body: bodyOf(answer) }
  }

  /** Asks for a run, at one node after the other, with one key, until one acknowledges it. Answers its id. */
  async submit(key: string, first = 0): Promise<string> {
    for (let at = first; ; at += 1) {
      const node = this.nodes[at % this.nodes.length]!.id
      const answer = await this.post(node, '/v1/pipeline/run', { pipeline: 'pair', params: { key } }, headersFor(key))
      if (answer?.status === 202 || answer?.status === 200) {
        const { runId: run, leader: by } = answer.body as { runId: string; leader: string }
        this.history.record(this.time.now, { type: 'acknowledged', key, run, by })
        return run
      }
      await this.time.pause(200)
    }
  }

  /** What every node says when nothing is wrong any more. */
  recordFinal(): void {
    for (const { id: node, alive } of this.nodes) {
      for (const run of alive?.store.runsBefore(undefined, 10_000) ?? []) {
        this.history.record(this.time.now, {
          type: 'final',
          node,
          run: run.id,
          state: run.settled ? run.state : 'running',
        })
      }
    }
  }

  #configured(id: string): Parameters<typeof membershipOf>[0] {
    const voters = this.#options.nodes - (this.#options.readers ?? 0)
    const peers = this.nodes.map(({ id }, at) => ({ id, url: `http://127.0.0.1:${8770 + at}`, voter: at < voters }))
    return { clusterId: 'test', nodeId: id, peers, listen: [] }
  }

  #calls(from: string, time: NodeTime): PeerCalls {
    return {
      call: (to, call) =>
        new Promise((resolve, reject) => {
          // Whoever is dead says nothing, and hears of nothing.
          if (time.isDead) return
          this.calls += 1
          if (call.path === '/v1/election/lease') this.leasesAsked.push({ node: from, at: this.time.now })
          this.#send(from, to, call).then(
            (answer) => time.whenRunning(() => resolve(answer)),
            (failure: unknown) => time.whenRunning(() => reject(failure)),
          )
        }),
      close: async () => {},
    }
  }

  #send(from: string, to: string, call: PeerCall): Promise<PeerAnswer> {
    return new Promise((resolve, reject) => {
      const fail = (kind: PeerCallFailed['kind']) => reject(new PeerCallFailed(kind, to))
      this.time.after(call.timeoutMs, () => fail('timeout'))
      call.signal?.addEventListener('abort', () => fail('aborted'), { once: true })
      this.#deliver(from, to, () => {
        const alive = this.node(to).alive
        if (alive === undefined) return this.#deliver(to, from, () => fail('unreachable'))
        alive.time.whenRunning(() => {
          this.#handle(from, to, alive, { ...call, signal: undefined }).then(
            (answer) => answer && this.#deliver(to, from, () => resolve(answer)),
            (failure: unknown) => void this.failures.push(failure),
          )
        })
      })
    })
  }

  #deliver(from: string, to: string, arrive: () => void): void {
    const [least, most] = this.delayMs
    if (this.#cut.has(`${from} ${to}`) || this.random() < this.lossRate) return
    this.time.after(least + this.random() * (most - least), arrive)
  }

  /** Undefined: it was killed before it answered. */
  async #handle(from: string, id: string, alive: Incarnation, call: PeerCall): Promise<PeerAnswer | undefined> {
    const node = this.node(id)
    if (this.#refused.has(`${from} ${id}`)) return REFUSED
    const answer = await callRoute(alive.routes, call)
    if (alive.time.isDead) return undefined
    if (call.path === '/v1/election/lease' && answer.status === 200) {
      const { candidate: holder, epoch } = JSON.parse(call.body!.toString()) as { candidate: string; epoch: number }
      this.history.record(this.time.now, { type: 'granted', voter: id, epoch, holder })
    }
    if (node.diesAtAnswer !== undefined && --node.diesAtAnswer <= 0) this.kill(id)
    return answer
  }

  #runner(node: string, time: NodeTime): StageRunner {
    const [least, most] = this.#options.stageMs ?? [20, 300]
    return {
      start: ({ run, stage }): RunningStage => {
        this.begun.push(`${run} ${stage} ${node}`)
        let end: (result: StageResult) => void
        const ended = new Promise<StageResult>((resolve) => {
          end = resolve
        })
        time.after(least + this.random() * (most - least), () => end({ state: 'succeeded', output: { run, stage } }))
        const fail = (reason: string) => () => end({ state: 'failed', reason })
        return { ended, cancel: fail('cancelled'), kill: fail('killed') }
      },
    }
  }

  #mortal(node: SimNode, store: Store, time: NodeTime): Store {
    const writing = ['putLease', 'putRuns', 'dropRuns', 'putAttempt', 'forgetKeys', 'forgetAttempts'] as const
    const mortal = Object.create(store) as Store
    for (const name of [...Object.getOwnPropertyNames(Object.getPrototypeOf(store)), 'isWritable'] as (keyof Store)[]) {
      if (typeof store[name] !== 'function') continue
      const isWrite = (writing as readonly string[]).includes(name)
      const call = (store[name] as (...given: unknown[]) => unknown).bind(store)
      Object.defineProperty(mortal, name, {
        value: (...given: unknown[]) => {
          if (name === 'isWritable' && node.isReadOnly) return false
          if (isWrite && (time.isDead || node.isReadOnly)) throw new StorageUnavailable(new Error('read-only'))
          const result = call(...given)
          if (isWrite && node.diesAtWrite !== undefined && --node.diesAtWrite <= 0) this.kill(node.id)
          return result
        },
      })
    }
    return mortal
  }

  #witness(by: string) {
    const session = eventSession()
    return {
      ...session,
      send: (event: string, data: unknown) => {
        const { runId: run, state } = (data ?? {}) as { runId: string; state: string }
        if (event !== 'run' || ['queued', 'running'].includes(state)) return
        this.history.record(this.time.now, { type: 'ended', run, state, by })
      },
    }
  }

  #look(): void {
    const leaders = this.nodes.flatMap(({ id, alive }) => {
      const term = alive?.cluster.leadership.term
      return term?.isInForce() ? [{ node: id, epoch: term.epoch }] : []
    })
    const text = JSON.stringify(leaders)
    if (text === this.#led) return
    this.#led = text
    this.history.record(this.time.now, { type: 'leaders', leaders })
  }
}

export function headersFor(key: string): Record<string, string> {
  return { 'content-type': 'application/json', 'idempotency-key': key }
}

export function bodyOf({ body }: PeerAnswer): Record<string, unknown> {
  return JSON.parse(body.toString('utf8')) as Record<string, unknown>
}
