import { z } from 'zod'
import { RESOURCES, type Resource, ROLES, TASK_STATUSES } from '../scope/resources.ts'
import { isInstant } from './instant.ts'
import { MOST_ROWS, uuid, VERBS } from './requests.ts'

// What the federation listener and enrolment answer with: the lender writes it, the asker demands it. An unknown member makes an
// answer invalid, so that nothing is handed on which nobody has looked at.

const instant = z.string().refine(isInstant, { message: 'must be a time of microseconds in UTC' })
const resource = z.enum(RESOURCES)
const team = uuid.nullable()

const note = { id: uuid, ownerId: uuid, teamId: team, title: z.string(), body: z.string(), createdAt: instant }

/** Rows as they are on the wire, by resource. A credential's secret and a user's e-mail address are on none. */
export const ROWS = {
  tasks: z.strictObject({ ...note, status: z.enum(TASK_STATUSES), updatedAt: instant }),
  notes: z.strictObject({ ...note, updatedAt: instant }),
  memory: z.strictObject({ id: uuid, text: z.string(), createdAt: instant }),
  credentials: z.strictObject({
    id: uuid,
    ownerId: uuid,
    teamId: team,
    name: z.string(),
    kind: z.string(),
    createdAt: instant,
  }),
  teams: z.strictObject({ id: uuid, name: z.string(), role: z.enum(ROLES), createdAt: instant }),
  users: z.strictObject({ id: uuid, displayName: z.string(), createdAt: instant }),
} as const satisfies Record<Resource, z.ZodObject>

export type Row<Of extends Resource = Resource> = { [Name in Resource]: z.infer<(typeof ROWS)[Name]> }[Of]

/** Each row says where it comes from: the lender's own name, until the asker writes its name for that peer over it. */
const source = { _source: z.string().min(1).max(128) }
const flags = { _truncated: z.boolean(), _partial: z.literal(false) }

const listsOf = <Of extends z.ZodObject>(row: Of) =>
  z.strictObject({
    items: z.array(row.extend(source)).max(MOST_ROWS),
    nextCursor: z.string().min(1).max(1024).nullable(),
    ...flags,
  })
const lists = Object.fromEntries(RESOURCES.map((name) => [name, listsOf(ROWS[name])]))
const items = Object.fromEntries(
  RESOURCES.map((name) => [name, z.strictObject({ item: (ROWS[name] as z.ZodObject).extend(source) })]),
)

export interface ListAnswer<Of extends Resource = Resource> {
  items: (Row<Of> & { _source: string })[]
  nextCursor: string | null
  _truncated: boolean
  _partial: false
}
export interface GetAnswer<Of extends Resource = Resource> {
  item: Row<Of> & { _source: string }
}

export function listAnswer<Of extends Resource>(name: Of): z.ZodType<ListAnswer<Of>> {
  return lists[name] as unknown as z.ZodType<ListAnswer<Of>>
}

export function getAnswer<Of extends Resource>(name: Of): z.ZodType<GetAnswer<Of>> {
  return items[name] as unknown as z.ZodType<GetAnswer<Of>>
}

export const searchAnswer = z.strictObject({
  items: z
    .array(z.strictObject({ resource, id: uuid, title: z.string(), score: z.number(), ...source }))
    .max(MOST_ROWS),
  ...flags,
})
export type SearchAnswer = z.infer<typeof searchAnswer>

export const capabilitiesAnswer = z.strictObject({
  resources: z.array(resource),
  excluded_resources: z.array(resource),
  max_rows_per_query: z.int().min(1).max(MOST_ROWS),
  supported_verbs: z.array(z.enum(VERBS)),
  grant_expires_at: instant.nullable(),
})
export type CapabilitiesAnswer = z.infer<typeof capabilitiesAnswer>

const serial = z.string().regex(/^[1-9a-f][0-9a-f]{0,39}$/)
const issued = { certPem: z.string().min(1), certChainPem: z.string().min(1), serial, notAfter: z.iso.datetime() }

export const renewAnswer = z.strictObject(issued)
export type RenewAnswer = z.infer<typeof renewAnswer>

export const enrolmentAnswer = z.strictObject({
  ...issued,
  grantId: uuid,
  subjectUserId: uuid,
  peerId: uuid,
  federationUrl: z.url({ protocol: /^https$/ }),
})
export type EnrolmentAnswer = z.infer<typeof enrolmentAnswer>
