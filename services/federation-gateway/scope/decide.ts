import { type Guard, guard } from '../../shared/guard.ts'
import { type ErrorCode, refused } from '../wire/errors.ts'
import type { ListFilter } from '../wire/requests.ts'
import type { Scope } from './document.ts'
import { askedRows, lentRows, nativeRows, type Predicate, type Rights } from './predicate.ts'
import { isResource, type Resource } from './resources.ts'

/** One resource that a request is about. */
export interface ScopedRequest {
  /** As the caller wrote it. */
  readonly resource: string
  readonly filter?: ListFilter
  /** Rows that the caller wants at most. */
  readonly limit: number
}

interface Asked {
  readonly scope: Scope
  readonly rights: Rights
  readonly request: ScopedRequest
}

export type Decision =
  | {
      readonly allowed: true
      readonly resource: Resource
      /** The rows that are lent and asked for. */
      readonly predicate: Predicate
      /** The subject's native rows alone: tells a row that is not visible from one that is out of scope, for the record. */
      readonly native: Predicate
      readonly limit: number
    }
  | {
      readonly allowed: false
      readonly guard: string
      readonly reason: string
      readonly status: number
      readonly error: ErrorCode
    }

/** What of it a query of our own needs, too: no grant narrows it. */
type AskedNatively = Pick<Asked, 'rights' | 'request'>

export const scopeResource = guard<Pick<Asked, 'request'>>('scope.resource', ['resource_unknown'], ({ request }) =>
  isResource(request.resource) ? undefined : refused('not_found', 'resource_unknown'),
)

const among = (names: readonly Resource[], name: string) => (names as readonly string[]).includes(name)

export const scopeExcluded = guard<Asked>('scope.excluded', ['resource_excluded'], ({ scope, request }) =>
  among(scope.excluded_resources, request.resource) ? refused('scope_violation', 'resource_excluded') : undefined,
)

export const scopeGranted = guard<Asked>('scope.granted', ['resource_not_granted'], ({ scope, request }) =>
  among(scope.resources, request.resource) ? undefined : refused('scope_violation', 'resource_not_granted'),
)

export const rbacResource = guard<AskedNatively>('rbac.resource', ['rbac_denied'], ({ rights, request }) =>
  among(rights.deniedResources, request.resource) ? refused('scope_violation', 'rbac_denied') : undefined,
)

/** The order of the pipeline: known, not excluded, granted, natively allowed. Rows and their cap follow in the predicate and the limit. */
const ORDER: readonly Guard<Asked>[] = [scopeResource, scopeExcluded, scopeGranted, rbacResource]

const NATIVE_ORDER: readonly Guard<AskedNatively>[] = [scopeResource, rbacResource]

function refusalIn<Context>(order: readonly Guard<Context>[], context: Context): Decision | undefined {
  for (const { id, check } of order) {
    // None of these waits for anything.
    const refusal = check(context) as ReturnType<typeof refused> | undefined
    if (refusal === undefined) continue
    const { reason, status, error } = refusal
    return { allowed: false, guard: id, reason, status, error: error as ErrorCode }
  }
  return undefined
}

/** Decides about one resource of a user's own query: all that it sees natively, and nothing else. */
export function decideNatively(rights: Rights, request: ScopedRequest): Decision {
  const refused = refusalIn(NATIVE_ORDER, { rights, request })
  if (refused !== undefined) return refused
  const resource = request.resource as Resource
  const native = nativeRows(resource, rights)
  return {
    allowed: true,
    resource,
    native,
    predicate: { all: [native, askedRows(request.filter)] },
    limit: request.limit,
  }
}

/** Decides about one resource of a request. What a grant lends is never more than what its subject sees natively. */
export function decide(scope: Scope, rights: Rights, request: ScopedRequest): Decision {
  const refused = refusalIn(ORDER, { scope, rights, request })
  if (refused !== undefined) return refused
  const resource = request.resource as Resource
  const native = nativeRows(resource, rights)
  const lent = lentRows(resource, rights, scope.filters[resource])
  return {
    allowed: true,
    resource,
    native,
    predicate: { all: [native, lent, askedRows(request.filter)] },
    limit: Math.min(request.limit, scope.max_rows_per_query),
  }
}

/**
 * Resources that a search without a list of its own goes through: those that `decide` allows. It says nothing of the others, as a caller
 * that names none asks for none of them.
 */
export function searchable(scope: Scope, rights: Rights): readonly Resource[] {
  return scope.resources.filter((resource) => decide(scope, rights, { resource, limit: 1 }).allowed)
}

/** One row that was asked for by its id. */
export interface FoundRow {
  /** A row with this id is in the tenant. */
  readonly isThere: boolean
  readonly isVisible: boolean
  readonly isLent: boolean
}

/** The three cases are one answer: that a row exists is data. */
export const scopeRows = guard<FoundRow>(
  'scope.rows',
  ['row_absent', 'row_not_visible', 'row_out_of_scope'],
  ({ isThere, isVisible, isLent }) => {
    if (!isThere) return refused('not_found', 'row_absent')
    if (!isVisible) return refused('not_found', 'row_not_visible')
    return isLent ? undefined : refused('not_found', 'row_out_of_scope')
  },
)

/** Rows that were read, one more than `limit` where there are more. */
export interface ReadRows {
  readonly rows: number
  readonly limit: number
}

/** No refusal to the caller: it gets the first `limit` rows and `_truncated`, and the record names the cap. */
export const scopeCap = guard<ReadRows>('scope.cap', ['row_cap'], ({ rows, limit }) =>
  rows > limit ? { reason: 'row_cap', status: 200 } : undefined,
)
