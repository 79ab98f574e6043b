import type { Log } from '../../shared/log.ts'
import type { Health } from '../health.ts'
import type { Pipelines } from '../pipelines/pipelines.ts'
import type { StageRunner } from '../pipelines/stage-runner.ts'
import { Events } from './events.ts'
import { Heartbeats } from './heartbeats.ts'
import { Leadership, type Role } from './leader.ts'
import type { Membership } from './membership.ts'
import type { Counter, Measured } from './metrics.ts'
import { OwnRecords } from './own-records.ts'
import { type PeerCalls, PeerMessages } from './peer-calls.ts'
import { type PeerStatus, PeerView } from './peers.ts'
import { Replicas } from './replicas.ts'
import { type RunState, visibleState } from './run-record.ts'
import { Runs } from './runs.ts'
import { KEY_KEPT_MS, type Store } from './store.ts'
import type { Time, Timer } from './time.ts'
import { Voter } from './voter.ts'
import { Work } from './work.ts'

export interface ClusterParts {
  readonly membership: Membership
  readonly leaseMs: number
  readonly peerTimeoutMs: number
  readonly pipelines: Pipelines
  readonly store: Store
  readonly calls: PeerCalls
  readonly runner: StageRunner
  readonly time: Time
  /** From 0 to 1, as `Math.random`. */
  readonly random: () => number
  readonly health: Pick<Health, 'raise' | 'clear'>
  readonly log: Log
  /** Of each grant, once it is on the disk. */
  onGrant?(granted: { voter: string; epoch: number; holder: string }): void
}

export interface ClusterState {
  readonly cluster: string
  readonly node: string
  readonly role: Role
  /** Null: nobody is known to lead. */
  readonly leader: string | null
  readonly epoch: number
  readonly peers: readonly PeerStatus[]
}

const TIDY_EVERY_MS = 600_000
/** SIGTERM: so long may a stage take to end by itself. */
const STAGES_END_WITHIN_MS = 10_000

/** One node of a cluster: its parts, and what each does when another notices something. It knows no listener and no socket. */
export class Cluster {
  readonly parts: ClusterParts
  readonly view: PeerView
  readonly messages: PeerMessages
  readonly voter: Voter
  readonly own: OwnRecords
  readonly replicas: Replicas
  readonly work: Work
  readonly runs: Runs
  readonly leadership: Leadership
  readonly heartbeats: Heartbeats
  readonly events = new Events()
  readonly #counters: Record<Counter, number> = {
    ...{ leases_granted: 0, terms_won: 0, runs_acknowledged: 0, calls_forwarded: 0 },
  }
  #toldLeader = ''
  #tidying: Timer | undefined

  constructor(parts: ClusterParts) {
    const { store, time, calls, membership } = parts
    this.parts = parts
    this.view = new PeerView(parts)
    this.messages = new PeerMessages(calls, this.view)
    this.voter = new Voter({
      ...{ id: membership.self.id, store, time },
      onGrant: (granted) => {
        this.count('leases_granted')
        parts.log.info('lease-granted', { epoch: granted.epoch, holder: granted.holder })
        parts.onGrant?.(granted)
      },
      onEpoch: (epoch) => this.leadership.learned(epoch),
    })
    this.own = new OwnRecords({ ...parts, onRun: (run) => this.events.tell('run', run) })
    const { view, messages, voter, own } = this
    const known = { ...parts, view, messages, voter, own }
    this.replicas = new Replicas(known)
    this.work = new Work(known)
    this.runs = new Runs({ ...known, replicas: this.replicas, work: this.work })
    this.leadership = new Leadership({
      ...known,
      isLeaderless: (timeoutMs) => this.heartbeats.isLeaderless(timeoutMs),
      merge: (term) => this.replicas.merge(term),
      onChange: () => this.#changed(),
    })
    const { replicas, work, runs, leadership } = this
    this.heartbeats = new Heartbeats({ ...known, replicas, work, runs, leadership })
  }

  start(): void {
    this.leadership.start()
    this.heartbeats.start()
    this.#tidyLater()
  }

  /** Lets go of the lease, ends streams, and gives stages their time. */
  async stop(): Promise<void> {
    this.#tidying?.close()
    this.heartbeats.stop()
    this.events.end('node_stopping')
    await this.leadership.stop()
    await this.work.stop(STAGES_END_WITHIN_MS)
  }

  state(): ClusterState {
    const { membership } = this.parts
    const leader = this.leadership.leader()
    // One of the others is called each time: after so many everybody was.
    const turnMs = 2 * this.heartbeats.everyMs * membership.others.length
    return {
      ...{ cluster: membership.cluster, node: membership.self.id, role: this.leadership.role },
      ...{ leader: leader?.id ?? null, epoch: this.voter.known, peers: this.view.status(turnMs) },
    }
  }

  measured(): Measured {
    const { store, membership } = this.parts
    const runs: Record<RunState, number> = { queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 }
    for (const { state, settled } of store.heads().values()) {
      runs[visibleState({ state, settled, startedAt: 0 })] += 1
    }
    const { leader, epoch, peers } = this.state()
    return {
      ...{ node: membership.self.id, isLeading: this.leadership.serves(), hasLeader: leader !== null, epoch, peers },
      ...{ runs, stagesRunning: this.work.running().length, eventStreams: this.events.count },
      counters: this.#counters,
    }
  }

  count(counter: Counter): void {
    this.#counters[counter] += 1
  }

  /** The leader, as it is told to people. */
  leader(): { leader: string | null; epoch: number; url: string | null } {
    const { self, others } = this.parts.membership
    const leader = this.leadership.leader()
    const url = [self, ...others].find(({ id }) => id === leader?.id)?.url ?? null
    return { leader: leader?.id ?? null, epoch: leader?.epoch ?? this.voter.known, url }
  }

  #changed(): void {
    const { role, term } = this.leadership
    if (role === 'merging') {
      this.count('terms_won')
      this.heartbeats.announce()
    }
    if (role === 'leading' && term !== undefined) {
      this.runs.lead(term)
      this.heartbeats.announce()
    }
    this.#tellLeader()
  }

  #tellLeader(): void {
    const now = this.leader()
    const text = `${now.leader} ${now.leader === null ? '' : now.epoch}`
    if (text === this.#toldLeader) return
    this.#toldLeader = text
    this.events.tell('leader', now)
  }

  #tidyLater(): void {
    const { time, store } = this.parts
    this.#tidying = time.after(TIDY_EVERY_MS, () => {
      this.#tidyLater()
      this.runs.tidy()
      this.own.writes(() => {
        store.forgetKeys(time.wallMs() - KEY_KEPT_MS)
        store.forgetAttempts()
      })
    })
  }
}
