import { type Consumer, type JsMsg, jetstream } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { z } from 'zod'
import { failureFields, type Log } from '../shared/log.ts'
import { drained } from '../shared/nats/broker-connection.ts'
import { LinkFailure } from '../shared/nats/broker-link.ts'
import { InOrder } from './in-order.ts'
import type { Command, Ledger } from './ledger.ts'

/** The stream of commands; the consumer is called as the host. */
const STREAM = 'WORKLOAD'
const MOST_AT_ONCE = 256
/** Half of them, so that the broker sends the others meanwhile. */
const ENOUGH = 128
const GATHERED_WITHIN_MS = 5
/** Well within what the broker waits for an acknowledgement. */
const STILL_WORKING_MS = 10_000

const commandSchema = z.object({
  id: z.string().min(1).max(128),
  verb: z.string().regex(/^[a-z0-9-]{1,63}$/),
  // Whatever was parsed is JSON.
  args: z.record(z.string(), z.unknown()).default({}),
})

export interface ConsumptionOptions {
  readonly host: string
  readonly ledger: Ledger
  readonly log: Log
  readonly now: () => number
}

/** A message whose command, if it holds one, is in the ledger. */
interface Applied {
  readonly message: JsMsg
  readonly command: Command | undefined
  readonly seq: number
  readonly isNew: boolean
}

/** Fetches commands over one connection, and applies each once, in order, before it is acknowledged. */
export class Consumption {
  readonly #options: ConsumptionOptions
  readonly #connection: NatsConnection
  readonly #order: InOrder<JsMsg>
  readonly #queue: JsMsg[] = []
  /** Applied, and on the way to the disk. */
  #inHand: JsMsg[] = []
  readonly #working: NodeJS.Timeout
  readonly #releasing: NodeJS.Timeout
  #isStopped = false
  #isBusy = false
  #gathering: NodeJS.Timeout | undefined
  #idle: (() => void) | undefined
  #stopping: Promise<void> | undefined

  /** Rejects where the broker has no consumer for this host yet. */
  static async start(connection: NatsConnection, options: ConsumptionOptions): Promise<Consumption> {
    const consumer = await consumerOf(connection, options.host)
    const { num_ack_pending: missing, delivered, config } = await consumer.info()
    const order = new InOrder<JsMsg>({ missing, until: delivered.stream_seq, applied: options.ledger.lastSeq() })
    const early: JsMsg[] = []
    let take = (message: JsMsg): void => void early.push(message)
    await consumer.consume({ max_messages: MOST_AT_ONCE, callback: (message) => take(message) })
    // Twice as long as the broker waits before it sends a message again.
    const longestMs = (2 * (config.ack_wait ?? 30e9)) / 1e6
    const consumption = new Consumption(connection, options, { order, longestMs })
    take = (message) => consumption.#take(message)
    for (const message of early) consumption.#take(message)
    return consumption
  }

  private constructor(
    connection: NatsConnection,
    options: ConsumptionOptions,
    { order, longestMs }: { order: InOrder<JsMsg>; longestMs: number },
  ) {
    this.#connection = connection
    this.#options = options
    this.#order = order
    this.#working = setInterval(() => {
      for (const message of [...this.#order.waiting, ...this.#inHand, ...this.#queue]) message.working()
    }, STILL_WORKING_MS).unref()
    this.#releasing = setTimeout(() => this.#release(), longestMs).unref()
  }

  #release(): void {
    if (!this.#order.isWaiting) return
    this.#options.log.warn('commands-missing', { message: 'some that were on their way did not come again' })
    this.#enqueue(this.#order.release())
  }

  /**
   * Finishes what it is at, and gives back the rest: whoever fetches next gets that at once, in order. The connection ends with it, drained:
   * what is on its way here comes yet, and is given back as well. What went by unheard, the broker would send again only once it has waited for
   * its acknowledgement.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#working)
    clearTimeout(this.#releasing)
    clearTimeout(this.#gathering)
    if (this.#isBusy) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    }
    for (const message of [...this.#queue.splice(0), ...this.#order.waiting]) message.nak()
    await drained(this.#connection)
  }

  #take(message: JsMsg): void {
    if (this.#isStopped) {
      message.nak()
      return
    }
    this.#enqueue(this.#order.take(message))
  }

  #enqueue(messages: readonly JsMsg[]): void {
    this.#queue.push(...messages)
    if (!this.#isBusy) this.#gather()
  }

  /** Each transaction waits for the disk: where more are on their way, it waits for a moment for them. */
  #gather(): void {
    const isMore = (this.#queue.at(-1)?.info.pending ?? 0) > 0
    if (!isMore || this.#queue.length >= ENOUGH) void this.#work()
    else this.#gathering ??= setTimeout(() => void this.#work(), GATHERED_WITHIN_MS)
  }

  /** What came together is one transaction; what comes while the disk is waited for is the next one. */
  async #work(): Promise<void> {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    this.#isBusy = true
    const failure = await this.#applyAll()
    this.#isBusy = false
    this.#idle?.()
    if (failure !== undefined) {
      this.#options.log.error('commands-not-applied', failureFields(failure))
      // The link makes a connection anew, after its back-off, and everything that is not acknowledged comes again.
      void this.stop()
    } else if (!this.#isOver && this.#queue.length > 0) this.#gather()
  }

  /** Until there are none for now. What could not be kept is given back: then nothing newer may be applied either. */
  async #applyAll(): Promise<unknown> {
    try {
      let before: readonly Applied[] = []
      do before = await this.#next(before)
      while (before.length > 0)
      return undefined
    } catch (failure) {
      this.#queue.unshift(...this.#inHand.splice(0))
      return failure
    }
  }

  get #isOver(): boolean {
    return this.#isStopped || this.#connection.isClosed()
  }

  /** Applies what has come, and acknowledges what was applied before while the disk is waited for. Rejects where it could not be kept. */
  async #next(before: readonly Applied[]): Promise<readonly Applied[]> {
    let applied: readonly Applied[] = []
    let onDisk: Promise<void> | undefined
    try {
      applied = this.#apply(this.#isOver ? [] : this.#queue.splice(0, MOST_AT_ONCE))
      if (applied.length > 0) onDisk = this.#options.ledger.onDisk()
      // It is awaited below, unless something else fails first.
      onDisk?.catch(() => {})
    } finally {
      // These are on the disk, whatever becomes of the next ones.
      this.#settle(before)
    }
    await onDisk
    return applied
  }

  #apply(batch: JsMsg[]): readonly Applied[] {
    this.#inHand = batch
    if (batch.length === 0) return []
    const { ledger, now } = this.#options
    const read = batch.map((message) => ({ message, command: commandIn(message), seq: message.seq }))
    const good = read.filter((one): one is typeof one & { command: Command } => one.command !== undefined)
    const isNew = ledger.apply(good, now()).values()
    return read.map((one) => ({ ...one, isNew: one.command !== undefined && isNew.next().value === true }))
  }

  #settle(applied: readonly Applied[]): void {
    // They come again, and are known.
    if (this.#connection.isClosed()) return
    const { host, log, now } = this.#options
    const at = new Date(now()).toISOString()
    for (const { message, command, seq, isNew } of applied) {
      if (command === undefined) {
        log.warn('command-malformed', { seq })
        message.term('malformed')
        continue
      }
      message.ack()
      // Of one that comes again, what was told may not have gone out.
      if (isNew || message.redelivered) this.#tell(host, { id: command.id, state: 'applied', seq, at })
    }
  }

  #tell(host: string, status: object): void {
    this.#connection.publish(`WORKLOAD.${host}.status`, JSON.stringify(status))
  }
}

/** Rejects with `LinkFailure` where there is none. */
export function consumerOf(connection: NatsConnection, host: string): Promise<Consumer> {
  return jetstream(connection)
    .consumers.get(STREAM, host)
    .catch((cause: unknown) => {
      const message = `the broker has no commands for ${host}; declare it where commands come from`
      throw new LinkFailure('consumer_missing', message, { cause })
    })
}

function commandIn(message: JsMsg): Command | undefined {
  try {
    return commandSchema.parse(message.json())
  } catch {
    return undefined
  }
}
