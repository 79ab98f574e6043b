import { z } from 'zod'
import { bearerFence } from '../guards/fence.ts'
import { bearerMember } from '../guards/member.ts'
import { refuseBy } from '../guards/refuse.ts'
import type { Answer, Call } from '../listener/route.ts'
import type { Pipelines } from '../pipelines/pipelines.ts'
import type { RunningStage, StageResult, StageRunner } from '../pipelines/stage-runner.ts'
import type { Membership } from './membership.ts'
import type { OwnRecords } from './own-records.ts'
import type { JsonAnswer } from './peer-calls.ts'
import type { Attempt } from './store.ts'
import { pause, type Time } from './time.ts'
import type { Voter } from './voter.ts'

const attemptName = {
  run: z.string().regex(/^[a-z0-9-]{1,64}$/),
  stage: z.string().regex(/^[a-z0-9-]{1,63}$/),
  attempt: z.int().positive(),
}
const sender = { cluster: z.string().max(63), membership: z.string().max(64), epoch: z.int().positive() }

/** What a leader gives a node to run, or takes back. It names a pipeline: what is run is the node's own configuration. */
export const workMessage = z.union([
  z.strictObject({
    ...{ ...sender, ...attemptName, pipeline: z.string().max(63) },
    ...{ params: z.record(z.string(), z.unknown()), inputs: z.record(z.string(), z.unknown()) },
  }),
  z.strictObject({ ...sender, ...attemptName, cancel: z.literal(true) }),
])

export interface AttemptName {
  readonly run: string
  readonly stage: string
  readonly attempt: number
}

export interface WorkRequest extends AttemptName {
  readonly pipeline: string
  readonly params: Readonly<Record<string, unknown>>
  readonly inputs: Readonly<Record<string, unknown>>
}

export interface WorkParts {
  readonly membership: Membership
  readonly voter: Voter
  readonly own: OwnRecords
  readonly pipelines: Pipelines
  readonly runner: StageRunner
  readonly time: Time
}

interface Running extends AttemptName {
  readonly stageRun: RunningStage
}

/** Stages that this node was given. Each attempt is on its disk before anything of it runs. */
export class Work {
  readonly #parts: WorkParts
  readonly #running = new Map<string, Running>()
  /** Results that the disk did not take: the leader gets them all the same. */
  readonly #unwritten = new Map<string, Attempt>()
  #isStopping = false

  constructor(parts: WorkParts) {
    this.#parts = parts
  }

  /** `POST /v1/work/stages` */
  take(call: Call): Answer {
    const { membership: own, voter } = this.#parts
    const message = call.json() as z.output<typeof workMessage>
    const { cluster, membership, epoch } = message
    refuseBy(bearerMember, { own, cluster, membership })
    refuseBy(bearerFence, { epoch, known: voter.known }, { epoch: voter.known })
    voter.learn(epoch)
    if (!('cancel' in message)) return this.begin(message)
    this.cancel(message)
    return { status: 202, body: {} }
  }

  /** `GET /v1/work/stages/{run}/{stage}/{attempt}` */
  find({ params: { run = '', stage = '', attempt = '' } }: Call): Answer {
    return this.show({ run, stage, attempt: Number(attempt) })
  }

  show(name: AttemptName): JsonAnswer {
    const found = this.#known(name)
    if (found === undefined) return { status: 404, body: { error: 'attempt_unknown' } }
    const { state, output, reason } = found
    return { status: 200, body: { state, ...(output !== undefined && { output }), ...(reason && { reason }) } }
  }

  /** Begins an attempt, or answers what became of it. */
  begin(request: WorkRequest): JsonAnswer {
    const { own, pipelines, runner } = this.#parts
    const { run, stage, attempt, params, inputs } = request
    if (this.#known(request) !== undefined) return this.show(request)
    if (this.#isStopping) return { status: 503, body: { error: 'node_stopping' } }
    const { argv, timeoutMs } = pipelines.get(request.pipeline)?.stages.find(({ name }) => name === stage) ?? {}
    if (argv === undefined || timeoutMs === undefined) return { status: 404, body: { error: 'pipeline_unknown' } }
    const isWritten = own.writes(() => own.store.putAttempt({ run, stage, attempt, state: 'running' }))
    if (!isWritten) return { status: 503, body: { error: 'storage_unavailable' } }
    for (const other of this.#running.values()) {
      if (other.run === run && other.stage === stage) other.stageRun.cancel()
    }
    const stageRun = runner.start({ run, stage, argv, timeoutMs, params, inputs })
    this.#running.set(keyOf(request), { run, stage, attempt, stageRun })
    void stageRun.ended.then((result) => this.#ended({ run, stage, attempt }, result))
    return { status: 202, body: { state: 'running' } }
  }

  cancel(name: AttemptName): void {
    this.#running.get(keyOf(name))?.stageRun.cancel()
  }

  running(): AttemptName[] {
    return [...this.#running.values()].map(({ run, stage, attempt }) => ({ run, stage, attempt }))
  }

  /** Takes no more; what runs has so long to end by itself, and is lost then. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true
    const ended = Promise.all([...this.#running.values()].map(({ stageRun }) => stageRun.ended))
    await Promise.race([ended, pause(this.#parts.time, graceMs)])
    const left = [...this.#running.values()]
    this.#running.clear()
    for (const { stageRun, ...name } of left) {
      this.#keep({ ...name, state: 'lost', reason: 'node_stopped' })
      stageRun.kill()
    }
    await Promise.all(left.map(({ stageRun }) => stageRun.ended))
  }

  #known(name: AttemptName): Attempt | undefined {
    return this.#unwritten.get(keyOf(name)) ?? this.#parts.own.store.attempt(name.run, name.stage, name.attempt)
  }

  #ended(name: AttemptName, result: StageResult): void {
    // It was told to be lost by then.
    if (!this.#running.delete(keyOf(name))) return
    this.#keep({ ...name, ...result })
  }

  #keep(attempt: Attempt): void {
    const { own } = this.#parts
    if (!own.writes(() => own.store.putAttempt(attempt))) this.#unwritten.set(keyOf(attempt), attempt)
  }
}

function keyOf({ run, stage, attempt }: AttemptName): string {
  return `${run} ${stage} ${attempt}`
}
