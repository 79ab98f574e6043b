import type { Site } from '../backends/backend.ts'

export type KeptSite = ReturnType<typeof keptSite>

/** A site whose scenario failed and that is kept, in the words that reach another process: its plan lies in the evidence. */
export function keptSite({ run, backend, evidence, nodes, timings }: Site) {
  return {
    ...{ run, backend, evidence },
    /** The process that holds it. */
    pid: process.pid,
    nodes: [...nodes.values()].map(({ name, host, address, addresses, dir, enter }) => ({
      name,
      host,
      address,
      addresses,
      dir,
      enter,
    })),
    timings: [...timings],
  }
}

const endings: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP']

/** Resolves when somebody ends the run: `holdfast down` or Ctrl-C. */
export async function untilEnded(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  // Signals that come while the site is released must not end this process half way, so the listeners stay.
  for (const signal of endings) process.on(signal, () => resolve())
  await promise
}
