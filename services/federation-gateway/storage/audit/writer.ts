import type { Session } from '../database.ts'
import { setSetting, setting } from '../settings.ts'
import { StoreUnavailable } from '../unavailable.ts'
import { LogFiles, type LogPosition } from './log-file.ts'
import { type AuditRow, insertAudit } from './rows.ts'

export interface AuditWriterOptions {
  readonly session: Session
  /** The decision log, of which rows are made that did not come to the database otherwise. */
  readonly decisionLog: string
  /** Whose decision log it is: `node/unit`. */
  readonly name: string
  /** Rows that wait at most; more are dropped, and found again in the decision log. */
  readonly capacity?: number
  /** A row that the database refuses for what it holds: the only one that is lost. */
  readonly onRejected?: (requestId: string, failure: unknown) => void
}

export interface AuditState {
  readonly queued: number
  readonly stored: number
  /** Over all this time; those that were found again are in `refilled`. */
  readonly dropped: number
  readonly refilled: number
  readonly rejected: number
  /** Rows are missing that the decision log has. */
  readonly isBehind: boolean
  /** Since when nothing could be stored. */
  readonly failingSince: Date | undefined
}

/** A request on its way. Its row is stored once it is told, or made of its decision record when this process has ended before. */
export interface AuditEntry {
  settle(row: AuditRow): void
  /** There is no decision record of it, and so there is no row. */
  cancel(): void
}

const CAPACITY = 10_000
const BATCH = 500
const LINGER_MS = 100
const LONGEST_PAUSE_MS = 2_000
const NOTE_EVERY_MS = 1_000

/**
 * Brings rows to the database beside the requests, which never wait for it. What does not fit into the queue, or was in it when the process
 * was killed, stands in the decision log: up to a place that is noted in the database all rows are stored, and from there on the log is
 * read again. The place is an offset: the numbers of records begin anew with each process.
 */
export class AuditWriter implements AsyncDisposable {
  readonly #options: AuditWriterOptions
  readonly #log: LogFiles
  readonly #capacity: number
  /** Requests whose rows are not stored, with where the log ended before their records: in that order. */
  readonly #open = new Map<string, number>()
  readonly #queue: AuditRow[] = []
  /** The first record whose row was dropped. */
  #missingFrom: number | undefined
  #refill: { readonly from: number; readonly batches: AsyncGenerator<AuditRow[]> } | undefined
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #failures = 0
  #failingSince: Date | undefined
  #notedAt = Number.NEGATIVE_INFINITY
  #isClosed = false
  readonly #counts = { stored: 0, dropped: 0, refilled: 0, rejected: 0 }

  private constructor(options: AuditWriterOptions, log: LogFiles) {
    this.#options = options
    this.#log = log
    this.#capacity = options.capacity ?? CAPACITY
  }

  /** Begins where the last process of this name ended. Rows that it has left are brought in beside the work. */
  static async start(options: AuditWriterOptions): Promise<AuditWriter> {
    const noted = await setting<LogPosition>(options.session, positionKey(options.name))
    const log = new LogFiles(options.decisionLog, noted)
    const writer = new AuditWriter(options, log)
    if (log.from < log.end) writer.#missingFrom = log.from
    writer.#schedule()
    return writer
  }

  get state(): AuditState {
    const isBehind = this.#missingFrom !== undefined || this.#refill !== undefined
    return { queued: this.#queue.length, ...this.#counts, isBehind, failingSince: this.#failingSince }
  }

  /** To be called before the decision is recorded. */
  open(requestId: string): AuditEntry {
    this.#open.set(requestId, this.#log.end)
    return {
      settle: (row) => this.#settle(requestId, row),
      cancel: () => void this.#open.delete(requestId),
    }
  }

  /** Stores what is left, for so long at most. What is not stored by then is for the next process. */
  async close(withinMs = 5_000): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    const end = performance.now() + withinMs
    await this.#running
    while (this.#hasWork && performance.now() < end && this.#failures === 0) await this.#run()
    await this.#note().catch(() => {})
    await this.#refill?.batches.return(undefined)
    this.#log[Symbol.dispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #settle(requestId: string, row: AuditRow): void {
    const from = this.#open.get(requestId)
    if (from === undefined) return
    if (this.#queue.length >= this.#capacity) {
      this.#counts.dropped += 1
      this.#open.delete(requestId)
      this.#missingFrom = Math.min(this.#missingFrom ?? from, from)
      return
    }
    this.#queue.push(row)
    if (this.#queue.length === BATCH && this.#failures === 0) {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
    this.#schedule()
  }

  get #hasWork(): boolean {
    return this.#queue.length > 0 || this.#refill !== undefined || this.#missingFrom !== undefined
  }

  #schedule(): void {
    if (this.#isClosed || this.#running !== undefined || this.#timer !== undefined || !this.#hasWork) return
    const isFull = this.#queue.length >= BATCH || this.#queue.length === 0
    const pause = Math.min(LINGER_MS * 2 ** this.#failures, LONGEST_PAUSE_MS)
    const wait = this.#failures > 0 ? pause : isFull ? 0 : LINGER_MS
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#running = this.#run().finally(() => {
        this.#running = undefined
        this.#schedule()
      })
    }, wait)
  }

  /** One batch of the queue, and one of what is to be found again. */
  async #run(): Promise<void> {
    try {
      await this.#storeQueued()
      await this.#storeMissing()
      this.#failures = 0
      this.#failingSince = undefined
      if (performance.now() - this.#notedAt >= NOTE_EVERY_MS) await this.#note()
    } catch {
      // The rows are still there. Whoever looks at the state sees since when.
      this.#failures += 1
      this.#failingSince ??= new Date()
    }
  }

  async #storeQueued(): Promise<void> {
    const batch = this.#queue.slice(0, BATCH)
    if (batch.length === 0) return
    this.#counts.stored += await this.#store(batch)
    this.#queue.splice(0, batch.length)
    for (const { requestId } of batch) this.#open.delete(requestId)
  }

  async #storeMissing(): Promise<void> {
    // A queue that is filling up comes first: what is missing stays where it is.
    if (this.#refill === undefined && this.#missingFrom !== undefined && this.#queue.length < this.#capacity / 2) {
      const [from, to] = [this.#missingFrom, this.#log.end]
      this.#missingFrom = undefined
      this.#refill = { from, batches: this.#log.rows({ from, to, atOnce: BATCH }) }
    }
    const refill = this.#refill
    if (refill === undefined) return
    try {
      const { done, value: rows } = await refill.batches.next()
      // Those that are on their way know more of their answers than their records do.
      if (done !== true)
        this.#counts.refilled += await this.#store(rows.filter((row) => !this.#open.has(row.requestId)))
      else this.#refill = undefined
    } catch (failure) {
      this.#missingFrom = Math.min(this.#missingFrom ?? refill.from, refill.from)
      this.#refill = undefined
      throw failure
    }
  }

  /** Where one row is refused for what it holds, the others are stored. */
  async #store(rows: readonly AuditRow[]): Promise<number> {
    try {
      return await insertAudit(this.#options.session, rows)
    } catch (failure) {
      if (failure instanceof StoreUnavailable) throw failure
      if (rows.length > 1) {
        const half = Math.ceil(rows.length / 2)
        return (await this.#store(rows.slice(0, half))) + (await this.#store(rows.slice(half)))
      }
      this.#counts.rejected += 1
      this.#options.onRejected?.(rows[0]!.requestId, failure)
      return 0
    }
  }

  /** Up to where all rows are stored. */
  async #note(): Promise<void> {
    const { session, name } = this.#options
    const [oldest] = this.#open.values()
    const places = [this.#log.end, oldest, this.#missingFrom, this.#refill?.from]
    const place = Math.min(...places.filter((place) => place !== undefined))
    await setSetting(session, positionKey(name), this.#log.position(place))
    this.#notedAt = performance.now()
  }
}

export function positionKey(name: string): string {
  return `audit-position-${name}`
}
