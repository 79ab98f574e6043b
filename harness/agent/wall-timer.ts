const LOOK_EVERY_MS = 1_000

/**
 * Acts at a time of the wall clock, in epoch ms. A timer alone measures what passes: it would be late where the clock was set
 * forward, and after the machine slept. Does not keep the process alive.
 */
export function atWallTime(time: number, act: () => void): void {
  const left = time - Date.now()
  if (left <= 0) act()
  else setTimeout(() => atWallTime(time, act), Math.min(left, LOOK_EVERY_MS)).unref()
}
