import type { Site } from '../backends/backend.ts'

/** What the main process of a unit holds in memory now, in kB; undefined where the site did not start it. */
export async function residentKb(site: Site, node: string, unit: string): Promise<number | undefined> {
  const started = site
    .events()
    .findLast((event) => event.event === 'unit-started' && event.node === node && event.unit === unit)
  const pid = started?.event === 'unit-started' ? started.pid : undefined
  if (pid === undefined) return undefined
  const { stdout } = await site.node(node).exec(['cat', `/proc/${pid}/status`])
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(stdout)?.[1])
}
