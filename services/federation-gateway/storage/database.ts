import pg from 'pg'
import { Places } from '../places.ts'
import type { Patience } from './patience.ts'
import type { Statement } from './statement.ts'
import { isUnavailable, StoreUnavailable, stateOf } from './unavailable.ts'

/** What statements are said to: the pool, or one transaction. */
export interface Session {
  /** @throws StoreUnavailable */
  query<Row extends object>(statement: Statement): Promise<Row[]>
}

/** What is asked one statement after the other, or as a whole. */
export interface Asking extends Session {
  transaction<Result>(work: (session: Session) => Promise<Result>): Promise<Result>
}

export interface DatabaseOptions {
  /** `postgres://USER[:PASSWORD]@HOST:PORT/DATABASE[?sslmode=verify-full]` */
  readonly url: string
  /** Instead of one in the URL. */
  readonly password?: string
  /** The role that sessions begin as. Default: that of the login, which is to own everything. */
  readonly role?: 'gateway_app' | 'gateway_archiver'
  /** For a statement or a transaction, waiting for a session included. Default 2000; 0: without an end, for migrations. */
  readonly withinMs?: number
  readonly sessions?: number
}

const SESSIONS = 20
/** Of all sessions, one of those that share them has this part at once. */
const SHARE = 1 / 4
const WITHIN_MS = 2_000
const IDLE_MS = 30_000
const MOST_PREPARED = 200

/** Whole numbers of 64 bits as numbers: none here comes near to what a number cannot hold. */
const types = new pg.TypeOverrides()
types.setTypeParser(pg.types.builtins.INT8, Number)

/** A pool of sessions at one database. It keeps no answers. */
export class Database implements Asking, AsyncDisposable {
  readonly #pool: pg.Pool
  readonly #withinMs: number
  readonly #shares: Places
  /** By text. */
  readonly #prepared = new Map<string, string>()
  readonly place: string

  constructor({ url, password, role, withinMs = WITHIN_MS, sessions = SESSIONS }: DatabaseOptions) {
    const target = new URL(url)
    if (password !== undefined) target.password = encodeURIComponent(password)
    this.place = `${target.pathname.slice(1)} at ${target.host}`
    this.#withinMs = withinMs
    this.#shares = new Places(Math.ceil(sessions * SHARE))
    this.#pool = new pg.Pool({
      connectionString: target.href,
      application_name: 'federation-gateway',
      max: sessions,
      connectionTimeoutMillis: withinMs === 0 ? WITHIN_MS : withinMs,
      idleTimeoutMillis: IDLE_MS,
      // The server gives up, too: a statement that nobody waits for any more would keep its locks.
      ...(withinMs > 0 && { statement_timeout: withinMs, idle_in_transaction_session_timeout: 2 * withinMs }),
      ...(role !== undefined && { options: `-c role=${role}` }),
      types,
    })
    // A session that the server ends is replaced by the next one. Whoever used it is told by what it asked for.
    this.#pool.on('error', () => {})
    this.#pool.on('connect', (client) => void client.on('error', () => {}))
  }

  /** Sessions that are open, and callers that wait for one. */
  get load(): { open: number; idle: number; waiting: number } {
    const { totalCount: open, idleCount: idle, waitingCount: waiting } = this.#pool
    return { open, idle, waiting }
  }

  query<Row extends object>(statement: Statement): Promise<Row[]> {
    return this.#query(statement, this.#end())
  }

  /** The same for one request, which waits for all that it asks no longer than it has patience. */
  patiently(patience: Patience): Asking {
    return {
      query: (statement) => patience.during(() => this.#query(statement, this.#end(patience))),
      transaction: (work) => patience.during(() => this.#transaction(work, this.#end(patience))),
    }
  }

  /**
   * For a request of one of many, so that none of them keeps out the others: beyond its share it waits for itself, as everybody does for a
   * session, but not for whom nobody waits any more.
   */
  shared(key: string, { signal, patience }: { readonly signal: AbortSignal; readonly patience: Patience }): Session {
    return {
      query: <Row extends object>(statement: Statement) => {
        const end = this.#end(patience)
        const ask = () => {
          signal.throwIfAborted()
          return this.#query<Row>(statement, end)
        }
        return patience.during(() => this.#inTime(end, this.#shares.with(key, ask)))
      },
    }
  }

  /** What is done in `work` is done as a whole, or not at all: a failure, or `undo`, takes everything back. */
  transaction<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    return this.#transaction(work, this.#end())
  }

  #query<Row extends object>(statement: Statement, end: number): Promise<Row[]> {
    return this.#within(end, (say) => say(statement)) as Promise<Row[]>
  }

  #transaction<Result>(work: (session: Session) => Promise<Result>, end: number): Promise<Result> {
    return this.#within(end, async (say) => {
      await say({ text: 'BEGIN', values: [] })
      try {
        const result = await work({ query: say as Session['query'] })
        await say({ text: 'COMMIT', values: [] })
        return result
      } catch (failure) {
        await say({ text: 'ROLLBACK', values: [] })
        if (failure instanceof Undone) return failure.result as Result
        throw failure
      }
    })
  }

  /**
   * Does work that nobody does at the same time, in no process, and answers nothing where somebody does. It holds a session and no
   * transaction, so it may take its time. A session that is lost lets the next one in: the work must bear that.
   */
  async exclusively<Result>(name: string, work: () => Promise<Result>): Promise<{ result: Result } | undefined> {
    const client = await this.#pool.connect().catch((cause: unknown) => {
      throw this.#told(cause)
    })
    const ask = async (text: string): Promise<unknown> => {
      try {
        const query = { text, values: [name], ...(this.#withinMs > 0 && { query_timeout: this.#withinMs }) }
        return (await client.query<{ done: unknown }>(query)).rows[0]?.done
      } catch (cause) {
        throw this.#told(cause)
      }
    }
    // A session that ends gives up what it holds.
    let isClean = false
    try {
      isClean = (await ask('SELECT NOT pg_try_advisory_lock(hashtextextended($1, 0)) AS done')) === true
      if (isClean) return undefined
      const letGo = async () => {
        await ask('SELECT pg_advisory_unlock(hashtextextended($1, 0)) AS done')
        isClean = true
      }
      const result = await work().catch(async (failure: unknown) => {
        // Or it would be held until the server sees that the session is gone, and whoever is next at it would find it taken.
        await letGo().catch(() => {})
        throw failure
      })
      await letGo()
      return { result }
    } finally {
      client.release(!isClean)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool.end()
  }

  #end(patience?: Patience): number {
    const end = this.#withinMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + this.#withinMs
    return patience === undefined ? end : Math.min(end, patience.end)
  }

  /** A session no later than `end`: the pool waits from when it is asked, and does not know for how long others have waited before. */
  async #session(end: number): Promise<pg.PoolClient> {
    const connecting = this.#pool.connect().catch((cause: unknown) => {
      throw this.#told(cause)
    })
    try {
      const client = await this.#inTime(end, connecting)
      // Nobody is told what comes of a statement that is said too late.
      if (performance.now() >= end) throw this.#late()
      return client
    } catch (failure) {
      // One that comes all the same is for the next one.
      connecting.then(
        (client) => client.release(),
        () => {},
      )
      throw failure
    }
  }

  /** What has not come by `end` is waited for no longer. */
  async #inTime<Value>(end: number, coming: Promise<Value>): Promise<Value> {
    const left = end - performance.now()
    if (!Number.isFinite(left)) return coming
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#late()), Math.max(0, left))
    })
    return Promise.race([coming, late]).finally(() => clearTimeout(timer))
  }

  #late(): unknown {
    return this.#told(new Error('no session in time'))
  }

  async #within<Result>(end: number, work: (say: Say) => Promise<Result>): Promise<Result> {
    const client = await this.#session(end)
    let broken = false
    const say: Say = async ({ text, values }) => {
      const left = Math.max(1, Math.ceil(end - performance.now()))
      try {
        const [name, isBounded] = [this.#preparedName(text, values), Number.isFinite(left)]
        const query = { ...(name && { name }), text, values: [...values], ...(isBounded && { query_timeout: left }) }
        return (await client.query<object>(query)).rows
      } catch (cause) {
        // Without an answer of the server nobody knows what this session would answer next.
        broken ||= stateOf(cause) === undefined
        throw this.#told(cause)
      }
    }
    try {
      return await work(say)
    } finally {
      client.release(broken)
    }
  }

  /**
   * PostgreSQL reads and plans a statement with a name once in a session, which takes longer than most of ours take to run. Each takes memory
   * of each session, and what callers filter by makes texts of its own: so the first of them have names, and no others.
   */
  #preparedName(text: string, values: readonly unknown[]): string | undefined {
    // Without values it may be several statements, of which none can be prepared.
    if (values.length === 0) return undefined
    const known = this.#prepared
    if (!known.has(text) && known.size < MOST_PREPARED) known.set(text, `gateway ${known.size + 1}`)
    return known.get(text)
  }

  #told(cause: unknown): unknown {
    return isUnavailable(cause) ? new StoreUnavailable(this.place, cause) : cause
  }
}

type Say = (statement: Statement) => Promise<object[]>

class Undone extends Error {
  readonly result: unknown

  constructor(result: unknown) {
    super('the transaction was taken back')
    this.result = result
  }
}

/** Ends the transaction without anything done; the result is that of `transaction`. */
export function undo(result: unknown): never {
  throw new Undone(result)
}

/** The one row, or none. */
export async function one<Row extends object>(session: Session, statement: Statement): Promise<Row | undefined> {
  return (await session.query<Row>(statement))[0]
}
