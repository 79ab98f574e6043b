import type { DatabaseSync } from 'node:sqlite'
import { commit } from '../../shared/sqlite.ts'

/**
 * Where a row stood when it was last looked at. What a token is worth is never read from here: a row may have expired, or its key been
 * retired, since then.
 */
export const PHASE = { open: 0, revoked: 1, expired: 2, unkeyed: 3 } as const

export interface Phases {
  /** Moves up to `limit` rows to where they stand now, few at a time: a long commit keeps others waiting. Answers how many. */
  settle(now: number, limit: number): number
  /** To be called before a list at `now`: where the clock was set back, rows that had expired are open again. */
  notAfter(now: number): void
}

export function tokenPhases(database: DatabaseSync): Phases {
  const moves = [
    { from: `phase = ${PHASE.open} AND exp <= $now`, to: PHASE.expired },
    { from: `phase = ${PHASE.unkeyed} AND exp <= $now`, to: PHASE.expired },
    {
      from: `phase = ${PHASE.open} AND kid IN (SELECT kid FROM keys WHERE ${DEAD_KEY}) AND exp > $now`,
      to: PHASE.unkeyed,
    },
  ].map(({ from, to }) => ({
    due: database.prepare(`SELECT EXISTS (SELECT 1 FROM tokens WHERE ${from}) AS due`),
    run: database.prepare(
      `UPDATE tokens SET phase = ${to} WHERE seq IN (SELECT seq FROM tokens WHERE ${from} LIMIT $limit)`,
    ),
  }))
  const reopen = database.prepare(
    `UPDATE tokens SET phase = ${PHASE.open} WHERE phase = ${PHASE.expired} AND exp > $now`,
  )
  let latest = Number.NEGATIVE_INFINITY
  const notAfter = (now: number): void => {
    if (now < latest) commit(database, () => reopen.run({ $now: now }))
    latest = Math.min(latest, now)
  }
  return {
    notAfter,
    settle(now, limit) {
      notAfter(now)
      // Looked at first: whoever begins to write keeps the tokens waiting that are being minted.
      if (!moves.some(({ due }) => due.get({ $now: now })?.due === 1)) return 0
      latest = now
      return commit(database, () => {
        let left = limit
        for (const { run } of moves) left -= Number(run.run({ $now: now, $limit: left }).changes)
        return limit - left
      })
    },
  }
}

/** Keys that verify nothing any more, at `$now`. */
export const DEAD_KEY = "state = 'retired' OR (state = 'grace' AND until <= $now)"
