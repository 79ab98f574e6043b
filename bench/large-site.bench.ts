import { readFile } from 'node:fs/promises'
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
    const msOf = { small: [] as number[], large: [] as number[] }
    const bytesOfNode: number[] = []
    for (let round = 0; round < rounds; round++) {
      const [few, many] = [await measured(small), await measured(large)]
      msOf.small.push(few.ms / small)
      msOf.large.push(many.ms / large)
      bytesOfNode.push((many.agentBytes - few.agentBytes) / (large - small))
    }
    return [
      compare(`time to ready of a site of ${large}, for each node`, median(msOf.small), median(msOf.large), {
        bar: { atMost: 1.3 },
        rounds,
      }),
      compare('memory of agents for one more node', bytesAllowed, median(bytesOfNode), {
        bar: { atMost: 1 },
        unit: 'bytes',
        rounds,
      }),
    ]
  },
}

/** From nothing until all nodes are ready, and what their agents hold in memory then. */
async function measured(nodes: number): Promise<{ ms: number; agentBytes: number }> {
  const began = performance.now()
  await using site = await benchSite('shared-auth', { nodes: String(nodes) })
  const ms = performance.now() - began
  const agents = site.events().flatMap((event) => (event.event === 'agent-started' ? [event.pid] : []))
  const held = await Promise.all([...new Set(agents)].map(residentBytes))
  return { ms, agentBytes: held.reduce((sum, bytes) => sum + bytes, 0) }
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024
}
