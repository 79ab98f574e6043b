import type { DatabaseSync } from 'node:sqlite'
import { commit } from '../../shared/sqlite.ts'
import type { StoredToken, TokenRecord, TokenState, TokenUse } from '../model.ts'
import type { TokenWriter } from './token-writer.ts'

export interface TokenFilter {
  subject?: string
  x5t?: string
  /** DNS name, any case. */
  san?: string
  state?: TokenState
}

export interface TokenStore {
  /** Resolves when the row is on disk. Rejects with `StorageUnavailable` or `ClientGone`. */
  record(token: TokenRecord): Promise<void>
  find(jti: string, now: number): StoredToken | undefined
  /** Up to `limit` tokens in the order of their making, after `cursor`; `next` is the cursor of the page behind, if there is one. */
  list(
    filter: TokenFilter,
    page: { limit: number; cursor: number },
    now: number,
  ): { tokens: StoredToken[]; next?: number }
  /** Answers how many it ended, or undefined for a jti that was never recorded. Tokens that are over already do not count. */
  revoke(by: { jti: string } | { san: string } | { x5t: string }, now: number): number | undefined
  /** Removes up to `limit` rows that ended before `before`; answers how many. */
  purge(before: number, limit: number): number
}

type Row = Record<string, unknown>

// A token whose key is retired, or no longer known, is as dead as a revoked one.
const STATE = `CASE
  WHEN tokens.revoked_at IS NOT NULL THEN 'revoked'
  WHEN tokens.exp <= $now THEN 'expired'
  WHEN keys.state = 'active' OR (keys.state = 'grace' AND keys.until > $now) THEN 'active'
  ELSE 'revoked' END`
// Says nothing new, but leads to the few revoked rows by index instead of through all of them.
const DEAD = `tokens.seq IN (SELECT seq FROM tokens WHERE revoked_at IS NOT NULL UNION ALL
  SELECT seq FROM tokens WHERE kid IN (SELECT kid FROM keys WHERE state = 'retired' OR (state = 'grace' AND until <= $now)))`
const SELECT = `SELECT tokens.*, ${STATE} AS state FROM tokens LEFT JOIN keys ON keys.kid = tokens.kid`

export function tokenStore(database: DatabaseSync, writer: TokenWriter): TokenStore {
  const byJti = database.prepare(`${SELECT} WHERE tokens.jti = $jti`)
  const purge = database.prepare('DELETE FROM tokens WHERE seq IN (SELECT seq FROM tokens WHERE exp < ? LIMIT ?)')
  const purgeHolders = database.prepare('DELETE FROM holder_certificates WHERE not_after < ?')
  const lists = new Map<string, ReturnType<DatabaseSync['prepare']>>()
  const revokes = {
    jti: database.prepare('UPDATE tokens SET revoked_at = ?1 WHERE jti = ?2 AND revoked_at IS NULL AND exp > ?1'),
    x5t: database.prepare('UPDATE tokens SET revoked_at = ?1 WHERE x5t = ?2 AND revoked_at IS NULL AND exp > ?1'),
    san: database.prepare(
      `UPDATE tokens SET revoked_at = ?1 WHERE seq IN (SELECT seq FROM token_sans WHERE san = ?2)
       AND revoked_at IS NULL AND exp > ?1`,
    ),
  }
  return {
    record: writer.record,
    find: (jti, now) => tokenOf(byJti.get({ $jti: jti, $now: now })),
    list(filter, { limit, cursor }, now) {
      const conditions = ['tokens.seq > $cursor']
      const values: Record<string, string | number> = { $cursor: cursor, $now: now, $limit: limit + 1 }
      if (filter.subject !== undefined) {
        conditions.push('tokens.client_id = $subject')
        values.$subject = filter.subject
      }
      if (filter.x5t !== undefined) {
        conditions.push('tokens.x5t = $x5t')
        values.$x5t = filter.x5t
      }
      if (filter.san !== undefined) {
        conditions.push('tokens.seq IN (SELECT seq FROM token_sans WHERE san = $san AND seq > $cursor)')
        values.$san = filter.san.toLowerCase()
      }
      if (filter.state !== undefined) {
        conditions.push(`${STATE} = $state`)
        if (filter.state === 'revoked') conditions.push(DEAD)
        values.$state = filter.state
      }
      const sql = `${SELECT} WHERE ${conditions.join(' AND ')} ORDER BY tokens.seq LIMIT $limit`
      const statement = lists.get(sql) ?? database.prepare(sql)
      lists.set(sql, statement)
      const found = statement.all(values).map((row) => tokenOf(row) as StoredToken)
      const tokens = found.slice(0, limit)
      const last = tokens.at(-1)
      return found.length > limit && last !== undefined ? { tokens, next: last.seq } : { tokens }
    },
    revoke(by, now) {
      if ('jti' in by && byJti.get({ $jti: by.jti, $now: now }) === undefined) return undefined
      const [statement, value] =
        'jti' in by ? [revokes.jti, by.jti] : 'x5t' in by ? [revokes.x5t, by.x5t] : [revokes.san, by.san.toLowerCase()]
      return commit(database, () => Number(statement.run(now, value).changes))
    },
    purge: (before, limit) =>
      commit(database, () => {
        purgeHolders.run(before)
        return Number(purge.run(before, limit).changes)
      }),
  }
}

function tokenOf(row: Row | undefined): StoredToken | undefined {
  if (row === undefined) return undefined
  return {
    seq: Number(row.seq),
    jti: String(row.jti),
    use: row.use as TokenUse,
    clientId: String(row.client_id),
    aud: JSON.parse(String(row.aud)) as string[],
    scope: String(row.scope),
    x5t: String(row.x5t),
    sans: JSON.parse(String(row.sans)) as string[],
    trustedDomains: JSON.parse(String(row.trusted_domains)) as string[],
    ...(row.trusted_nodes === null ? {} : { trustedNodes: JSON.parse(String(row.trusted_nodes)) as string[] }),
    kid: String(row.kid),
    iat: Number(row.iat),
    exp: Number(row.exp),
    state: row.state as TokenState,
  }
}
