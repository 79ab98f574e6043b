import { DEAD_KEY, PHASE } from './phases.ts'
import type { TokenFilter } from './tokens.ts'

// A token whose key is retired, or no longer known, is as dead as a revoked one.
const STATE = `CASE
  WHEN tokens.revoked_at IS NOT NULL THEN 'revoked'
  WHEN tokens.exp <= $now THEN 'expired'
  WHEN keys.state = 'active' OR (keys.state = 'grace' AND keys.until > $now) THEN 'active'
  ELSE 'revoked' END`

/** One row with its state, by `WHERE` of the caller. */
export const SELECT_TOKEN = `SELECT tokens.*, ${STATE} AS state FROM tokens LEFT JOIN keys ON keys.kid = tokens.kid`

/**
 * A page of a list: `$limit` rows behind `$cursor`, in the order of their making. Each part of it walks one index in that order and ends
 * when it has as many rows as the page, so that the time does not grow with the table.
 */
export function listQuery(filter: TokenFilter): string {
  return `${partsOf(filter)
    .map((part) => `SELECT * FROM (${part})`)
    .join(' UNION ALL ')} ORDER BY seq LIMIT $limit`
}

function partsOf(filter: TokenFilter): string[] {
  const settled = (...phases: number[]) => phases.map((phase) => walk(filter, phase))
  switch (filter.state) {
    case undefined:
      if (Object.values(filter).every((value) => value === undefined))
        return [part('tokens', ['tokens.seq > $cursor'], filter)]
      return settled(...Object.values(PHASE))
    case 'active':
      return settled(PHASE.open)
    case 'revoked':
      return [...settled(PHASE.revoked, PHASE.unkeyed), unkeyedSince(filter)]
    case 'expired':
      return [...settled(PHASE.expired), expiredSince(filter, PHASE.open), expiredSince(filter, PHASE.unkeyed)]
  }
}

/** Rows of one phase that the filter lets through, by the index of the filter's own column. */
function walk(filter: TokenFilter, phase: number): string {
  if (filter.san !== undefined) {
    const from = `token_sans AS held CROSS JOIN tokens ON tokens.seq = held.seq`
    return part(from, ['held.san = $san', `held.phase = ${phase}`, 'held.seq > $cursor'], filter, 'held.seq')
  }
  const index = filter.subject !== undefined ? 'client' : filter.x5t !== undefined ? 'x5t' : 'phase'
  return part(`tokens INDEXED BY tokens_by_${index}`, [`tokens.phase = ${phase}`, 'tokens.seq > $cursor'], filter)
}

/** Rows that have expired since their phase was last looked at: seconds ago, so that there are few. */
function expiredSince(filter: TokenFilter, phase: number): string {
  const conditions = [`tokens.phase = ${phase}`, 'tokens.exp <= $now', 'tokens.seq > $cursor', ...holding(filter)]
  return part('tokens INDEXED BY tokens_by_end', conditions, filter)
}

/** Rows whose key was retired since then. */
function unkeyedSince(filter: TokenFilter): string {
  const ofDeadKeys = `tokens.kid IN (SELECT kid FROM keys WHERE ${DEAD_KEY})`
  const conditions = [ofDeadKeys, `tokens.phase = ${PHASE.open}`, 'tokens.seq > $cursor', ...holding(filter)]
  return part('tokens INDEXED BY tokens_by_kid', conditions, filter)
}

function part(from: string, conditions: readonly string[], filter: TokenFilter, order = 'tokens.seq'): string {
  const all = [
    ...conditions,
    ...(filter.subject === undefined ? [] : ['tokens.client_id = $subject']),
    ...(filter.x5t === undefined ? [] : ['tokens.x5t = $x5t']),
    ...(filter.state === undefined ? [] : [`${STATE} = $state`]),
  ]
  return `SELECT tokens.*, ${STATE} AS state FROM ${from} LEFT JOIN keys ON keys.kid = tokens.kid
    WHERE ${all.join(' AND ')} ORDER BY ${order} LIMIT $limit`
}

function holding({ san }: TokenFilter): string[] {
  return san === undefined
    ? []
    : ['EXISTS (SELECT 1 FROM token_sans AS held WHERE held.seq = tokens.seq AND held.san = $san)']
}
