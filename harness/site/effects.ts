import { isDeepStrictEqual } from 'node:util'
import { redact } from '../credentials/secrets.ts'
import { until } from './until.ts'
import type { Effects } from './verdict.ts'

/** A read-only picture of a target, with what changes by itself left out. */
export type Picture = Readonly<Record<string, unknown>>
export type Observer = () => Promise<Picture>

/** How long other sessions of a target may move before a difference counts as an effect: longer than one reconnect. */
export const settlesWithinMs = 5_000

/** How long a target may hold off who looks before a call: where many call at once, it has no place for all of them for a moment. */
const looksWithinMs = 1_000

/** What a target shows before a call, or why it could not be seen. */
export async function firstLook(observe: Observer): Promise<Picture | Error> {
  try {
    return await until('the target can be looked at', observe, { withinMs: looksWithinMs })
  } catch (failure) {
    const { cause } = failure as Error
    return cause instanceof Error ? cause : (failure as Error)
  }
}

/**
 * Whether a call changed its target. Other nodes go on living while a test calls, a neighbour dials again, say; so a difference
 * counts only if the target does not come back to what it was before the call, or to what it was when the test first looked.
 * Instead of an observer: why there is none.
 */
export async function effectsSince(
  observe: Observer | string,
  before: Picture | Error,
  first: Picture,
  settleMs = settlesWithinMs,
): Promise<Effects> {
  if (typeof observe === 'string') return { observed: false, unobservable: observe }
  if (before instanceof Error) return { observed: false, failure: redact(before.message) }
  let last = before
  const unchanged = async () => {
    last = await observe()
    return isDeepStrictEqual(last, before) || isDeepStrictEqual(last, first)
  }
  try {
    await until('the target is as it was', unchanged, { withinMs: settleMs, everyMs: 100 })
    return { observed: true }
  } catch (failure) {
    const cause = failure instanceof Error && failure.cause
    if (cause instanceof Error) return { observed: false, failure: redact(cause.message) }
    return { observed: true, difference: redact(firstDifference(before, last) ?? 'it did not settle') }
  }
}

/** The value without members that change by themselves, at any depth. */
export function withoutVolatile(value: unknown, ignore: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((entry) => withoutVolatile(entry, ignore))
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([name]) => !ignore.includes(name))
  return Object.fromEntries(kept.map(([name, entry]) => [name, withoutVolatile(entry, ignore)]))
}

/** Path and values of the first place in which two JSON values differ; undefined when they are equal. */
export function firstDifference(before: unknown, after: unknown, path = ''): string | undefined {
  if (isDeepStrictEqual(before, after)) return undefined
  if (isContainer(before) && isContainer(after)) {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const inner = firstDifference(before[name], after[name], path === '' ? name : `${path}.${name}`)
      if (inner !== undefined) return inner
    }
  }
  return `${path || 'the whole'} was ${brief(before)}, and is ${brief(after)}`
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'absent'
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
