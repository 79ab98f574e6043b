/**
 * vitest would exit on Ctrl-C within a millisecond, before anything is released. Signals are for our own owner to handle: of listeners that
 * `create` adds, none hears one, be it while `create` is still at work.
 */
export async function withoutItsSignals<T>(create: () => Promise<T>): Promise<T> {
  const takeAway = (event: string | symbol, listener: () => void): void => {
    // It is added behind this call; no signal comes in between.
    if (event === 'SIGINT' || event === 'SIGTERM') queueMicrotask(() => process.off(event, listener))
  }
  process.on('newListener', takeAway)
  try {
    return await create()
  } finally {
    process.off('newListener', takeAway)
  }
}
