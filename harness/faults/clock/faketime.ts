import { HoldfastError } from '../../errors.ts'

/** A clock was to be moved by something that is no whole number of seconds, or too far. Code `HOLDFAST_CLOCK_SHIFT`. */
export class InvalidShift extends HoldfastError {
  constructor(seconds: unknown) {
    super(
      'HOLDFAST_CLOCK_SHIFT',
      `a clock cannot be moved by ${seconds}: write whole seconds, at most 20 years either way`,
    )
  }
}

const LONGEST_SECONDS = 20 * 366 * 86_400

/** @throws {InvalidShift} */
export function demandOffset(seconds: number): void {
  if (!Number.isSafeInteger(seconds) || Math.abs(seconds) > LONGEST_SECONDS) throw new InvalidShift(seconds)
}

/** An offset as libfaketime reads it. @throws {InvalidShift} */
export function faketimeOffset(seconds: number): string {
  demandOffset(seconds)
  return `${seconds < 0 ? '' : '+'}${seconds}`
}

/**
 * Loads the library into a program. Every look at the clock reads the offset anew, so that a move counts at once. Monotonic clocks
 * stay: timeouts and intervals measure what really passed. So do the times of files, which caches compare.
 */
export function faketimeEnvironment(libfaketime: string): Record<string, string> {
  return { LD_PRELOAD: libfaketime, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1', NO_FAKE_STAT: '1' }
}
