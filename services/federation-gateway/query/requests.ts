import { z } from 'zod'
import { getRequest, type ListRequest, listRequest, type SearchRequest, searchRequest } from '../wire/requests.ts'
import { LOCAL } from './sources.ts'

// What users send: the bodies of the federation verbs, and beside them which source is asked.

/** A prefix and a common name. */
const LONGEST_SOURCE = 80
/** A cursor of a peer, and before it the source that it is of. */
const LONGEST_CURSOR = 1024 + LONGEST_SOURCE

export interface Sourced<Request> {
  readonly source: string
  readonly request: Request
}

const source = z.string().min(1).max(LONGEST_SOURCE).default(LOCAL)

/** The one member that a loose object neither knows nor hands on: nobody after it could refuse it. */
const ofItsOwn = z.custom((given) => !Object.hasOwn(Object(given), '__proto__'), 'has a member __proto__')

function sourced<Request>(schema: z.ZodType<Request>): z.ZodType<Sourced<Request>> {
  return ofItsOwn.pipe(z.looseObject({ source })).transform(({ source: asked, ...rest }, context) => {
    const request = readRest(schema, rest, context)
    return request === undefined ? z.NEVER : { source: asked, request }
  }) as unknown as z.ZodType<Sourced<Request>>
}

/** What is left of a body once our own members are taken from it; undefined where it is wrong, which the context knows by then. */
function readRest<Request>(schema: z.ZodType<Request>, rest: unknown, context: z.RefinementCtx): Request | undefined {
  const { data, error } = schema.safeParse(rest)
  for (const { message, path } of error?.issues ?? []) context.addIssue({ code: 'custom', message, path: [...path] })
  return data
}

/** A list with a cursor of ours: `<source>~<its cursor>`. */
export type QueryList = Omit<ListRequest, 'cursor'> & { readonly cursor?: string }

export function listQuery(resource: string): z.ZodType<Sourced<QueryList>> {
  const inner = listRequest(resource)
  const withCursor = z.looseObject({ cursor: z.string().max(LONGEST_CURSOR).optional() })
  const schema = withCursor.transform(({ cursor, ...rest }, context) => {
    const request = readRest(inner, rest, context)
    return request === undefined ? z.NEVER : { ...request, ...(cursor !== undefined && { cursor }) }
  })
  return sourced(schema as unknown as z.ZodType<QueryList>)
}

export const getQuery: z.ZodType<Sourced<object>> = sourced(getRequest)
export const searchQuery: z.ZodType<Sourced<SearchRequest>> = sourced(searchRequest)
export const capabilitiesQuery = z.strictObject({ source })

/** The cursor of a source, as its users see it. */
export function tagCursor(source: string, cursor: string | null): string | null {
  return cursor === null ? null : `${source}~${cursor}`
}

/** What of a cursor is the source's own; undefined for one of another source. */
export function untagCursor(source: string, cursor: string): string | undefined {
  return cursor.startsWith(`${source}~`) ? cursor.slice(source.length + 1) : undefined
}
