const UNITS = { s: 1, m: 60, h: 3_600, d: 86_400, w: 7 * 86_400, y: 365 * 86_400 } as const

/** Seconds of a text like `+30d`, `+1y` or `-90m` (a year has 365 days); undefined where it is none of that form. */
export function secondsFromNow(text: string): number | undefined {
  const [, sign, count, unit] = /^([+-])(\d{1,9})([smhdwy])$/.exec(text) ?? []
  if (sign === undefined) return undefined
  return (sign === '-' ? -1 : 1) * Number(count) * UNITS[unit as keyof typeof UNITS]
}
