import type { NatsConnection } from '@nats-io/transport-node'
import { failureFields, type Log } from '../log.ts'
import { StartFailure } from '../start-failure.ts'
import { BrokerRefused, drained } from './broker-connection.ts'

export interface LinkOptions {
  /** For the log. */
  readonly name: string
  /** Makes one connection, with what is newest at that moment, and sets it up. */
  open(): Promise<NatsConnection>
  readonly retry: { readonly initialMs: number; readonly maximumMs: number }
  readonly log: Log
  /** There is a connection, or another one than before, which is drained when this has settled. */
  onUp?(connection: NatsConnection): void | Promise<void>
  /** One of our own guards refused the broker. */
  onRefused?(refused: BrokerRefused): void
  /** Calls back after so many ms. Default: timers that do not keep the process alive. */
  readonly after?: (ms: number, act: () => void) => { close(): void }
  /** 0 to 1. */
  readonly random?: () => number
}

/** Why there is no connection. */
export type LinkProblem =
  | 'login_refused'
  | 'credentials_revoked'
  | 'credentials_expired'
  | 'account_expired'
  | 'broker_unreachable'
  | (string & {})

export interface LinkState {
  readonly state: 'connected' | 'connecting'
  /** Milliseconds since 1970. */
  readonly since: number
  readonly lastError?: LinkProblem
}

/** Why a connection cannot be made, or is of no use. */
export class LinkFailure extends Error {
  readonly reason: LinkProblem

  constructor(reason: LinkProblem, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'LinkFailure'
    this.reason = reason
  }
}

/** There is no connection: what was asked for did not leave this process. */
export class BrokerUnavailable extends Error {
  constructor(name: string) {
    super(`${name}: there is no connection to the broker`)
    this.name = 'BrokerUnavailable'
  }
}

/** Work that was begun on a connection may end on it, for at most so long. */
const LONGEST_WORK_MS = 5_000
const JITTER = 0.2
/** The broker tells these to whoever is in, and lets go of him; after that it tells one error for all. */
const TOLD_ONCE: readonly LinkProblem[] = ['credentials_revoked', 'credentials_expired', 'account_expired']

/**
 * A connection that is always wanted: it is made anew when it ends, with back-off, and replaced without a gap when what it was made with has
 * changed: the next one is up before the one before is drained.
 */
export class BrokerLink {
  readonly #options: LinkOptions
  readonly #work = new WeakMap<NatsConnection, { count: number; idle?: () => void }>()
  #connection: NatsConnection | undefined
  #since = Date.now()
  #lastError: LinkProblem | undefined
  #failures = 0
  #isWanted = false
  /** A connection is to be made, even where there is one. */
  #isDue = false
  #isOpening = false
  #timer: { close(): void } | undefined

  constructor(options: LinkOptions) {
    this.#options = options
  }

  start(): void {
    this.#isWanted = true
    this.renew()
  }

  /** Connects anew with what has changed, at once; the connection that there is goes on until then. */
  renew(): void {
    if (!this.#isWanted) return
    this.#isDue = true
    this.#failures = 0
    void this.#attempt()
  }

  get connection(): NatsConnection | undefined {
    return this.#connection
  }

  state(): LinkState {
    const state = this.#connection === undefined ? 'connecting' : 'connected'
    return { state, since: this.#since, ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }) }
  }

  /** Runs `work` on the connection that there is now, which ends no sooner than that. @throws BrokerUnavailable */
  async use<Result>(work: (connection: NatsConnection) => Promise<Result>): Promise<Result> {
    const connection = this.#connection
    const atWork = connection && this.#work.get(connection)
    if (connection === undefined || atWork === undefined) throw new BrokerUnavailable(this.#options.name)
    atWork.count += 1
    try {
      return await work(connection)
    } finally {
      atWork.count -= 1
      if (atWork.count === 0) atWork.idle?.()
    }
  }

  /** Drains. */
  async close(): Promise<void> {
    this.#isWanted = false
    this.#timer?.close()
    const connection = this.#connection
    this.#connection = undefined
    if (connection !== undefined) await this.#retire(connection)
  }

  async #attempt(): Promise<void> {
    this.#timer?.close()
    if (this.#isOpening) return
    this.#isOpening = true
    this.#isDue = false
    try {
      const connection = await this.#options.open()
      if (this.#isWanted) this.#adopt(connection)
      else await connection.close()
    } catch (failure) {
      this.#failed(failure)
    } finally {
      this.#isOpening = false
    }
    // What changed while it was made is not in it yet.
    if (this.#isDue && this.#isWanted) await this.#attempt()
  }

  #adopt(connection: NatsConnection): void {
    const { name, log } = this.#options
    const before = this.#connection
    this.#connection = connection
    this.#work.set(connection, { count: 0 })
    this.#failures = 0
    this.#lastError = undefined
    this.#since = Date.now()
    log.info('broker-connected', { connection: name, server: connection.getServer() })
    void connection.closed().then((cause) => this.#ended(connection, cause))
    void this.#handOver(connection, before)
  }

  async #handOver(connection: NatsConnection, before: NatsConnection | undefined): Promise<void> {
    const { name, log, onUp } = this.#options
    try {
      await onUp?.(connection)
    } catch (failure) {
      log.error('broker-connection-unused', { connection: name, ...failureFields(failure) })
    }
    if (before !== undefined) await this.#retire(before)
  }

  #failed(failure: unknown): void {
    const { name, log, onRefused } = this.#options
    this.#note(failure)
    log.warn('broker-not-connected', { connection: name, reason: this.#lastError, ...failureFields(failure) })
    if (failure instanceof BrokerRefused) onRefused?.(failure)
    this.#again()
  }

  #ended(connection: NatsConnection, cause: unknown): void {
    if (connection !== this.#connection) return
    const { name, log } = this.#options
    this.#connection = undefined
    this.#since = Date.now()
    this.#note(cause)
    log.warn('broker-connection-ended', { connection: name, reason: this.#lastError })
    this.#again()
  }

  #note(failure: unknown): void {
    const problem = problemOf(failure)
    if (problem !== 'login_refused' || !TOLD_ONCE.includes(this.#lastError ?? '')) this.#lastError = problem
  }

  #again(): void {
    if (!this.#isWanted) return
    const { retry, after = realAfter, random = Math.random } = this.#options
    const delay = Math.min(retry.initialMs * 2 ** this.#failures, retry.maximumMs)
    this.#failures += 1
    this.#timer?.close()
    this.#timer = after(delay * (1 + JITTER * (2 * random() - 1)), () => void this.#attempt())
  }

  async #retire(connection: NatsConnection): Promise<void> {
    const atWork = this.#work.get(connection)
    if (atWork !== undefined && atWork.count > 0) {
      const { after = realAfter } = this.#options
      await new Promise<void>((resolve) => {
        const limit = after(LONGEST_WORK_MS, resolve)
        atWork.idle = () => {
          limit.close()
          resolve()
        }
      })
    }
    await drained(connection)
  }
}

/** The reason for which a connection ended, or could not be made. */
function problemOf(failure: unknown): LinkProblem {
  if (failure instanceof BrokerRefused || failure instanceof LinkFailure || failure instanceof StartFailure) {
    return failure.reason
  }
  const text = failure instanceof Error ? failure.message : ''
  if (/user authentication revoked/i.test(text)) return 'credentials_revoked'
  if (/user authentication expired/i.test(text)) return 'credentials_expired'
  if (/account authentication expired/i.test(text)) return 'account_expired'
  return /authorization violation/i.test(text) ? 'login_refused' : 'broker_unreachable'
}

function realAfter(ms: number, act: () => void): { close(): void } {
  const timer = setTimeout(act, ms)
  return { close: () => clearTimeout(timer) }
}
