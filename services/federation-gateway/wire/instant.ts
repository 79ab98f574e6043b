/**
 * A moment with microseconds, as PostgreSQL keeps it, in one canonical form: `2026-01-31T09:00:00.000001Z`. Two of them compare as
 * texts. A JS `Date` has no microseconds: rows that differ by less would be lost or repeated between two pages.
 */
export type Instant = string

const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/
const CANONICAL = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/
const MINUTE_MS = 60_000

/**
 * Reads RFC 3339 (section 5.6) with at most six decimals; undefined for anything else: dates that no calendar has, leap seconds, which
 * PostgreSQL would move into the next minute, and years that need more than four digits once they are in UTC.
 */
export function instantOf(text: string): Instant | undefined {
  const parts = RFC_3339.exec(text)
  if (parts === null) return undefined
  const [, year, month, day, hour, minute, second, decimals = '', sign, offsetHours, offsetMinutes] = parts
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}`
  const ms = Date.parse(`${local}.000Z`)
  // Date.parse takes 31 February for 3 March, and 24:00 for midnight.
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 19) !== local) return undefined
  const offset = (Number(offsetHours ?? 0) * 60 + Number(offsetMinutes ?? 0)) * MINUTE_MS
  const utc = new Date(sign === '-' ? ms + offset : ms - offset)
  const instant = `${utc.toISOString().slice(0, -5)}.${decimals.padEnd(6, '0')}Z`
  // Year 0 is not in PostgreSQL's calendar; others turn into `+010000-…` or `-000001-…`.
  return CANONICAL.test(instant) && !instant.startsWith('0000') ? instant : undefined
}

/** What people type: also a day alone, which begins at midnight UTC. */
export function momentOf(text: string): Instant | undefined {
  return instantOf(text) ?? instantOf(`${text}T00:00:00Z`)
}

export function isInstant(text: string): boolean {
  return instantOf(text) === text
}
