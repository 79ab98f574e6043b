import type { DatabaseSync } from 'node:sqlite'
import { commit, forgetOverwritten } from '../../shared/sqlite.ts'

export type KeyState = 'active' | 'grace' | 'retired'

export interface StoredKey {
  kid: string
  alg: string
  state: KeyState
  createdAt: number
  /** State `grace`: the second from which it is retired. */
  until?: number
}

/** Signing keys. The private part leaves this store through `privateJwk` only. */
export interface KeyStore {
  /** Newest first. A key whose grace is over is reported as retired. */
  list(now: number): StoredKey[]
  /** The key as JSON text. Undefined for a key that is retired: its private part is forgotten. */
  privateJwk(kid: string): string | undefined
  /**
   * Makes `key` the active one. With `graceUntil`, the one that was active goes on verifying until then; without, every earlier
   * key is retired at once.
   */
  activate(key: { kid: string; alg: string; jwk: string }, now: number, graceUntil?: number): void
  /** Retires keys whose grace is over; answers how many. */
  retire(now: number): number
}

export function keyStore(database: DatabaseSync): KeyStore {
  const all = database.prepare(
    'SELECT kid, alg, state, created_at, until FROM keys ORDER BY created_at DESC, state, kid',
  )
  const jwk = database.prepare("SELECT jwk FROM keys WHERE kid = ? AND state <> 'retired'")
  const insert = database.prepare(
    "INSERT INTO keys (kid, alg, jwk, state, created_at, until) VALUES (?, ?, ?, 'active', ?, NULL)",
  )
  const toGrace = database.prepare("UPDATE keys SET state = 'grace', until = ? WHERE state = 'active'")
  const retireAll = database.prepare("UPDATE keys SET state = 'retired', jwk = '', until = ? WHERE state <> 'retired'")
  const retireOver = database.prepare(
    "UPDATE keys SET state = 'retired', jwk = '' WHERE state = 'grace' AND until <= ?",
  )
  return {
    list: (now) =>
      all.all().map((row) => {
        const until = row.until === null ? undefined : Number(row.until)
        const isOver = row.state === 'grace' && until !== undefined && until <= now
        return {
          kid: String(row.kid),
          alg: String(row.alg),
          state: isOver ? 'retired' : (row.state as KeyState),
          createdAt: Number(row.created_at),
          ...(until === undefined ? {} : { until }),
        }
      }),
    privateJwk: (kid) => jwk.get(kid)?.jwk as string | undefined,
    activate(key, now, graceUntil) {
      commit(database, () => {
        if (graceUntil === undefined) retireAll.run(now)
        else toGrace.run(graceUntil)
        insert.run(key.kid, key.alg, key.jwk, now)
      })
      if (graceUntil === undefined) forgetOverwritten(database)
    },
    retire(now) {
      const retired = commit(database, () => Number(retireOver.run(now).changes))
      if (retired > 0) forgetOverwritten(database)
      return retired
    },
  }
}
