import { type Consumer, type JsMsg, jetstream } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { z } from 'zod'
import { failureFields, type Log } from '../shared/log.ts'
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

/** Fetches commands over one connection, and applies each once, in order, before it is acknowledged. */
export class Consumption {
  readonly #options: ConsumptionOptions
  readonly #connection: NatsConnection
  readonly #order: InOrder<JsMsg>
  readonly #queue: JsMsg[] = []
  readonly #working: NodeJS.Timeout
  readonly #releasing: NodeJS.Timeout
  #isStopped = false
  #isBusy = false
  #gathering: NodeJS.Timeout | undefined
  #idle: (() => void) | undefined

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
      for (const message of [...this.#order.waiting, ...this.#queue]) message.working()
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
  async stop(): Promise<void> {
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
    await this.#connection.drain().catch(() => this.#connection.close())
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
    if (this.#isStopped || !isMore || this.#queue.length >= ENOUGH) this.#work()
    else this.#gathering ??= setTimeout(() => this.#work(), GATHERED_WITHIN_MS)
  }

  /** What came together is one transaction, and other things are to be done as well. */
  #work(): void {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    const batch = this.#isStopped ? [] : this.#queue.slice(0, MOST_AT_ONCE)
    this.#isBusy = batch.length > 0
    if (!this.#isBusy) {
      this.#idle?.()
      return
    }
    if (!this.#apply(batch)) {
      this.#giveUp()
      return
    }
    this.#queue.splice(0, batch.length)
    setImmediate(() => {
      this.#isBusy = false
      this.#gather()
    })
  }

  /** False where it could not be kept: then nothing newer may be applied either. */
  #apply(batch: readonly JsMsg[]): boolean {
    const { host, ledger, log, now } = this.#options
    const read = batch.map((message) => ({ message, command: commandIn(message), seq: message.seq }))
    const good = read.filter((one): one is typeof one & { command: Command } => one.command !== undefined)
    try {
      const isNew = ledger.apply(good, now())
      const at = new Date(now()).toISOString()
      for (const [place, { message, command, seq }] of good.entries()) {
        message.ack()
        if (isNew[place]) this.#tell(host, { id: command.id, state: 'applied', seq, at })
      }
    } catch (failure) {
      log.error('commands-not-applied', failureFields(failure))
      return false
    }
    for (const { message, command, seq } of read) {
      if (command !== undefined) continue
      log.warn('command-malformed', { seq })
      message.term('malformed')
    }
    return true
  }

  #tell(host: string, status: object): void {
    this.#connection.publish(`WORKLOAD.${host}.status`, JSON.stringify(status))
  }

  /** The link makes a connection anew, after its back-off, and everything that is not acknowledged comes again. */
  #giveUp(): void {
    this.#isBusy = false
    this.#idle?.()
    void this.stop()
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
