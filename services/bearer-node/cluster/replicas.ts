import { z } from 'zod'
import { bearerFence } from '../guards/fence.ts'
import { bearerMember } from '../guards/member.ts'
import { refuseBy, refuseInput } from '../guards/refuse.ts'
import type { Answer, Call } from '../listener/route.ts'
import { isEpoch } from './candidate.ts'
import type { Term } from './leader.ts'
import type { Membership } from './membership.ts'
import type { OwnRecords } from './own-records.ts'
import { type JsonAnswer, PeerCallFailed, type PeerMessages } from './peer-calls.ts'
import { type Head, isNewer, type RunRecord, runRecord } from './run-record.ts'
import { pause, type Time } from './time.ts'
import type { Voter } from './voter.ts'

const epoch = z.int().positive()

/** What a leader writes to a replica. */
export const replicaMessage = z.strictObject({
  cluster: z.string().max(63),
  membership: z.string().max(64),
  epoch,
  record: runRecord,
})

const headsPage = z.object({
  heads: z.array(z.object({ id: z.string(), epoch, version: z.int().positive(), settled: z.boolean() })),
  next: z.string().nullable(),
})

export type KnownHead = Head & { readonly settled: boolean }

export interface ReplicasParts {
  readonly membership: Membership
  readonly voter: Voter
  readonly own: OwnRecords
  readonly messages: PeerMessages
  readonly time: Time
  readonly leaseMs: number
  readonly peerTimeoutMs: number
}

/** For so long a leader tries to reach a majority with a record. */
const COMMIT_WITHIN_MS = 5_000
const PAGE = 1_000
const AT_ONCE = 16
/** Settled runs that a leader does not know any more it has let go of; younger ones it may just have made. */
const SURELY_SEEN_MS = 3_600_000

/** Records of runs: how they come to a majority of disks, and how a new leader gathers them there. */
export class Replicas {
  readonly #parts: ReplicasParts
  #isPulling = false

  constructor(parts: ReplicasParts) {
    this.#parts = parts
  }

  /**
   * True once the record is on the disks of a majority of voters; whatever becomes of this leader, the next one finds it there. False: it
   * is not, as far as this node knows.
   */
  async commit(record: RunRecord, term: Term, withinMs = COMMIT_WITHIN_MS): Promise<boolean> {
    if (!term.isInForce() || !this.#parts.own.put([record])) return false
    return this.spread(record, term, withinMs)
  }

  /** The same for a record that is on this disk. */
  spread(record: RunRecord, term: Term, withinMs = COMMIT_WITHIN_MS): Promise<boolean> {
    const { membership, time } = this.#parts
    const until = time.monotonicMs() + withinMs
    return new Promise((resolve) => {
      let votes = membership.self.voter ? 1 : 0
      let open = membership.others.length
      if (votes >= membership.majority) resolve(true)
      for (const { id, voter } of membership.others) {
        void this.#push(id, record, term, until).then((isThere) => {
          open -= 1
          if (isThere && voter) votes += 1
          if (votes >= membership.majority) resolve(true)
          else if (open === 0) resolve(false)
        })
      }
      if (open === 0) resolve(false)
    })
  }

  async #push(id: string, record: RunRecord, term: Term, until: number): Promise<boolean> {
    const { time, leaseMs } = this.#parts
    for (;;) {
      const left = until - time.monotonicMs()
      if (left <= 0 || term.signal.aborted) return false
      const answer = await this.#put(id, record, term, left)
      if (answer?.status === 200) return true
      if (answer?.body.error === 'stale_epoch') return false
      await pause(time, Math.min(500, leaseMs / 10, left), term.signal)
    }
  }

  #put(id: string, record: RunRecord, term: Term, left: number): Promise<JsonAnswer | undefined> {
    const { membership, peerTimeoutMs } = this.#parts
    const json = { cluster: membership.cluster, membership: membership.hash, epoch: term.epoch, record }
    const timeoutMs = Math.min(left, peerTimeoutMs)
    return this.#ask(id, {
      ...{ method: 'PUT', path: `/v1/replica/runs/${record.id}`, json, timeoutMs, signal: term.signal },
    })
  }

  /** `PUT /v1/replica/runs/{id}`: on the disk before it is answered. */
  take(call: Call): Answer {
    const { membership: own, voter } = this.#parts
    const { cluster, membership, epoch, record } = call.json() as z.output<typeof replicaMessage>
    refuseBy(bearerMember, { own, cluster, membership })
    refuseBy(bearerFence, { epoch, known: voter.known }, { epoch: voter.known })
    if (record.id !== call.params.id || record.epoch !== epoch) refuseInput()
    voter.learn(epoch)
    if (!this.#parts.own.put([record])) return { status: 503, body: { error: 'storage_unavailable' } }
    return { status: 200, body: { id: record.id, epoch, version: record.version } }
  }

  /** `GET /v1/replica/runs`: what is newest of each run here; with `id` the record of one. */
  show(call: Call): Answer {
    const { own, voter } = this.#parts
    const epoch = call.query.get('epoch')
    if (epoch !== null) refuseBy(bearerFence, { epoch: Number(epoch), known: voter.known }, { epoch: voter.known })
    const id = call.query.get('id')
    if (id !== null) {
      const record = own.store.run(id)
      return record === undefined ? { status: 404, body: { error: 'run_unknown' } } : { status: 200, body: { record } }
    }
    const after = call.query.get('after') ?? ''
    const ids = [...own.store.heads().keys()].filter((one) => one > after).sort()
    const heads = ids.slice(0, PAGE).map((one) => {
      const { id, epoch, version, settled } = own.store.heads().get(one)!
      return { id, epoch, version, settled }
    })
    return { status: 200, body: { heads, next: ids.length > PAGE ? heads.at(-1)!.id : null } }
  }

  /**
   * Gathers what voters have that take nothing of an earlier epoch, keeps of each run the newest record, and writes it back to a majority.
   * What has ended for good and is on a majority as it is stays as it is: nobody will ever write it again.
   */
  async merge(term: Term): Promise<boolean> {
    const { own, membership } = this.#parts
    const found = await this.#readMajority(term)
    if (found === undefined || !(await this.#gather(found, term))) return false
    const copies = countCopies(found)
    const written = [...own.store.heads().values()]
      .filter((head) => !head.settled || (copies.get(textOf(head)) ?? 0) < membership.majority)
      .map(({ id }) => ({ ...own.store.run(id)!, epoch: term.epoch }))
    if (!term.isInForce() || !own.put(written)) return false
    const isDone = await each(written, (record) => this.#insist(record, term))
    return isDone.every(Boolean)
  }

  async #insist(record: RunRecord, term: Term): Promise<boolean> {
    while (term.isInForce()) if (await this.spread(record, term)) return true
    return false
  }

  async #readMajority(term: Term): Promise<Map<string, readonly KnownHead[]> | undefined> {
    const { membership, time, leaseMs, own } = this.#parts
    const found = new Map<string, readonly KnownHead[]>([[membership.self.id, [...own.store.heads().values()]]])
    const asked = new Set([membership.self.id])
    const read = async (id: string): Promise<void> => {
      asked.add(id)
      const heads = await this.#headsOf(id, term.epoch, term.signal)
      if (heads === undefined) asked.delete(id)
      else found.set(id, heads)
    }
    while (term.isInForce()) {
      if (found.size >= membership.majority) return found
      for (const id of term.granters) if (!asked.has(id)) void read(id)
      await pause(time, leaseMs / 100, term.signal)
    }
    return undefined
  }

  /** Brings here what others have newer. Of two runs with one key the store keeps the one that may have been acknowledged. */
  async #gather(found: ReadonlyMap<string, readonly KnownHead[]>, term: Term): Promise<boolean> {
    const { own, membership } = this.#parts
    const newest = new Map<string, { head: KnownHead; at: string }>()
    for (const [at, heads] of found) {
      for (const head of heads) if (isNewer(head, newest.get(head.id)?.head)) newest.set(head.id, { head, at })
    }
    const wanted = [...newest.values()].filter(
      ({ head, at }) => at !== membership.self.id && isNewer(head, own.store.heads().get(head.id)),
    )
    const records = await each(wanted, ({ head, at }) => this.#recordOf(at, head.id, term.epoch, term.signal))
    // One that is there no more was dropped for another, which is there.
    if (records.includes(undefined) || !term.isInForce()) return false
    return own.put(records.filter((record) => record !== undefined && record !== 'none') as RunRecord[])
  }

  /** Brings the records of this node to those of the leader, which has merged: what it does not know was never acknowledged. */
  async pull(leader: string, epoch: number): Promise<void> {
    if (this.#isPulling) return
    this.#isPulling = true
    try {
      const theirs = await this.#headsOf(leader, epoch)
      if (theirs === undefined) return
      const { own, voter } = this.#parts
      const wanted = theirs.filter((head) => isNewer(head, own.store.heads().get(head.id)))
      const records = await each(wanted, ({ id }) => this.#recordOf(leader, id, epoch))
      if (voter.known !== epoch) return
      own.put(records.filter((record) => record !== undefined && record !== 'none') as RunRecord[])
      own.drop(this.#notThere(theirs, epoch))
    } finally {
      this.#isPulling = false
    }
  }

  #notThere(theirs: readonly KnownHead[], epoch: number): string[] {
    const ids = new Set(theirs.map(({ id }) => id))
    const old = this.#parts.time.wallMs() - SURELY_SEEN_MS
    return [...this.#parts.own.store.heads().values()]
      .filter((head) => !ids.has(head.id))
      .filter((head) => head.epoch < epoch || (head.settled && (head.endedAt ?? 0) < old))
      .map(({ id }) => id)
  }

  /** All heads of a node; undefined: it did not tell. */
  async #headsOf(id: string, epoch: number, signal?: AbortSignal): Promise<KnownHead[] | undefined> {
    const heads: KnownHead[] = []
    for (let after = ''; ; ) {
      const query = new URLSearchParams({ epoch: String(epoch), ...(after !== '' && { after }) })
      const answer = await this.#get(id, query, signal)
      const page = headsPage.safeParse(answer?.body)
      if (answer?.status !== 200 || !page.success) return undefined
      heads.push(...page.data.heads)
      if (page.data.next === null) return heads
      after = page.data.next
    }
  }

  /** `none`: it has no such run any more. Undefined: it did not tell. */
  async #recordOf(
    at: string,
    id: string,
    epoch: number,
    signal?: AbortSignal,
  ): Promise<RunRecord | 'none' | undefined> {
    const answer = await this.#get(at, new URLSearchParams({ epoch: String(epoch), id }), signal)
    if (answer?.status === 404) return 'none'
    const read = runRecord.safeParse(answer?.body.record)
    return read.success ? read.data : undefined
  }

  #get(id: string, query: URLSearchParams, signal?: AbortSignal): Promise<JsonAnswer | undefined> {
    const { peerTimeoutMs: timeoutMs } = this.#parts
    return this.#ask(id, { method: 'GET', path: `/v1/replica/runs?${query}`, timeoutMs, ...(signal && { signal }) })
  }

  /** One record, for a node that does not have it yet. */
  async fetch(leader: string, id: string): Promise<void> {
    const { voter, own } = this.#parts
    const epoch = voter.known
    const record = await this.#recordOf(leader, id, epoch)
    if (record !== undefined && record !== 'none' && voter.known === epoch) own.put([record])
  }

  async #ask(id: string, call: Parameters<PeerMessages['send']>[1]): Promise<JsonAnswer | undefined> {
    try {
      const answer = await this.#parts.messages.send(id, call)
      if (answer.body.error === 'stale_epoch' && isEpoch(answer.body.epoch)) this.#parts.voter.learn(answer.body.epoch)
      return answer
    } catch (failure) {
      if (failure instanceof PeerCallFailed) return undefined
      throw failure
    }
  }
}

/** How many voters have a run in just this record. */
function countCopies(found: ReadonlyMap<string, readonly KnownHead[]>): Map<string, number> {
  const copies = new Map<string, number>()
  for (const head of [...found.values()].flat()) copies.set(textOf(head), (copies.get(textOf(head)) ?? 0) + 1)
  return copies
}

function textOf({ id, epoch, version }: Head): string {
  return `${id} ${epoch} ${version}`
}

/** Not all at once: there may be thousands. */
async function each<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at]!)
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker))
  return results
}
