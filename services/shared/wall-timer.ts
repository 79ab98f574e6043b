const LOOK_EVERY_MS = 1_000

/** A time that somebody waits for; does not keep the process alive. */
export interface Wait {
  close(): void
}

/**
 * Acts at a time of the wall clock, in ms since 1970. A timer alone measures what passes: it would be late where the clock was
 * set forward, and after the machine slept.
 */
export function atWallTime(time: number, act: () => void): Wait {
  return once(() => time - Date.now(), act)
}

/** Resolves at a time of the wall clock, in ms since 1970; the process lives until then. */
export async function untilWallTime(time: number): Promise<void> {
  for (let left = time - Date.now(); left > 0; left = time - Date.now()) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(left, LOOK_EVERY_MS)))
  }
}

/**
 * Acts once so many ms have passed by either clock: by the wall's alone it would be late where that was set back, which those do not
 * see who judge what ends then; by the other one alone after the machine slept.
 */
export function afterAtMost(ms: number, act: () => void): Wait {
  const [wall, steady] = [Date.now() + ms, performance.now() + ms]
  return once(() => Math.min(wall - Date.now(), steady - performance.now()), act)
}

function once(left: () => number, act: () => void): Wait {
  let timer: NodeJS.Timeout
  const look = (): void => {
    if (left() <= 0) act()
    else timer = setTimeout(look, Math.min(left(), LOOK_EVERY_MS)).unref()
  }
  // Never at once: whoever closes it must hold it by then.
  timer = setTimeout(look, Math.max(0, Math.min(left(), LOOK_EVERY_MS))).unref()
  return { close: () => clearTimeout(timer) }
}
