import type { Predicate } from '../scope/predicate.ts'
import type { Resource } from '../scope/resources.ts'
import { getStatement, listStatement, type Rows, searchStatement } from '../scope/sql.ts'
import type { Row } from '../wire/answers.ts'
import type { Position } from '../wire/cursor.ts'
import { one, type Session } from './database.ts'

/** Rows of one page, newest first; `next` is where the one after it begins, where there is one. */
export interface Page {
  readonly rows: Row[]
  readonly next: Position | undefined
}

export async function listRows(session: Session, rows: Rows, limit: number, below?: Position): Promise<Page> {
  const found = await session.query<Row>(listStatement(rows, limit, below))
  const page = found.slice(0, limit)
  const last = page.at(-1)
  const isCut = found.length > limit && last !== undefined
  return { rows: page, next: isCut ? { createdAt: last.createdAt, id: last.id } : undefined }
}

/** A row by its id: what of it is said is for guard `scope.rows` to decide. */
export interface Got {
  readonly isThere: boolean
  readonly isVisible: boolean
  readonly isLent: boolean
  /** Only where it is lent. */
  readonly row: Row | undefined
}

export async function getRow(session: Session, rows: Rows & { readonly native: Predicate }, id: string): Promise<Got> {
  const found = await one<Row & { _visible: boolean; _lent: boolean }>(session, getStatement(rows, id))
  if (found === undefined) return { isThere: false, isVisible: false, isLent: false, row: undefined }
  const { _visible: isVisible, _lent: isLent, ...row } = found
  return { isThere: true, isVisible, isLent, row: isVisible && isLent ? (row as Row) : undefined }
}

export interface Hit {
  readonly resource: Resource
  readonly id: string
  readonly title: string
  readonly score: number
}

/** The best hits first. `isCut`: there are more. */
export async function searchRows(
  session: Session,
  searched: readonly Rows[],
  q: string,
  limit: number,
): Promise<{ hits: Hit[]; isCut: boolean }> {
  if (searched.length === 0) return { hits: [], isCut: false }
  const found = await session.query<Hit>(searchStatement(searched, q, limit))
  return { hits: found.slice(0, limit), isCut: found.length > limit }
}
