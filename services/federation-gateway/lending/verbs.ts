import type { Refusal } from '../../shared/guard.ts'
import { type Accepted, Refused } from '../listeners/exchange.ts'
import type { AdmittedCall, Verbs } from '../listeners/federation-listener.ts'
import { type Decision, decide, type ScopedRequest, scopeCap, scopeRows, searchable } from '../scope/decide.ts'
import type { Rights } from '../scope/predicate.ts'
import type { Rows } from '../scope/sql.ts'
import type { Database } from '../storage/database.ts'
import { getRow, listRows, searchRows } from '../storage/rows.ts'
import type { GetAnswer, ListAnswer, SearchAnswer } from '../wire/answers.ts'
import type { Cursors } from './cursors.ts'

export interface Lending {
  readonly database: Pick<Database, 'shared'>
  /** Which each row says it comes from: our own public name. */
  readonly source: string
  readonly cursors: Cursors
}

const OK = 200

/** Rows of our own tables, and no others: what we have of others' is never lent on. */
export function lendingVerbs({
  database,
  source,
  cursors,
}: Lending): Pick<Verbs, 'list' | 'get' | 'search' | 'cursor'> {
  const sessionOf = ({ grant, signal, patience }: AdmittedCall) => database.shared(grant.id, { signal, patience })
  return {
    async list(call, resource, { limit, filter }, from) {
      const allowed = allow(call, { resource, limit, ...(filter && { filter }) })
      const { rows, next } = await listRows(sessionOf(call), rowsOf(call, allowed), allowed.limit, from)
      const { isTruncated, met } = cut(rows.length, next !== undefined, allowed.limit)
      const binding = { queryHash: call.queryHash, grantId: call.grant.id }
      const body: ListAnswer = {
        items: rows.map((row) => ({ ...row, _source: source })),
        nextCursor: isTruncated && next !== undefined ? cursors.write(next, binding) : null,
        _truncated: isTruncated,
        _partial: false,
      }
      return { status: OK, body, rowsOut: rows.length, ...met }
    },
    async get(call, resource, id) {
      const allowed = allow(call, { resource, limit: 1 })
      const { row, ...found } = await getRow(sessionOf(call), { ...rowsOf(call, allowed), native: allowed.native }, id)
      const refusal = scopeRows.check(found)
      if (refusal !== undefined) throw new Refused(scopeRows.id, refusal as Refusal)
      return { status: OK, body: { item: { ...row!, _source: source } } satisfies GetAnswer, rowsOut: 1 }
    },
    async search(call, { q, resources, limit }) {
      const { scope } = call.grant
      const names = resources ?? searchable(scope, rightsOf(call))
      const searched = names.map((resource) => rowsOf(call, allow(call, { resource, limit })))
      const most = Math.min(limit, scope.max_rows_per_query)
      const { hits, isCut } = await searchRows(sessionOf(call), searched, q, most)
      const { isTruncated, met } = cut(hits.length, isCut, most)
      const items = hits.map((hit) => ({ ...hit, _source: source }))
      const body: SearchAnswer = { items, _truncated: isTruncated, _partial: false }
      return { status: OK, body, rowsOut: hits.length, ...met }
    },
    cursor: (text, binding) => cursors.read(text, binding),
  }
}

type Allowed = Extract<Decision, { allowed: true }>

/** @throws Refused */
function allow(call: AdmittedCall, request: ScopedRequest): Allowed {
  const decision = decide(call.grant.scope, rightsOf(call), request)
  if (decision.allowed) return decision
  const { guard, reason, status, error } = decision
  throw new Refused(guard, { reason, status, error })
}

/** Those of its subject, as the database said at this very request. */
function rightsOf({ grant: { id, rights } }: AdmittedCall): Rights {
  if (rights === undefined) throw new Error(`grant ${id} was let in without a subject`)
  return rights
}

function rowsOf({ grant }: AdmittedCall, { resource, predicate }: Allowed): Rows {
  return { resource, tenantId: grant.tenantId, userId: grant.subjectUserId, predicate }
}

/** Whether there are more rows than are shown, which is for the guard to say; what was met stands in the record. */
function cut(shown: number, isMore: boolean, limit: number): { isTruncated: boolean; met: Pick<Accepted, 'note'> } {
  const capped = scopeCap.check({ rows: isMore ? shown + 1 : shown, limit }) as Refusal | undefined
  if (capped === undefined) return { isTruncated: false, met: {} }
  return { isTruncated: true, met: { note: { guard: scopeCap.id, reason: capped.reason } } }
}
