import { atWallTime, type Wait } from '../../shared/wall-timer.ts'

/** The wall clock, in ms since 1970, and those who wait for a time of it. */
export interface Clock {
  now(): number
  at(time: number, act: () => void): Wait
}

export const wallClock: Clock = { now: Date.now, at: atWallTime }
