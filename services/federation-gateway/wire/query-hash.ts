import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { ListFilter } from './requests.ts'

/** What makes two federation requests the same query. Members that a verb does not have are left out, or undefined. */
export interface Query {
  readonly verb: string
  /** For a search the resources that it asked for. */
  readonly resource?: string | readonly string[] | undefined
  readonly id?: string | undefined
  readonly filter?: ListFilter | undefined
  readonly limit?: number | undefined
  readonly q?: string | undefined
}

/** SHA-256 in lower-case hex of the canonical JSON (RFC 8785) of a query: it names the query and tells nothing of its rows. */
export function queryHash({ verb, resource, id, filter, limit, q }: Query): string {
  // RFC 8785 knows no undefined: such members are dropped, as JSON.stringify would.
  return createHash('sha256').update(canonicalize({ verb, resource, id, filter, limit, q })!).digest('hex')
}
