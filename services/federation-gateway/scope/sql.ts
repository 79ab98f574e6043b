import type { Position } from '../wire/cursor.ts'
import type { Predicate } from './predicate.ts'
import type { Resource } from './resources.ts'
import { TABLES, type Table } from './tables.ts'

/** A statement for `pg`: values are parameters, and every other character of the text is ours. */
export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

/** Rows of one resource, for a local query (`predicate`: the native rows) and for a federated one alike. */
export interface Rows {
  readonly resource: Resource
  readonly tenantId: string
  readonly userId: string
  readonly predicate: Predicate
}

/** One page, newest first. It reads one row more than `limit`: that there is one tells that there are more. */
export function listStatement(rows: Rows, limit: number, below?: Position): Statement {
  const values = new Values()
  const table = TABLES[rows.resource]
  const conditions = [...bounds(table, rows, values), conditionOf(rows.predicate, table, values)]
  if (below !== undefined) {
    const [at, id] = [values.add(below.createdAt, 'timestamptz'), values.add(below.id, 'uuid')]
    conditions.push(`(r.created_at, r.id) < (${at}, ${id})`)
  }
  const members = membersOf(table, rows, values)
  const text = `SELECT ${members} FROM ${table.name} r WHERE ${conditions.join(' AND ')} ORDER BY r.created_at DESC, r.id DESC LIMIT ${values.add(limit + 1, 'bigint')}`
  return { text, values: values.all }
}

/**
 * One row by its id, whoever may see it, and beside it `_visible` and `_lent`: an absent row, somebody else's and one out of scope are
 * told apart by the record only, so all three take the same way through the database.
 */
export function getStatement(rows: Rows & { readonly native: Predicate }, id: string): Statement {
  const values = new Values()
  const table = TABLES[rows.resource]
  const where = [...bounds(table, rows, values), `r.id = ${values.add(id, 'uuid')}`].join(' AND ')
  const visible = `(${conditionOf(rows.native, table, values)}) IS TRUE AS "_visible"`
  const lent = `(${conditionOf(rows.predicate, table, values)}) IS TRUE AS "_lent"`
  const text = `SELECT ${membersOf(table, rows, values)}, ${visible}, ${lent} FROM ${table.name} r WHERE ${where}`
  return { text, values: values.all }
}

/** The best hits in all of these rows, one more than `limit`. PostgreSQL ranks them; equal ones are in the order of lists. */
export function searchStatement(searched: readonly Rows[], q: string, limit: number): Statement {
  const values = new Values()
  const query = `websearch_to_tsquery('simple', ${values.add(q, 'text')})`
  const parts = searched.map((rows) => {
    const table = TABLES[rows.resource]
    const conditions = [
      ...bounds(table, rows, values),
      conditionOf(rows.predicate, table, values),
      `r.search @@ ${query}`,
    ]
    return `SELECT '${rows.resource}' AS resource, r.id, ${table.title} AS title, ts_rank_cd(r.search, ${query}) AS score, r.created_at FROM ${table.name} r WHERE ${conditions.join(' AND ')}`
  })
  const text = `SELECT h.resource, h.id, h.title, h.score FROM (${parts.join(' UNION ALL ')}) h ORDER BY h.score DESC, h.created_at DESC, h.id DESC, h.resource LIMIT ${values.add(limit + 1, 'bigint')}`
  return { text, values: values.all }
}

/** A predicate as SQL. It is null where a row has no value, which WHERE takes for false: nothing here is negated. */
function conditionOf(predicate: Predicate, table: Table, values: Values): string {
  const joined = (parts: readonly Predicate[], word: 'AND' | 'OR') =>
    `(${parts.map((part) => conditionOf(part, table, values)).join(` ${word} `)})`
  if ('all' in predicate) return predicate.all.length === 0 ? 'TRUE' : joined(predicate.all, 'AND')
  if ('any' in predicate) return predicate.any.length === 0 ? 'FALSE' : joined(predicate.any, 'OR')
  if ('memberOf' in predicate) {
    return `EXISTS (SELECT 1 FROM team_members m WHERE m.user_id = r.id AND m.team_id = ANY(${values.add(predicate.memberOf, 'uuid[]')}))`
  }
  const column = table.columns[predicate.column]
  // A row without the column has no value there, as in `matches`.
  if (column === undefined) return 'isNull' in predicate && predicate.isNull ? 'TRUE' : 'FALSE'
  const { sql, type } = column
  if ('isNull' in predicate) return `${sql} IS ${predicate.isNull ? '' : 'NOT '}NULL`
  if ('equals' in predicate) return `${sql} = ${values.add(predicate.equals, type)}`
  if ('oneOf' in predicate) return `${sql} = ANY(${values.add(predicate.oneOf, `${type}[]`)})`
  if ('after' in predicate) return `${sql} > ${values.add(predicate.after, type)}`
  return `${sql} < ${values.add(predicate.before, type)}`
}

function bounds({ present }: Table, { tenantId }: Rows, values: Values): string[] {
  const tenant = `r.tenant_id = ${values.add(tenantId, 'uuid')}`
  return present === undefined ? [tenant] : [tenant, present]
}

function membersOf({ members }: Table, { userId }: Rows, values: Values): string {
  return Object.entries(members)
    .map(
      ([name, sql]) => `${sql.includes('$user') ? sql.replace('$user', values.add(userId, 'uuid')) : sql} AS "${name}"`,
    )
    .join(', ')
}

class Values {
  readonly all: unknown[] = []

  /** The place of a value in the text; its type is said, since PostgreSQL cannot always tell. */
  add(value: unknown, type: string): string {
    this.all.push(value)
    return `$${this.all.length}::${type}`
  }
}
