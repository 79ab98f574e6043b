import type { Log } from '../../shared/log.ts'
import { StorageUnavailable } from '../../shared/sqlite.ts'
import { type CandidateParts, requestLease } from './candidate.ts'
import { Lease } from './lease.ts'
import { PeerCallFailed } from './peer-calls.ts'
import type { Time, Timer } from './time.ts'

export type Role = 'starting' | 'follower' | 'candidate' | 'merging' | 'leading'

/** One time of leading, from a won round until something ends it. */
export interface Term {
  readonly epoch: number
  /** Aborted when it is over. */
  readonly signal: AbortSignal
  /** Voters whose disks have the epoch: they take nothing of an earlier one. */
  readonly granters: ReadonlySet<string>
  /** Whether the lease runs, and nobody is known to lead at a higher epoch. */
  isInForce(): boolean
}

export interface LeadershipParts extends CandidateParts {
  readonly time: Time
  /** From 0 to 1, as `Math.random`. */
  readonly random: () => number
  readonly log: Pick<Log, 'info' | 'warn'>
  /** Whether a majority of voters answers, and none of them hears a leader. */
  isLeaderless(timeoutMs: number): Promise<boolean>
  /** Gathers what is on a majority and writes it back. False: the term was over before. */
  merge(term: Term): Promise<boolean>
  onChange(): void
}

interface Heard {
  readonly id: string
  readonly epoch: number
  readonly at: number
  /** Whether it has merged, and serves. */
  readonly isServing: boolean
}

interface Running extends Term {
  readonly granters: Set<string>
  readonly lease: Lease
  readonly ending: AbortController
}

/** Of `leaseMs`: how often a leader renews, and how long a candidate waits for answers and votes, and before it stands again. */
const RENEWED_AT = 1 / 3
const ROUND = 1 / 2
const ASKING = 1 / 2
const AGAIN = 1 / 2

const RELEASE_WITHIN_MS = 1_000

/** Who leads: `starting → follower ⇄ candidate → merging → leading → follower`. */
export class Leadership {
  readonly #parts: LeadershipParts
  #role: Role = 'starting'
  #heard: Heard | undefined
  #term: Running | undefined
  /** The epoch that this node stands for. */
  #standing: number | undefined
  /** Each change of what this node is about; what was begun before it comes to nothing. */
  #turn = 0
  #deadline: Timer | undefined
  #expiry: Timer | undefined
  #renewal: Timer | undefined
  #isStopped = false

  constructor(parts: LeadershipParts) {
    this.#parts = parts
  }

  get role(): Role {
    return this.#role
  }

  /** While this node leads, or is about to. */
  get term(): Term | undefined {
    return this.#term
  }

  get epoch(): number {
    return this.#parts.voter.known
  }

  start(): void {
    this.#become('follower')
    this.#arm()
  }

  /** The one that serves, as far as this node knows; undefined: nobody, or nobody that was heard of within the time of a lease. */
  leader(): { id: string; epoch: number } | undefined {
    if (this.serves()) return { id: this.#parts.membership.self.id, epoch: this.#term!.epoch }
    const heard = this.#recent()
    return heard?.isServing ? { id: heard.id, epoch: heard.epoch } : undefined
  }

  /** Whether anybody leads, or is about to: then nobody else stands. */
  hearsLeader(): boolean {
    return this.#term?.isInForce() === true || this.#recent() !== undefined
  }

  serves(): boolean {
    return this.#role === 'leading' && this.#term?.isInForce() === true
  }

  /** A heartbeat of a leader, whose epoch is none that is over. */
  heard(id: string, epoch: number, isServing: boolean): void {
    if (this.#isStopped) return
    if (this.#term !== undefined) {
      // An epoch has one majority: this cannot be, unless somebody has forgotten what it wrote.
      this.#parts.log.warn('second-leader', { epoch, other: id })
      return
    }
    const before = this.#heard
    this.#heard = { id, epoch, at: this.#parts.time.monotonicMs(), isServing }
    this.#turn += 1
    this.#standing = undefined
    this.#become('follower')
    if (before?.id !== id || before.epoch !== epoch || before.isServing !== isServing) this.#parts.onChange()
    this.#arm()
  }

  /** A higher epoch became known. */
  learned(epoch: number): void {
    if (this.#term !== undefined && epoch > this.#term.epoch) this.#stepDown('stale_epoch')
    if (this.#standing !== undefined && epoch > this.#standing) this.#giveUp()
    // Somebody stands, or leads: it is given the time to be heard.
    if (this.#role === 'follower') this.#arm()
  }

  /** Stands at once, whoever leads: the leader asked for it. False: it cannot. */
  takeOver(): boolean {
    if (this.#isStopped || this.#term !== undefined || !this.#parts.membership.self.voter) return false
    void this.#stand(true)
    return true
  }

  /** Leads no more, and lets others stand at once. */
  async release(): Promise<void> {
    const epoch = this.#term?.epoch
    if (epoch === undefined) return
    this.#stepDown('released')
    await this.#letGo(epoch)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#turn += 1
    const epoch = this.#term?.epoch ?? this.#standing
    if (this.#term !== undefined) this.#stepDown('stopped')
    this.#deadline?.close()
    if (epoch !== undefined) await this.#letGo(epoch)
  }

  #recent(): Heard | undefined {
    const { time, leaseMs } = this.#parts
    return this.#heard !== undefined && time.monotonicMs() - this.#heard.at <= leaseMs ? this.#heard : undefined
  }

  /** Default: 1 to 2 leases from now. */
  #arm(ms = this.#parts.leaseMs * (1 + this.#parts.random())): void {
    this.#deadline?.close()
    if (this.#isStopped || !this.#parts.membership.self.voter) return
    this.#deadline = this.#parts.time.after(ms, () => void this.#consider())
  }

  /** A minority that knows of nobody does not stand: its epochs would unseat a leader that it had merely lost. */
  async #consider(): Promise<void> {
    const { leaseMs, random, isLeaderless } = this.#parts
    this.#turn += 1
    const turn = this.#turn
    this.#become('candidate')
    const mayStand = await isLeaderless(leaseMs * ASKING)
    if (turn !== this.#turn) return
    if (mayStand) return this.#stand(false)
    this.#become('follower')
    this.#arm(leaseMs * AGAIN * (1 + random()))
  }

  async #stand(takeover: boolean): Promise<void> {
    const { voter, time, leaseMs, random } = this.#parts
    this.#turn += 1
    const turn = this.#turn
    this.#deadline?.close()
    const epoch = voter.known + 1
    this.#standing = epoch
    this.#become('candidate')
    const granters = new Set<string>()
    const onGranted = (id: string): void => void granters.add(id)
    const lease = new Lease(time, leaseMs)
    const sentAt = time.monotonicMs()
    const round = { epoch, takeover, timeoutMs: leaseMs * ROUND, onGranted }
    const { isWon, heldMs } = await requestLease(this.#parts, round)
    if (isWon) lease.won(sentAt)
    // Somebody else leads by now, or this node ends: what was granted is of no use.
    if (turn !== this.#turn || voter.known !== epoch) return void this.#letGo(epoch)
    this.#standing = undefined
    if (isWon && lease.remainingMs() > 0) return this.#lead(epoch, granters, lease, sentAt)
    this.#become('follower')
    this.#arm(heldMs + leaseMs * AGAIN * (0.1 + random()))
    await this.#letGo(epoch)
  }

  #giveUp(): void {
    this.#turn += 1
    this.#standing = undefined
    this.#become('follower')
    this.#arm()
  }

  async #lead(epoch: number, granters: Set<string>, lease: Lease, sentAt: number): Promise<void> {
    const { voter, merge, log } = this.#parts
    const ending = new AbortController()
    const isInForce = (): boolean => !ending.signal.aborted && lease.remainingMs() > 0 && voter.known === epoch
    const term: Running = { epoch, granters, lease, ending, signal: ending.signal, isInForce }
    this.#deadline?.close()
    this.#heard = undefined
    this.#term = term
    log.info('leader-elected', { epoch })
    this.#become('merging')
    this.#watch(term)
    this.#renewLater(term, sentAt)
    const isMerged = await merge(term)
    if (this.#term !== term) return
    if (!isMerged || !term.isInForce()) return this.#stepDown('not_merged')
    log.info('leader-serves', { epoch })
    this.#become('leading')
  }

  /** By itself, whatever else it waits for. */
  #watch(term: Running): void {
    const left = term.lease.remainingMs()
    if (left <= 0) this.#stepDown('lease_expired')
    else this.#expiry = this.#parts.time.after(left, () => this.#term === term && this.#watch(term))
  }

  /** `sentAt`: when the last one was sent. From when it was answered on would be too late where answers take their time. */
  #renewLater(term: Running, sentAt: number): void {
    const { time, leaseMs } = this.#parts
    const renew = (): void => {
      if (this.#term !== term) return
      this.#renewLater(term, time.monotonicMs())
      void this.#renew(term)
    }
    this.#renewal = time.after(sentAt + leaseMs * RENEWED_AT - time.monotonicMs(), renew)
  }

  async #renew(term: Running): Promise<void> {
    const { time, leaseMs } = this.#parts
    const sentAt = time.monotonicMs()
    const { isWon } = await requestLease(this.#parts, {
      ...{ epoch: term.epoch, takeover: false, timeoutMs: leaseMs, signal: term.signal },
      onGranted: (id) => term.granters.add(id),
    })
    if (isWon && this.#term === term) term.lease.won(sentAt)
  }

  #stepDown(why: string): void {
    const term = this.#term
    if (term === undefined) return
    this.#parts.log.info('leader-stopped', { epoch: term.epoch, why })
    this.#term = undefined
    this.#turn += 1
    this.#expiry?.close()
    this.#renewal?.close()
    term.ending.abort()
    this.#become('follower')
    this.#arm()
  }

  /** Voters need not wait for the end of a lease that nobody uses. Those that do not hear of it do. */
  async #letGo(epoch: number): Promise<void> {
    const { membership, voter, messages } = this.#parts
    const { cluster, hash, self, voters } = membership
    try {
      voter.release({ candidate: self.id, epoch })
    } catch (failure) {
      if (!(failure instanceof StorageUnavailable)) throw failure
    }
    const json = { cluster, candidate: self.id, epoch, membership: hash }
    const others = voters.filter((id) => id !== self.id)
    await Promise.all(
      others.map((id) =>
        messages
          .send(id, { method: 'POST', path: '/v1/election/release', json, timeoutMs: RELEASE_WITHIN_MS })
          .catch(ignoreUnanswered),
      ),
    )
  }

  #become(role: Role): void {
    if (this.#role === role) return
    this.#role = role
    this.#parts.onChange()
  }
}

function ignoreUnanswered(failure: unknown): void {
  if (!(failure instanceof PeerCallFailed)) throw failure
}
