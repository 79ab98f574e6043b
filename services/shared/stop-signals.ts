const LONGEST_STOP_MS = 4_500

/** SIGTERM and SIGINT end the process: with 0 when all was ended in good order or its time was over, and at once, with 1, when asked again. */
export function stopOnSignals(stop: () => Promise<void>, longestMs = LONGEST_STOP_MS): void {
  let isStopping = false
  const onSignal = (): void => {
    if (isStopping) process.exit(1)
    isStopping = true
    setTimeout(() => process.exit(0), longestMs).unref()
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal)
}
