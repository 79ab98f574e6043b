import { ownClock, setOwnClock } from '../../settings.ts'
import { findLibfaketime } from '../../toolchain/libfaketime.ts'
import { faketimeEnvironment, faketimeOffset } from './faketime.ts'

/**
 * Environment of a process that can move its own clock, `seconds` ahead from the start on; empty where this machine has no
 * libfaketime. It must be there when the process starts: a library cannot be loaded below a running one.
 */
export function ownClockEnvironment(seconds = 0): Record<string, string> {
  const libfaketime = findLibfaketime()
  if (libfaketime === undefined) return {}
  return { ...faketimeEnvironment(libfaketime), FAKETIME: faketimeOffset(seconds) }
}

/** Whether this very process was started so that its clock can be moved. */
export function ownClockIsMovable(): boolean {
  return ownClock() !== undefined
}

/** Seconds that this process is ahead of the machine. */
export function ownClockSeconds(): number {
  return Number(ownClock() ?? 0)
}

/** The time of the machine, in ms since 1970, wherever the clock of this process was moved to. */
export function machineTime(): number {
  return Date.now() - 1_000 * ownClockSeconds()
}

/**
 * Moves the clock of this process: `Date` and everything below it, the validity checks of OpenSSL too. libfaketime reads the
 * environment with each look at the clock. @throws {InvalidShift}
 */
export function setOwnClockSeconds(seconds: number): void {
  setOwnClock(faketimeOffset(seconds))
}

/** Whether the source of a scenario asks for clocks that can be moved. */
export function asksForMovableClock(source: string): boolean {
  return /\bclock: 'movable'/.test(source)
}
