import { guard } from '../../shared/guard.ts'
import { sourceOf } from '../outbound/guards.ts'
import type { Lender } from '../outbound/lender.ts'
import type { PeerProblem } from '../outbound/peers.ts'
import type { CallablePeer } from '../storage/outbound-peers.ts'
import { refused } from '../wire/errors.ts'

/** Our own rows. */
export const LOCAL = 'local'
/** Those, and the rows of every peer of the user. */
export const ALL = 'all'
const FEDERATED = sourceOf('')

/** What became of one source of an answer. */
export interface SourceReport {
  readonly source: string
  /** `skipped`: it was not asked, as it cannot be. */
  readonly state: 'ok' | 'offline' | 'refused' | 'skipped'
  readonly reason?: string
  readonly cached: boolean
  readonly truncated: boolean
}

/** A source that a user names. `peer` is set where it is one. */
export interface AskedSource {
  readonly source: string
  /** Whether the answer is of one source: rows of two are never one row. */
  readonly isSingle: boolean
  /** A peer of this user; nobody else's is to be found. */
  readonly find: (commonName: string) => Promise<CallablePeer | undefined>
  peer?: CallablePeer | undefined
}

export const qrySource = guard<AskedSource>('qry.source', ['source_unknown', 'source_not_single'], async (asked) => {
  const { source, isSingle, find } = asked
  if (source === ALL) return isSingle ? refused('invalid_request', 'source_not_single') : undefined
  if (source === LOCAL) return undefined
  asked.peer = source.startsWith(FEDERATED) ? await find(source.slice(FEDERATED.length)) : undefined
  return asked.peer === undefined ? refused('not_found', 'source_unknown') : undefined
})

/** A peer on its way to being asked. */
export interface AskedPeer {
  readonly lender: Lender | PeerProblem
}

export const qryPeer = guard<AskedPeer>(
  'qry.peer',
  ['peer_pending', 'peer_expired', 'peer_broken', 'peer_revoked'],
  ({ lender }) => {
    if (typeof lender !== 'string') return undefined
    return refused(lender === 'peer_revoked' ? 'forbidden' : 'peer_unavailable', lender)
  },
)
