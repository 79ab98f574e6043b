import type { z } from 'zod'
import { guard, type Refusal } from '../../shared/guard.ts'
import type { CallAnswer, CallFailed } from '../calls/https-call.ts'
import { isJson, jsonOf } from '../calls/json.ts'
import { refused } from '../wire/errors.ts'

const unavailable = (reason: string): Refusal => refused('peer_unavailable', reason)

/** A call to a peer that got no answer. */
export interface Unanswered {
  readonly failure: Pick<CallFailed, 'kind'>
}

/**
 * The pinned anchor of this peer, a SAN that fits, TLS 1.3: all of it before any byte of a request. A server that lets nobody in looks like
 * one that was reset.
 */
export const outServer = guard<Unanswered>(
  'out.server',
  ['peer_tls_untrusted', 'peer_unreachable', 'peer_timeout'],
  ({ failure: { kind } }) => {
    if (kind === 'untrusted') return unavailable('peer_tls_untrusted')
    if (kind === 'late') return unavailable('peer_timeout')
    return ['unreachable', 'unconnected', 'ended'].includes(kind) ? unavailable('peer_unreachable') : undefined
  },
)

/** What came from a peer, or why it did not come whole. `value` is set when it is an answer. */
export interface Answered {
  readonly answer: CallAnswer | Pick<CallFailed, 'kind'>
  readonly schema: z.ZodType
  value?: unknown
}

/** No redirect is followed, nothing is unpacked, and nothing is handed on that nobody has looked at. */
export const outAnswer = guard<Answered>(
  'out.answer',
  ['peer_redirect', 'peer_answer_invalid', 'peer_answer_too_large'],
  (answered) => {
    const { answer, schema } = answered
    if ('kind' in answer) {
      return unavailable(answer.kind === 'too-large' ? 'peer_answer_too_large' : 'peer_answer_invalid')
    }
    const { status } = answer
    // Told by its number: one that was asked for is none.
    if (status >= 300 && status < 400 && status !== NOT_MODIFIED) return unavailable('peer_redirect')
    if (status >= 400 || status === NOT_MODIFIED) return undefined
    const read = status === OK && isJson(answer) ? schema.safeParse(jsonOf(answer.body)) : undefined
    if (!read?.success) return unavailable('peer_answer_invalid')
    answered.value = read.data
    return undefined
  },
)

export const OK = 200
export const NOT_MODIFIED = 304
const LONGEST_WAIT_SECONDS = 3600

/** What a peer says of itself that is no answer: its own texts are not read. */
export const outStatus = guard<{ readonly answer: Pick<CallAnswer, 'status' | 'headers'> }>(
  'out.status',
  ['peer_refused', 'peer_row_absent', 'peer_rate_limited', 'peer_answered_error'],
  ({ answer: { status, headers } }) => {
    if (status === OK || status === NOT_MODIFIED) return undefined
    if (status === 403) return refused('forbidden', 'peer_refused')
    if (status === 404) return refused('not_found', 'peer_row_absent')
    if (status === 429) return refused('rate_limited', 'peer_rate_limited', secondsIn(headers['retry-after']))
    return unavailable('peer_answered_error')
  },
)

/** A peer that says nothing of use is asked again after a second, and one that says a year after an hour. */
function secondsIn(retryAfter: string | undefined): number {
  return /^\d{1,9}$/.test(retryAfter ?? '') ? Math.min(Math.max(1, Number(retryAfter)), LONGEST_WAIT_SECONDS) : 1
}

/** Rows that a peer answered with. `cut` is set: at most as many as were asked for, each with our name for the peer. */
export interface Rows<Row extends { _source: string }> {
  readonly items: readonly Row[]
  readonly most: number
  /** What the peer calls itself. */
  readonly commonName: string
  cut?: Row[]
}

/** Both are let through: nothing that a peer writes can make its rows ours, or more than were asked for. */
export const outRows = guard<Rows<{ _source: string }>>(
  'out.rows',
  ['peer_rows_over_cap', 'peer_source_spoofed'],
  (rows) => {
    const { items, most, commonName } = rows
    rows.cut = items.slice(0, most).map((row) => ({ ...row, _source: sourceOf(commonName) }))
    if (items.length > most) return { reason: 'peer_rows_over_cap', status: null }
    const isSpoofed = items.some(({ _source }) => _source !== commonName)
    return isSpoofed ? { reason: 'peer_source_spoofed', status: null } : undefined
  },
)

export function sourceOf(commonName: string): string {
  return `federated:${commonName}`
}
