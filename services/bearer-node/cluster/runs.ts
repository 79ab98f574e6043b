import type { Log } from '../../shared/log.ts'
import { failureFields } from '../../shared/log.ts'
import { isEpoch } from './candidate.ts'
import type { Term } from './leader.ts'
import type { Membership } from './membership.ts'
import type { OwnRecords } from './own-records.ts'
import { type JsonAnswer, PeerCallFailed, type PeerMessages } from './peer-calls.ts'
import type { PeerView } from './peers.ts'
import type { Replicas } from './replicas.ts'
import { advance, cancelled, created, isActive, type NewRun, type Report, reported, settled } from './run-changes.ts'
import { hasEnded, type RunRecord, type StageRecord } from './run-record.ts'
import { pause, type Time } from './time.ts'
import type { Voter } from './voter.ts'
import type { AttemptName, Work, WorkRequest } from './work.ts'

export interface RunsParts {
  readonly membership: Membership
  readonly voter: Voter
  readonly own: OwnRecords
  readonly replicas: Replicas
  readonly messages: PeerMessages
  readonly view: PeerView
  readonly work: Work
  readonly time: Time
  readonly peerTimeoutMs: number
  readonly log: Pick<Log, 'error'>
}

/** Stages of one node at once; others wait. */
const MOST_AT_ONCE = 8
const FIRST_LOOK_MS = 20
const LONGEST_LOOK_MS = 500
/** Runs that ended so long ago are let go of. */
const KEPT_MS = 7 * 24 * 3_600_000

interface Driven {
  readonly term: Term
  readonly since: number
  /** Versions that are on a majority, by run. */
  readonly committed: Map<string, number>
  /** Where stages of each run are. */
  readonly active: Map<string, readonly string[]>
  readonly driven: Set<string>
}

/** What the leader does with runs, from its first moment of serving to its last. */
export class Runs {
  readonly #parts: RunsParts
  #driven: Driven | undefined

  constructor(parts: RunsParts) {
    this.#parts = parts
  }

  /** A term begins to serve: what has not ended goes on. All of it was written to a majority. */
  lead(term: Term): void {
    const { own, time } = this.#parts
    const driven: Driven = {
      ...{ term, since: time.monotonicMs(), driven: new Set() },
      ...{ committed: new Map(), active: new Map() },
    }
    this.#driven = driven
    for (const { id, settled, version } of own.store.heads().values()) {
      if (settled) continue
      driven.committed.set(id, version)
      this.#count(own.store.run(id)!, driven)
      this.#drive(id, driven)
    }
  }

  /** Makes a run. False: it is not on a majority, and nobody knows what becomes of it. */
  async add(run: Omit<NewRun, 'epoch'>, term: Term): Promise<boolean> {
    const driven = this.#driven
    if (driven?.term !== term || !term.isInForce()) return false
    const record = created({ ...run, epoch: term.epoch })
    if (!this.#parts.own.put([record])) return false
    const isCommitted = await this.#commit(record, driven)
    // It is here, and so it goes on when a majority can be reached.
    this.#drive(run.id, driven)
    return isCommitted
  }

  /** Whether a run is on a majority, as it is now. */
  async ensure(id: string, term: Term): Promise<boolean> {
    const record = this.#parts.own.store.run(id)
    if (record === undefined || this.#driven?.term !== term) return false
    return record.settled || this.#isCommitted(record, this.#driven) || this.#commit(record, this.#driven)
  }

  /** False: that it is cancelled is not on a majority. One that had ended stays as it is. */
  async cancel(id: string, term: Term): Promise<boolean> {
    const driven = this.#driven
    if (driven?.term !== term || !term.isInForce()) return false
    const before = this.#parts.own.store.run(id)
    if (!this.#change(id, driven, (record) => cancelled(record, this.#parts.time.wallMs()))) {
      return hasEnded(before ?? { state: 'queued' }) && this.ensure(id, term)
    }
    const isCommitted = await this.#commit(this.#parts.own.store.run(id)!, driven)
    for (const stage of before?.stages.filter(isActive) ?? []) void this.#end(stage.node!, nameOf(id, stage))
    return isCommitted
  }

  /** What a node says that it runs: attempts that count no more are ended. */
  reconcile(node: string, running: readonly AttemptName[]): void {
    const term = this.#driven?.term
    if (term === undefined || !term.isInForce()) return
    for (const name of running) {
      const record = this.#parts.own.store.run(name.run)
      const stage = record?.stages.find((one) => one.name === name.stage)
      const counts = stage !== undefined && isActive(stage) && stage.attempt === name.attempt && stage.node === node
      if (!counts) void this.#end(node, name)
    }
  }

  /** To be called now and then. */
  tidy(): void {
    const { own, time } = this.#parts
    const before = time.wallMs() - KEPT_MS
    const old = [...own.store.heads().values()].filter(({ settled, endedAt }) => settled && (endedAt ?? 0) < before)
    if (this.#driven?.term.isInForce()) own.drop(old.map(({ id }) => id))
  }

  #drive(id: string, driven: Driven): void {
    if (driven.driven.has(id)) return
    driven.driven.add(id)
    this.#follow(id, driven)
      .catch((failure: unknown) => this.#parts.log.error('run-not-driven', { run: id, ...failureFields(failure) }))
      .finally(() => driven.driven.delete(id))
  }

  async #follow(id: string, driven: Driven): Promise<void> {
    const { term } = driven
    const { own, time } = this.#parts
    let lookMs = FIRST_LOOK_MS
    while (term.isInForce()) {
      const record = own.store.run(id)
      if (record === undefined || record.settled) return
      if (!this.#isCommitted(record, driven)) {
        if (!(await this.#commit(record, driven))) await pause(time, lookMs, term.signal)
        continue
      }
      if (hasEnded(record)) return this.#settle(id, driven)
      if (this.#change(id, driven, (now) => advance(now, this.#world(driven)))) {
        lookMs = FIRST_LOOK_MS
        continue
      }
      const reports = await this.#look(record, term)
      if (this.#change(id, driven, (now) => reported(now, reports, time.wallMs()))) continue
      await pause(time, lookMs, term.signal)
      lookMs = Math.min(LONGEST_LOOK_MS, lookMs * 1.5)
    }
  }

  /** Its end is on a majority: from now on it may be told. Who does not hear of it learns it later. */
  #settle(id: string, driven: Driven): void {
    if (!this.#change(id, driven, settled)) return
    const record = this.#parts.own.store.run(id)!
    driven.committed.delete(id)
    void this.#parts.replicas.spread(record, driven.term)
  }

  #isCommitted({ id, version, epoch }: RunRecord, { committed, term }: Driven): boolean {
    return epoch === term.epoch && (committed.get(id) ?? 0) >= version
  }

  async #commit(record: RunRecord, driven: Driven): Promise<boolean> {
    const { id, version } = record
    if (record.epoch !== driven.term.epoch || !(await this.#parts.replicas.spread(record, driven.term))) return false
    driven.committed.set(id, Math.max(version, driven.committed.get(id) ?? 0))
    return true
  }

  /** Changes the record as it is now, on this disk. False: there was nothing to change, or it could not be written. */
  #change(id: string, driven: Driven, change: (record: RunRecord) => RunRecord): boolean {
    const { own } = this.#parts
    const before = own.store.run(id)
    if (before === undefined || !driven.term.isInForce()) return false
    const after = change(before)
    if (after === before) return false
    const record = { ...after, epoch: driven.term.epoch, version: before.version + 1 }
    if (!own.put([record])) return false
    this.#count(record, driven)
    return true
  }

  #count(record: RunRecord, { active }: Driven): void {
    const nodes = record.stages.filter(isActive).map(({ node }) => node!)
    if (nodes.length === 0) active.delete(record.id)
    else active.set(record.id, nodes)
  }

  #world({ active, since }: Driven): Parameters<typeof advance>[1] {
    const { membership, view, time, peerTimeoutMs } = this.#parts
    const loads = new Map<string, number>()
    for (const node of [...active.values()].flat()) loads.set(node, (loads.get(node) ?? 0) + 1)
    const isLive = (id: string): boolean => id === membership.self.id || view.isLive(id)
    // A leader that has just come up has not heard of anybody yet.
    const isNew = time.monotonicMs() - since <= peerTimeoutMs
    const members = [membership.self, ...membership.others].map(({ id }) => id)
    return {
      now: time.wallMs(),
      isLost: (node) => !isLive(node) && !isNew,
      place: (avoided) => {
        const free = members.filter((id) => isLive(id) && (loads.get(id) ?? 0) < MOST_AT_ONCE)
        const good = free.filter((id) => !avoided.includes(id))
        const [node] = (good.length > 0 ? good : free).sort(
          (one, other) => (loads.get(one) ?? 0) - (loads.get(other) ?? 0),
        )
        if (node !== undefined) loads.set(node, (loads.get(node) ?? 0) + 1)
        return node
      },
    }
  }

  async #look(record: RunRecord, term: Term): Promise<readonly Report[]> {
    const reports = await Promise.all(record.stages.filter(isActive).map((stage) => this.#report(record, stage, term)))
    return reports.filter((report) => report !== undefined)
  }

  /** What the node of a stage says of it; one that does not know it yet is given it. */
  async #report(record: RunRecord, stage: StageRecord, term: Term): Promise<Report | undefined> {
    const known = stage.state === 'assigned' ? undefined : await this.#ask(stage.node!, nameOf(record.id, stage), term)
    if (known !== undefined && known.status !== 404) return reportOf(stage, known)
    const given = await this.#give(stage.node!, requestOf(record, stage), term)
    return given && reportOf(stage, given)
  }

  async #ask(node: string, name: AttemptName, term: Term): Promise<JsonAnswer | undefined> {
    const { membership, work } = this.#parts
    if (node === membership.self.id) return work.show(name)
    const path = `/v1/work/stages/${name.run}/${name.stage}/${name.attempt}`
    // No answer is no "unknown": it may be running there.
    return (await this.#send(node, { method: 'GET', path, signal: term.signal })) ?? { status: 0, body: {} }
  }

  async #give(node: string, request: WorkRequest, term: Term): Promise<JsonAnswer | undefined> {
    const { membership, work } = this.#parts
    if (node === membership.self.id) return work.begin(request)
    const { cluster, hash } = membership
    const json = { cluster, membership: hash, epoch: term.epoch, ...request }
    return this.#send(node, { method: 'POST', path: '/v1/work/stages', json, signal: term.signal })
  }

  async #end(node: string, name: AttemptName): Promise<void> {
    const { membership, work, voter } = this.#parts
    if (node === membership.self.id) return work.cancel(name)
    const { cluster, hash } = membership
    const json = { cluster, membership: hash, epoch: voter.known, ...name, cancel: true }
    // Where it does not arrive, the next heartbeat tells that it still runs.
    await this.#send(node, { method: 'POST', path: '/v1/work/stages', json })
  }

  async #send(
    node: string,
    call: Omit<Parameters<PeerMessages['send']>[1], 'timeoutMs'>,
  ): Promise<JsonAnswer | undefined> {
    const { messages, peerTimeoutMs, voter } = this.#parts
    try {
      const answer = await messages.send(node, { ...call, timeoutMs: peerTimeoutMs })
      if (answer.body.error === 'stale_epoch' && isEpoch(answer.body.epoch)) voter.learn(answer.body.epoch)
      return answer
    } catch (failure) {
      if (failure instanceof PeerCallFailed) return undefined
      throw failure
    }
  }
}

function nameOf(run: string, { name, attempt }: StageRecord): AttemptName {
  return { run, stage: name, attempt }
}

function requestOf({ id, pipeline, params, stages }: RunRecord, stage: StageRecord): WorkRequest {
  const inputs = stage.needs.map((name) => [name, stages.find((one) => one.name === name)?.output ?? null] as const)
  return { ...nameOf(id, stage), pipeline, params, inputs: Object.fromEntries(inputs) }
}

/** A node that cannot run it, or does no more, is as good as lost; one that says nothing may be running it. */
function reportOf({ name: stage, attempt }: StageRecord, { status, body }: JsonAnswer): Report | undefined {
  if (status === 404 || (status === 503 && body.error === 'node_stopping')) {
    return { stage, attempt, state: 'lost', reason: String(body.error ?? 'refused') }
  }
  if (status !== 200 && status !== 202) return undefined
  const { state, output, reason } = body
  if (state !== 'running' && state !== 'succeeded' && state !== 'failed' && state !== 'lost') return undefined
  return { stage, attempt, state, output, ...(typeof reason === 'string' && { reason: reason.slice(0, 64) }) }
}
