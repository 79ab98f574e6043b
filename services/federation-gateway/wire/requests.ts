import { z } from 'zod'
import { isUuid } from '../ids.ts'
import { HAVE_TEAM, isResource, RESOURCES, TASK_STATUSES } from '../scope/resources.ts'
import { instantOf } from './instant.ts'

// What callers send to the federation listener and to enrolment. An unknown member is refused: who a caller is comes from its
// certificate, so a body that names a subject, a grant or a source is not obeyed and not ignored either.

export const MOST_ROWS = 1000
export const DEFAULT_ROWS = 50
const LONGEST_QUERY = 256
/** Far above what the gateway itself writes. */
const LONGEST_CURSOR = 1024
const LONGEST_RESOURCE = 64
/** Far above a request for an RSA key of 4096 bits. */
const LONGEST_CSR = 12 * 1024

/** Counted in code points, as people do. PostgreSQL has no NUL in a text, and no half of a surrogate pair. */
const plainText = (longest: number) =>
  z.string().refine((text) => text.isWellFormed() && !text.includes('\0') && [...text].length <= longest, {
    message: `must be at most ${longest} characters, none of them NUL`,
  })

export const uuid = z.string().refine(isUuid, { message: 'must be a lower-case UUID' })

export const instant = z.string().transform((text, context) => {
  const read = instantOf(text)
  if (read !== undefined) return read
  context.addIssue({ code: 'custom', message: 'must be a time of RFC 3339 with at most six decimals' })
  return z.NEVER
})

const limit = z.int().min(1).max(MOST_ROWS).default(DEFAULT_ROWS)
const times = { createdAfter: instant.optional(), createdBefore: instant.optional() }
const team = { teamId: uuid.optional() }
const status = { status: z.enum(TASK_STATUSES).optional() }
const cursor = z.string().min(1).max(LONGEST_CURSOR).optional()

const filters = {
  tasks: z.strictObject({ ...times, ...team, ...status }),
  team: z.strictObject({ ...times, ...team }),
  plain: z.strictObject(times),
}

export interface ListFilter {
  status?: (typeof TASK_STATUSES)[number]
  teamId?: string
  createdAfter?: string
  createdBefore?: string
}

const listOf = (filter: z.ZodType<ListFilter>) => z.strictObject({ limit, cursor, filter: filter.optional() })
const lists = { tasks: listOf(filters.tasks), team: listOf(filters.team), plain: listOf(filters.plain) }

/**
 * Body of `POST /list/:resource`. A filter by status or team fits some resources only. One that is unknown takes any body that some
 * resource would take: it is refused for its name, and later.
 */
export function listRequest(resource: string): z.ZodType<ListRequest> {
  if (resource === 'tasks' || !isResource(resource)) return lists.tasks
  return HAVE_TEAM.has(resource) ? lists.team : lists.plain
}

export interface ListRequest {
  limit: number
  cursor?: string
  filter?: ListFilter
}

/** Body of `POST /get/:resource/:id`, where there is one. */
export const getRequest = z.strictObject({})

const resourceNames = z
  .array(z.string().min(1).max(LONGEST_RESOURCE))
  .min(1)
  .max(RESOURCES.length)
  .refine((names) => new Set(names).size === names.length, { message: 'must not name a resource twice' })

/** Body of `POST /search`. Names of resources are judged like that in a path, after the body. */
export const searchRequest = z.strictObject({
  q: plainText(LONGEST_QUERY).min(1),
  resources: resourceNames.optional(),
  limit,
})
export type SearchRequest = z.infer<typeof searchRequest>

/** Body of `POST /renew` and of an enrolment. */
export const csrRequest = z.strictObject({ csrPem: z.string().min(1).max(LONGEST_CSR) })
export type CsrRequest = z.infer<typeof csrRequest>

export const VERBS = ['list', 'get', 'search', 'capabilities', 'renew'] as const
export type Verb = (typeof VERBS)[number]
