import { z } from 'zod'
import type { FileDemand } from './file.ts'
import { isToken } from './token-text.ts'

/** A value beside the one that is sent; `until` in ms since 1970. */
export interface AlsoToken {
  readonly token: string
  readonly until: number
}

const MOST_VALUES = 2
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/

const schema = z
  .array(
    z.strictObject({
      token: z.string().refine(isToken),
      // RFC 3339, in UTC.
      until: z.string().regex(INSTANT).transform(Date.parse).pipe(z.int()),
    }),
  )
  .max(MOST_VALUES)

export function alsoFileOf(tokenFile: string): string {
  return `${tokenFile}.also`
}

/**
 * Reads `.also`; undefined where it is not what it should be. A value whose time is over is none of the two any more, and stays in the
 * list, for who still presents it is told that it has ended.
 */
export function alsoIn(
  text: string,
  sends: string,
  { longestOverlapMs, now }: Pick<FileDemand, 'longestOverlapMs' | 'now'>,
): AlsoToken[] | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const read = schema.safeParse(value)
  if (!read.success) return undefined
  const at = now()
  if (read.data.some(({ until }) => until > at + longestOverlapMs)) return undefined
  const live = read.data.filter(({ until }) => until > at).map(({ token }) => token)
  return new Set([sends, ...live]).size > MOST_VALUES ? undefined : read.data
}

/** As it is written. */
export function alsoText(also: readonly AlsoToken[]): string {
  return `${JSON.stringify(also.map(({ token, until }) => ({ token, until: new Date(until).toISOString() })))}\n`
}
