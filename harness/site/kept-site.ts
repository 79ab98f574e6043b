import type { Site, SiteNode } from '../backends/backend.ts'

/** A site whose scenario failed and that is kept, in the words that reach another process: its plan lies in the evidence. */
export interface KeptSite extends Pick<Site, 'run' | 'backend' | 'evidence'> {
  readonly pid: number
  readonly nodes: readonly Pick<SiteNode, 'name' | 'host' | 'address' | 'dir'>[]
  readonly timings: readonly (readonly [string, number])[]
}

export function keptSite({ run, backend, evidence, nodes, timings }: Site): KeptSite {
  return {
    ...{ run, backend, evidence, pid: process.pid },
    nodes: [...nodes.values()].map(({ name, host, address, dir }) => ({ name, host, address, dir })),
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
