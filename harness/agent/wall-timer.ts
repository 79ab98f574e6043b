const LOOK_EVERY_MS = 1_000

/**
 * Acts once so many ms have passed by either clock. A timer alone measures what passes: it would be late after the machine slept; by the
 * wall's clock alone it would be late where that was set back. Does not keep the process alive.
 */
export function afterAtMost(ms: number, act: () => void): void {
  const [wall, steady] = [Date.now() + ms, performance.now() + ms]
  const look = (): void => {
    const left = Math.min(wall - Date.now(), steady - performance.now())
    if (left <= 0) act()
    else setTimeout(look, Math.min(left, LOOK_EVERY_MS)).unref()
  }
  look()
}
