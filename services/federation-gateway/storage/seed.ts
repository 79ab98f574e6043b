import { z } from 'zod'
import { RESOURCES, ROLES, TASK_STATUSES } from '../scope/resources.ts'
import { instant, uuid } from '../wire/requests.ts'

// The file that `gateway import` takes: tenants with all that is theirs. Each thing has its id, so that it is there once.

const text = z.string().refine((value) => value.isWellFormed() && !value.includes('\0'), {
  message: 'must be a text without NUL',
})
const name = text.min(1).max(128)
const times = { createdAt: instant.optional() }
const owned = { id: uuid, owner: uuid, team: uuid.nullable().default(null), ...times }
const writing = { ...owned, title: text.min(1), body: text.default(''), updatedAt: instant.optional() }

const user = z.strictObject({
  ...{ id: uuid, name, displayName: name, email: text.optional(), ...times },
  sharePersonal: z.boolean().default(true),
  deniedResources: z.array(z.enum(RESOURCES)).default([]),
})
const team = z.strictObject({
  ...{ id: uuid, name, ...times },
  members: z.array(z.strictObject({ user: uuid, role: z.enum(ROLES) })).default([]),
})

const tenant = z.strictObject({
  ...{ id: uuid, name },
  users: z.array(user).default([]),
  teams: z.array(team).default([]),
  tasks: z.array(z.strictObject({ ...writing, status: z.enum(TASK_STATUSES).default('open') })).default([]),
  notes: z.array(z.strictObject(writing)).default([]),
  memory: z.array(z.strictObject({ id: uuid, owner: uuid, text, ...times })).default([]),
  credentials: z.array(z.strictObject({ ...owned, name, kind: name, secret: text })).default([]),
})

export const seedSchema = z.strictObject({ tenants: z.array(tenant).min(1) })

/** As it is written: everything with a default may be left out. */
export type SeedFile = z.input<typeof seedSchema>
export type Seed = z.output<typeof seedSchema>
export type SeedTenant = Seed['tenants'][number]
