const LOOK_EVERY_MS = 1_000

/**
 * Acts at a time of the wall clock, in ms since 1970. A timer alone measures what passes: it would be late where the clock was
 * set forward, and after the machine slept. Does not keep the process alive.
 */
export function atWallTime(time: number, act: () => void): { close(): void } {
  let timer: NodeJS.Timeout
  const look = (): void => {
    const left = time - Date.now()
    if (left <= 0) act()
    else timer = setTimeout(look, Math.min(left, LOOK_EVERY_MS)).unref()
  }
  // Never at once: whoever closes it must hold it by then.
  timer = setTimeout(look, Math.max(0, Math.min(time - Date.now(), LOOK_EVERY_MS))).unref()
  return { close: () => clearTimeout(timer) }
}
