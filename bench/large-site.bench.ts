import { readFile } from 'node:fs/promises'
import type { Site } from '../harness/backends/backend.ts'
import type { Bench } from './main.ts'
import { compare, median } from './measure.ts'
import { benchSite } from './site.ts'

const small = 10
const large = 50
const rounds = 3
const bytesAllowed = 5 * 1_048_576

export const bench: Bench = {
  summary: `a site of ${large} nodes, against one of ${small}`,
  async run() {
    const looks: { few: Look; many: Look }[] = []
    for (let round = 0; round < rounds; round++) {
      looks.push({ few: await lookAt(small), many: await lookAt(large) })
    }
    const middle = (of: (look: (typeof looks)[number]) => number) => median(looks.map(of))
    const own = compare(
      `processor time of the harness until a site of ${large} is ready, for each node`,
      middle(({ few }) => few.processorMs / small),
      middle(({ many }) => many.processorMs / large),
      { bar: { atMost: 1.3 }, rounds },
    )
    const [fewMs, manyMs] = [middle(({ few }) => few.ms), middle(({ many }) => many.ms)]
    own.notes.push(
      `until all are ready: ${small} nodes ${fewMs.toFixed(0)} ms, ${large} nodes ${manyMs.toFixed(0)} ms; a node of ` +
        `the first has ${small - 1} peers to open sessions with, one of the second ${large - 1}`,
    )
    const grown = middle(({ few, many }) => (many.agentBytes - few.agentBytes) / (large - small))
    const memory = compare('memory of agents for one more node', bytesAllowed, grown, {
      ...{ bar: { atMost: 1 }, unit: 'bytes', rounds },
    })
    return [own, memory]
  },
}

interface Look {
  /** From nothing until all nodes are ready. */
  readonly ms: number
  /** Of this process, which is the coordinator, and of the agents. */
  readonly processorMs: number
  /** What the agents hold in memory then. */
  readonly agentBytes: number
}

async function lookAt(nodes: number): Promise<Look> {
  const [began, before] = [performance.now(), process.cpuUsage()]
  await using site = await benchSite('shared-auth', { nodes: String(nodes) })
  const ms = performance.now() - began
  const { user, system } = process.cpuUsage(before)
  const agents = await Promise.all([...agentsOf(site)].map(lookAtProcess))
  const sum = (figures: number[]) => figures.reduce((total, figure) => total + figure, 0)
  return {
    ms,
    processorMs: (user + system) / 1_000 + sum(agents.map(({ processorMs }) => processorMs)),
    agentBytes: sum(agents.map(({ bytes }) => bytes)),
  }
}

function agentsOf(site: Site): Set<number> {
  return new Set(site.events().flatMap((event) => (event.event === 'agent-started' ? [event.pid] : [])))
}

async function lookAtProcess(pid: number): Promise<{ processorMs: number; bytes: number }> {
  const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8')
  const [status, stat] = await Promise.all([read('status'), read('stat')])
  // Fields 14 and 15, in hundredths of a second; the name before them may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const bytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024
  return { processorMs: (Number(fields[11]) + Number(fields[12])) * 10, bytes }
}
