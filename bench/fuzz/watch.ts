import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Site } from '../../harness/backends/backend.ts'
import { rendered } from '../../harness/site/site-files.ts'
import { median } from '../measure.ts'
import { STOPPED } from './ground.ts'

/** What a service needed while it was fuzzed. */
export interface Toll {
  readonly service: string
  /** Median resident memory of the first and of the last third of the run, in MiB, after the warm-up. */
  readonly firstMiB: number
  readonly lastMiB: number
  /** Every tenth of the run, in MiB: how it came there. */
  readonly courseMiB: readonly number[]
  /** Bytes that its decision log grew by. */
  readonly logBytes: number
  /** The longest line of the log. */
  readonly longestLine: number
  /** Decisions with a status of 5xx, as `guard reason`. */
  readonly failures: readonly string[]
}

interface Watched {
  readonly service: string
  readonly node: string
  readonly unit: string
  readonly log: string
  readonly pid: number
  readonly logBefore: number
  readonly residentMiB: number[]
}

const EVERY_MS = 250

/** Looks at the memory of every service that is fuzzed, and at what it writes down. */
export class Watch {
  readonly #site: Site
  readonly #services: readonly Watched[]
  readonly #timer: NodeJS.Timeout

  private constructor(site: Site, services: readonly Watched[]) {
    this.#site = site
    this.#services = services
    this.#timer = setInterval(() => void this.#look(), EVERY_MS).unref()
  }

  static async begin(site: Site): Promise<Watch> {
    const services: Watched[] = []
    for (const { name: node, units } of Object.values(site.plan.nodes)) {
      for (const { name: unit, service } of units) {
        const started = site
          .events()
          .findLast((event) => event.event === 'unit-started' && event.node === node && event.unit === unit)
        const pid = started?.event === 'unit-started' ? started.pid : undefined
        if (STOPPED.includes(node) || service?.decisionLog === undefined || pid === undefined) continue
        const log = rendered(site, site.node(node), service.decisionLog, unit)
        const { size: logBefore } = await stat(log)
        services.push({ service: `${node}/${unit}`, node, unit, log, pid, logBefore, residentMiB: [] })
      }
    }
    return new Watch(site, services)
  }

  /** From now on memory counts; what is written down counts from the beginning. */
  warmedUp(): void {
    for (const { residentMiB } of this.#services) residentMiB.length = 0
  }

  /** What went wrong besides answers: a service that ended, or that logged an error of its own making. */
  troubles(): string[] {
    const names = new Map(this.#services.map(({ node, unit, service }) => [`${node}/${unit}`, service]))
    return this.#site.events().flatMap((event) => {
      const service = 'unit' in event ? names.get(`${event.node}/${event.unit}`) : undefined
      if (service === undefined) return []
      if (event.event === 'unit-exited') return [`${service} ended (${event.code ?? event.signal})`]
      return event.event === 'log' && isError(event.line) ? [`${service} logged ${event.line.slice(0, 300)}`] : []
    })
  }

  async end(): Promise<Toll[]> {
    clearInterval(this.#timer)
    return Promise.all(
      this.#services.map(async ({ service, log, logBefore, residentMiB }) => {
        const third = Math.ceil(residentMiB.length / 3)
        return {
          service,
          firstMiB: median(residentMiB.slice(0, third)),
          lastMiB: median(residentMiB.slice(-third)),
          courseMiB: Array.from({ length: 10 }, (_, at) =>
            Math.round(residentMiB[Math.floor((at * residentMiB.length) / 10)] ?? 0),
          ),
          ...(await writtenDown(log, logBefore)),
        }
      }),
    )
  }

  async #look(): Promise<void> {
    for (const { pid, residentMiB } of this.#services) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
      const kib = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]
      if (kib !== undefined) residentMiB.push(Number(kib) / 1024)
    }
  }
}

/** Line by line from the disk: a long run leaves tens of megabytes. */
async function writtenDown(
  log: string,
  before: number,
): Promise<Omit<Toll, 'service' | 'firstMiB' | 'lastMiB' | 'courseMiB'>> {
  const failures: string[] = []
  let longestLine = 0
  for await (const line of createInterface({ input: createReadStream(log, { start: before }) })) {
    longestLine = Math.max(longestLine, line.length)
    if (/"status":5\d\d/.test(line)) failures.push(failureOf(line))
  }
  return { logBytes: (await stat(log)).size - before, longestLine, failures }
}

function failureOf(line: string): string {
  const { guard, reason } = JSON.parse(line) as { guard: string; reason: string }
  return `${guard} ${reason}`
}

function isError(line: string): boolean {
  return /"level":"error"/.test(line) || /^\s+at |Error:|Warning:/.test(line)
}
