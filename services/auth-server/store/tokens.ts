import type { DatabaseSync } from 'node:sqlite'
import { commit } from '../../shared/sqlite.ts'
import type { StoredToken, TokenRecord, TokenState, TokenUse } from '../model.ts'
import { PHASE, tokenPhases } from './phases.ts'
import { listQuery, SELECT_TOKEN } from './token-lists.ts'
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
  /** Puts up to `limit` rows where lists find them at once; answers how many. */
  settle(now: number, limit: number): number
  /** Removes up to `limit` rows that ended before `before`; answers how many. */
  purge(before: number, limit: number): number
}

type Row = Record<string, unknown>

export function tokenStore(database: DatabaseSync, writer: TokenWriter): TokenStore {
  const byJti = database.prepare(`${SELECT_TOKEN} WHERE tokens.jti = $jti`)
  const purge = database.prepare(
    `DELETE FROM tokens WHERE seq IN (
      SELECT seq FROM tokens WHERE phase IN (${Object.values(PHASE).join(', ')}) AND exp < ? LIMIT ?)`,
  )
  const purgeHolders = database.prepare('DELETE FROM holder_certificates WHERE not_after < ?')
  const phases = tokenPhases(database)
  const lists = new Map<string, ReturnType<DatabaseSync['prepare']>>()
  const revoke = (rows: string) =>
    database.prepare(
      `UPDATE tokens SET revoked_at = ?1, phase = ${PHASE.revoked} WHERE ${rows} AND revoked_at IS NULL AND exp > ?1`,
    )
  const revokes = {
    jti: revoke('jti = ?2'),
    x5t: revoke('x5t = ?2'),
    san: revoke('seq IN (SELECT seq FROM token_sans WHERE san = ?2)'),
  }
  return {
    record: writer.record,
    find: (jti, now) => tokenOf(byJti.get({ $jti: jti, $now: now })),
    list(filter, { limit, cursor }, now) {
      phases.notAfter(now)
      const values: Record<string, string | number> = { $cursor: cursor, $now: now, $limit: limit + 1 }
      if (filter.subject !== undefined) values.$subject = filter.subject
      if (filter.x5t !== undefined) values.$x5t = filter.x5t
      if (filter.san !== undefined) values.$san = filter.san.toLowerCase()
      if (filter.state !== undefined) values.$state = filter.state
      const sql = listQuery(filter)
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
    settle: phases.settle,
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
