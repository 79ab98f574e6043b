import { readdir, readFile } from 'node:fs/promises'
import type { Site } from '../harness/backends/backend.ts'

/** The process of a unit, as it was started last. */
export function pidOf(site: Site, node: string, unit: string): number {
  const started = site
    .events()
    .findLast((event) => event.event === 'unit-started' && event.node === node && event.unit === unit)
  if (started?.event === 'unit-started' && started.pid !== undefined) return started.pid
  throw new Error(`${node}/${unit} was not started`)
}

/** Of all threads, in the nanoseconds of Linux's scheduler: `stat` counts in hundredths of a second. */
export async function processorMs(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`)
  const spent = threads.map(async (thread) => {
    const [nanoseconds] = (await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')).split(' ')
    return Number(nanoseconds) / 1e6
  })
  return (await Promise.all(spent)).reduce((sum, ms) => sum + ms, 0)
}

/** What a process has in memory for itself alone. */
export async function privateBytes(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
  const kilobytes = [...rollup.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm)].map(([, found]) => Number(found))
  return kilobytes.reduce((sum, found) => sum + found, 0) * 1_024
}

/** Files and sockets that a process has open. */
export async function openFiles(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length
}
