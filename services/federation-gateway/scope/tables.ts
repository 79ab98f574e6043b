import type { Column } from './predicate.ts'
import type { Resource } from './resources.ts'

// Every identifier that a query for rows may hold. Nothing that a caller wrote ever becomes one.

export interface Table {
  readonly name: string
  /** The columns that rows are chosen by, as SQL. */
  readonly columns: Readonly<
    Partial<Record<Column, { readonly sql: string; readonly type: 'uuid' | 'text' | 'timestamptz' }>>
  >
  /** Members of a row on the wire, as SQL. `$user` stands for the subject. */
  readonly members: Readonly<Record<string, string>>
  /** Rows that are there for nobody. */
  readonly present?: string
  /** What a search shows of a hit. It looks through the column `search`, which holds the words of a row. */
  readonly title: string
}

/** PostgreSQL's microseconds, in the form of wire/instant.ts. */
export const instantIn = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

const id = { sql: 'r.id', type: 'uuid' } as const
const ownerId = { sql: 'r.owner_id', type: 'uuid' } as const
const teamId = { sql: 'r.team_id', type: 'uuid' } as const
const createdAt = { sql: 'r.created_at', type: 'timestamptz' } as const
const owned = { id: 'r.id', ownerId: 'r.owner_id', teamId: 'r.team_id' }
const texts = { title: 'r.title', body: 'r.body' }
const times = { createdAt: instantIn('r.created_at'), updatedAt: instantIn('r.updated_at') }
/** A memory has no title: its beginning stands for one. */
const MEMORY_TITLE = 'left(r.text, 80)'

export const TABLES: Readonly<Record<Resource, Table>> = {
  tasks: {
    name: 'tasks',
    columns: { id, ownerId, teamId, status: { sql: 'r.status', type: 'text' }, createdAt },
    members: { ...owned, ...texts, status: 'r.status', ...times },
    title: 'r.title',
  },
  notes: {
    name: 'notes',
    columns: { id, ownerId, teamId, createdAt },
    members: { ...owned, ...texts, ...times },
    title: 'r.title',
  },
  memory: {
    name: 'memory',
    columns: { id, ownerId, createdAt },
    members: { id: 'r.id', text: 'r.text', createdAt: times.createdAt },
    title: MEMORY_TITLE,
  },
  credentials: {
    name: 'credentials',
    columns: { id, ownerId, teamId, createdAt },
    members: { ...owned, name: 'r.name', kind: 'r.kind', createdAt: times.createdAt },
    title: 'r.name',
  },
  teams: {
    name: 'teams',
    columns: { id, createdAt },
    members: {
      id: 'r.id',
      name: 'r.name',
      role: '(SELECT m.role FROM team_members m WHERE m.team_id = r.id AND m.user_id = $user)',
      createdAt: times.createdAt,
    },
    title: 'r.name',
  },
  users: {
    name: 'users',
    columns: { id, createdAt },
    members: { id: 'r.id', displayName: 'r.display_name', createdAt: times.createdAt },
    present: 'r.deleted_at IS NULL',
    title: 'r.display_name',
  },
}
