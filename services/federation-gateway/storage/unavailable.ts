/** The database cannot be asked at the moment. What was asked last may have been done all the same. */
export class StoreUnavailable extends Error {
  readonly code = 'database_unavailable'

  constructor(place: string, cause: unknown) {
    super(`the database ${place} does not answer (${codeOf(cause)}); see that it runs, and that it takes this login`, {
      cause,
    })
    this.name = 'StoreUnavailable'
  }
}

/**
 * Classes of SQLSTATE that say something of the server, and nothing of the statement: connection, login, read-only copy, transactions that
 * were put back for others, resources, operators who stop it, disks.
 */
const OF_THE_SERVER = /^(?:08|25006|28|40|53|55P03|57|58)/

/**
 * Whether it is the database that failed, and not what was asked of it. What has no SQLSTATE is the way to the server, or the time that was
 * over; a failure of our own would be a TypeError and its like.
 */
export function isUnavailable(failure: unknown): boolean {
  if (!(failure instanceof Error)) return false
  const { code } = failure as { code?: unknown }
  if (isState(code)) return OF_THE_SERVER.test(code)
  return failure.constructor === Error || typeof code === 'string' || failure instanceof AggregateError
}

/** The SQLSTATE of a failure that PostgreSQL has told. */
export function stateOf(failure: unknown): string | undefined {
  const code = failure instanceof Error ? (failure as { code?: unknown }).code : undefined
  return isState(code) ? code : undefined
}

/** `23505`: another row has it already. Answers which rule says so. */
export function brokenUniqueness(failure: unknown): string | undefined {
  return stateOf(failure) === '23505' ? (failure as { constraint?: string }).constraint : undefined
}

function isState(code: unknown): code is string {
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]{4}$/.test(code)
}

function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'no reason'
  const { code } = cause as { code?: unknown }
  return typeof code === 'string' ? code : cause.message
}
