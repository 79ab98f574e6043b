import type { Refusal } from '../../shared/guard.ts'
import type { Cursors } from '../lending/cursors.ts'
import type { SignedIn } from '../listeners/bearer.ts'
import { Refused } from '../listeners/exchange.ts'
import { type Decision, decideNatively, type ScopedRequest, scopeRows } from '../scope/decide.ts'
import { RESOURCES, type Resource } from '../scope/resources.ts'
import type { Rows } from '../scope/sql.ts'
import type { Session } from '../storage/database.ts'
import { getRow, listRows, searchRows } from '../storage/rows.ts'
import type { CapabilitiesAnswer, Row } from '../wire/answers.ts'
import type { Position } from '../wire/cursor.ts'
import { queryHash } from '../wire/query-hash.ts'
import { type ListRequest, MOST_ROWS, type SearchRequest } from '../wire/requests.ts'
import { LOCAL } from './sources.ts'

export type Tagged<Of> = Of & { readonly _source: string }

export interface LocalDeps {
  readonly session: Session
  readonly cursors: Cursors
}

/** What a user sees of our own tables: the rows that federation may only narrow. Each of these may throw `Refused`. */
export class LocalSource {
  readonly #deps: LocalDeps
  readonly #user: SignedIn

  constructor(deps: LocalDeps, user: SignedIn) {
    this.#deps = deps
    this.#user = user
  }

  /** Where a cursor leads to; undefined for one that is not of this query of this user. */
  position(cursor: string, resource: string, request: ListRequest): Position | undefined {
    return this.#deps.cursors.read(cursor, this.#binding(resource, request))
  }

  async list(resource: string, request: ListRequest, from?: Position) {
    const { limit, filter } = request
    const allowed = this.#allow({ resource, limit, ...(filter && { filter }) })
    const { rows, next } = await listRows(this.#deps.session, this.#rowsOf(allowed), limit, from)
    const nextCursor = next === undefined ? null : this.#deps.cursors.write(next, this.#binding(resource, request))
    return { items: rows.map(tagged), nextCursor, isTruncated: next !== undefined }
  }

  async get(resource: string, id: string): Promise<Tagged<Row>> {
    const allowed = this.#allow({ resource, limit: 1 })
    const rows = { ...this.#rowsOf(allowed), native: allowed.native }
    const { row, ...found } = await getRow(this.#deps.session, rows, id)
    const refusal = scopeRows.check(found) as Refusal | undefined
    if (refusal !== undefined) throw new Refused(scopeRows.id, refusal)
    return tagged(row!)
  }

  async search({ q, resources, limit }: SearchRequest) {
    const names = resources ?? RESOURCES.filter((resource) => this.#decide({ resource, limit }).allowed)
    const searched = names.map((resource) => this.#rowsOf(this.#allow({ resource, limit })))
    const { hits, isCut } = await searchRows(this.#deps.session, searched, q, limit)
    return { items: hits.map(tagged), isTruncated: isCut }
  }

  /** In the form of a lender's, without a grant: nothing is excluded but what was taken away from the user. */
  capabilities(): CapabilitiesAnswer {
    const isAllowed = (resource: Resource) => this.#decide({ resource, limit: 1 }).allowed
    return {
      resources: RESOURCES.filter(isAllowed),
      excluded_resources: RESOURCES.filter((resource) => !isAllowed(resource)),
      max_rows_per_query: MOST_ROWS,
      supported_verbs: ['list', 'get', 'search', 'capabilities'],
      grant_expires_at: null,
    }
  }

  #decide(request: ScopedRequest): Decision {
    return decideNatively(this.#user.rights, request)
  }

  #allow(request: ScopedRequest): Extract<Decision, { allowed: true }> {
    const decision = this.#decide(request)
    if (decision.allowed) return decision
    const { guard, reason, status, error } = decision
    throw new Refused(guard, { reason, status, error })
  }

  #rowsOf({ resource, predicate }: Extract<Decision, { allowed: true }>): Rows {
    const { tenantId, userId } = this.#user
    return { resource, tenantId, userId, predicate }
  }

  #binding(resource: string, { limit, filter }: ListRequest) {
    const hash = queryHash({ verb: 'list', resource, limit, filter })
    // No grant has such an id.
    return { queryHash: hash, grantId: `${LOCAL} ${this.#user.userId}` }
  }
}

function tagged<Of extends object>(row: Of): Tagged<Of> {
  return { ...row, _source: LOCAL }
}
