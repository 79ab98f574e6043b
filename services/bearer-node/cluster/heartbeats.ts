import { z } from 'zod'
import type { Log } from '../../shared/log.ts'
import { bearerFence } from '../guards/fence.ts'
import { bearerMember } from '../guards/member.ts'
import { refuseBy, refuseInput } from '../guards/refuse.ts'
import type { Answer, Call } from '../listener/route.ts'
import { isEpoch } from './candidate.ts'
import type { Leadership, Role } from './leader.ts'
import type { Membership } from './membership.ts'
import type { OwnRecords } from './own-records.ts'
import { type JsonAnswer, PeerCallFailed, type PeerMessages } from './peer-calls.ts'
import type { PeerView } from './peers.ts'
import type { Replicas } from './replicas.ts'
import type { Runs } from './runs.ts'
import type { Time, Timer } from './time.ts'
import type { Voter } from './voter.ts'
import type { Work } from './work.ts'

export const heartbeatMessage = z.strictObject({
  cluster: z.string().max(63),
  membership: z.string().max(64),
  node: z.string().max(63),
  /** The highest that it knows; of a leader its own. 0: it knows none. */
  epoch: z.int().nonnegative(),
  role: z.enum(['starting', 'follower', 'candidate', 'merging', 'leading']),
  /** Ms since 1970, by its clock. */
  at: z.number(),
  /** Of a leader: tells two sets of records apart. */
  digest: z.string().max(16).optional(),
  /** The receiver is to stand, and take the lease over. */
  stand: z.literal(true).optional(),
})

const heartbeatAnswer = z.object({
  node: z.string(),
  at: z.number(),
  /** What whoever is answered makes of who answers. */
  ofUs: z.enum(['ok', 'refused', 'unknown']),
  hearsLeader: z.boolean(),
  running: z.array(z.object({ run: z.string(), stage: z.string(), attempt: z.int().positive() })),
})

export interface HeartbeatParts {
  readonly membership: Membership
  readonly voter: Voter
  readonly leadership: Leadership
  readonly messages: PeerMessages
  readonly view: PeerView
  readonly own: OwnRecords
  readonly replicas: Replicas
  readonly runs: Runs
  readonly work: Work
  readonly time: Time
  readonly leaseMs: number
  readonly peerTimeoutMs: number
  readonly log: Pick<Log, 'warn'>
}

const EVERY = 1 / 5
/** A clock that is off by more than this is told of. */
const CLOCK_OFF_MS = 60_000

/**
 * A leader calls everybody, five times in a lease; everybody else calls one other each time, in turn, so that each knows of each and the traffic
 * grows with the number of nodes, and not with its square.
 */
export class Heartbeats {
  readonly #parts: HeartbeatParts
  readonly #underWay = new Set<string>()
  #timer: Timer | undefined
  #turn = 0
  /** What the leader's digest was when it was not ours. */
  #differing: string | undefined
  readonly #clockOff = new Set<string>()

  constructor(parts: HeartbeatParts) {
    this.#parts = parts
  }

  get everyMs(): number {
    return this.#parts.leaseMs * EVERY
  }

  start(): void {
    this.#timer = this.#parts.time.after(this.everyMs, () => {
      this.start()
      this.#beat()
    })
  }

  stop(): void {
    this.#timer?.close()
  }

  /** At once, to everybody: somebody leads as of now. */
  announce(): void {
    for (const { id } of this.#parts.membership.others) void this.#send(id)
  }

  /** Whether a majority of voters answers, and nobody who answers hears a leader. Rivals' epochs become known by it. */
  async isLeaderless(timeoutMs: number): Promise<boolean> {
    const { membership, leadership } = this.#parts
    const { self, voters, majority } = membership
    let answered = 1
    let isLed = false
    const asked = voters.filter((id) => id !== self.id)
    return new Promise((resolve) => {
      let open = asked.length
      const count = (answer: z.output<typeof heartbeatAnswer> | undefined): void => {
        open -= 1
        if (answer !== undefined) answered += 1
        if (answer?.hearsLeader) isLed = true
        if (isLed) resolve(false)
        else if (answered >= majority || open === 0) resolve(answered >= majority && !leadership.hearsLeader())
      }
      if (open === 0) resolve(answered >= majority)
      for (const id of asked) void this.#send(id, { timeoutMs, isForced: true }).then(count)
    })
  }

  /** Asks a follower to take over. False: it does not, as far as this node knows. */
  async handOver(to: string): Promise<boolean> {
    const answer = await this.#send(to, { stand: true, isForced: true })
    return answer !== undefined
  }

  /** `POST /v1/peer/heartbeat` */
  take(call: Call): Answer {
    const { membership: own, voter, leadership, view, time, work } = this.#parts
    const beat = call.json() as z.output<typeof heartbeatMessage>
    const { cluster, membership, node, epoch } = beat
    refuseBy(bearerMember, { own, cluster, membership })
    if (!own.others.some(({ id }) => id === node)) refuseInput()
    view.heard(node, 'ok')
    this.#clock(node, beat.at)
    const isLeader = beat.role === 'merging' || beat.role === 'leading'
    // Others say what they know; only a leader's is an order.
    if (isLeader) refuseBy(bearerFence, { epoch, known: voter.known }, { epoch: voter.known })
    voter.learn(epoch)
    if (isLeader) this.#follow(node, epoch, beat)
    const isStanding = beat.stand === true && leadership.takeOver()
    return {
      status: 200,
      body: {
        ...{ node: own.self.id, epoch: voter.known, at: time.wallMs(), ofUs: view.ofUs(node) },
        ...{ hearsLeader: leadership.hearsLeader(), running: work.running(), standing: isStanding },
      },
    }
  }

  #beat(): void {
    const { leadership, membership, own } = this.#parts
    own.probe()
    const { others } = membership
    if (leadership.term !== undefined) this.announce()
    else if (others.length > 0) {
      this.#turn = (this.#turn + 1) % others.length
      void this.#send(others[this.#turn]!.id)
    }
  }

  #follow(node: string, epoch: number, { role, digest }: { role: Role; digest?: string | undefined }): void {
    const { leadership, replicas, own } = this.#parts
    leadership.heard(node, epoch, role === 'leading')
    if (role !== 'leading' || digest === undefined || digest === own.store.digest()) {
      this.#differing = undefined
    } else if (this.#differing === digest) {
      // Twice: what is missing is not on its way.
      this.#differing = undefined
      void replicas.pull(node, epoch)
    } else this.#differing = digest
  }

  /** Undefined: no answer that says anything. */
  async #send(
    id: string,
    { timeoutMs = this.#parts.peerTimeoutMs, stand = false, isForced = false } = {},
  ): Promise<z.output<typeof heartbeatAnswer> | undefined> {
    // One at a time: those for a peer that is slow do not pile up.
    if (!isForced && this.#underWay.has(id)) return undefined
    this.#underWay.add(id)
    try {
      const json = this.#message(stand)
      const answer = await this.#parts.messages.send(id, {
        ...{ method: 'POST', path: '/v1/peer/heartbeat', json, timeoutMs },
      })
      return this.#answered(id, answer, stand)
    } catch (failure) {
      if (failure instanceof PeerCallFailed) return undefined
      throw failure
    } finally {
      this.#underWay.delete(id)
    }
  }

  #message(stand: boolean): z.output<typeof heartbeatMessage> {
    const { membership, leadership, voter, time, own } = this.#parts
    const { cluster, hash, self } = membership
    return {
      ...{ cluster, membership: hash, node: self.id, role: leadership.role, at: time.wallMs() },
      epoch: leadership.term?.epoch ?? voter.known,
      ...(leadership.serves() && { digest: own.store.digest() }),
      ...(stand && { stand }),
    }
  }

  #answered(id: string, { status, body }: JsonAnswer, stand: boolean): z.output<typeof heartbeatAnswer> | undefined {
    const { voter, view, runs } = this.#parts
    if (isEpoch(body.epoch) && (status === 200 || body.error === 'stale_epoch')) voter.learn(body.epoch)
    const answer = heartbeatAnswer.safeParse(body)
    if (status !== 200 || !answer.success) return undefined
    if (answer.data.ofUs === 'refused') view.heard(id, 'refused')
    this.#clock(id, answer.data.at)
    runs.reconcile(id, answer.data.running)
    return stand && body.standing !== true ? undefined : answer.data
  }

  #clock(id: string, at: number): void {
    const { view, time, log } = this.#parts
    view.clockOf(id, at)
    const differenceMs = Math.round(at - time.wallMs())
    const isOff = Math.abs(differenceMs) > CLOCK_OFF_MS
    if (isOff && !this.#clockOff.has(id)) log.warn('clock-differs', { peer: id, differenceMs })
    if (isOff) this.#clockOff.add(id)
    else this.#clockOff.delete(id)
  }
}
