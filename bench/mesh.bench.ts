import { readFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { Site } from '../harness/backends/backend.ts'
import { operatorClient } from '../harness/vitest/operator-client.ts'
import { until } from '../harness/vitest/until.ts'
import type { Bench } from './main.ts'
import { compare, interleave, median } from './measure.ts'
import { benchSite } from './site.ts'

const small = 3
const large = 12
const idleMs = 10_000
const rounds = 5

export const bench: Bench = {
  summary: 'a mesh of 12 nodes, against one of 3',
  async run() {
    const idle = { small: [] as number[], large: [] as number[] }
    const connected = await interleave(
      'time until all of a mesh of 12 are connected, for each session',
      () => meshOf(small, idle.small),
      () => meshOf(large, idle.large),
      { bar: { atMost: 1.5 }, rounds, warmUp: false },
    )
    const cpu = compare(
      'idle processor time of a node in a mesh of 12, each second',
      median(idle.small),
      median(idle.large),
      {
        bar: { atMost: 1.5 },
        rounds,
      },
    )
    return [connected, cpu]
  },
}

/** Ms for each session, from the start of the first node until the last of them says that both directions to all peers are up. */
async function meshOf(nodes: number, idle: number[]): Promise<number> {
  await using site = await benchSite('shared-auth', { nodes: String(nodes) })
  const names = Object.keys(site.plan.nodes).filter((name) => name.startsWith('node-'))
  const sessions = nodes * (nodes - 1)
  await until('all sessions are there', () => established(site).length >= sessions, { withinMs: 60_000, everyMs: 20 })
  await Promise.all(names.map((name) => demandConnected(site, name, nodes - 1)))
  const began = Math.min(...starts(site))
  const ended = Math.max(...established(site))
  idle.push(await idleOf(site, names))
  return (ended - began) / sessions
}

function starts(site: Site): number[] {
  return site
    .events()
    .flatMap((event) => (event.event === 'unit-started' && event.unit === 'orchestrator' ? [Date.parse(event.at)] : []))
}

/** When sessions were accepted. */
function established(site: Site): number[] {
  return site
    .events()
    .flatMap((event) =>
      event.event === 'log' && event.line.includes('"session-established"') && event.line.includes('"inbound"')
        ? [Date.parse(event.at)]
        : [],
    )
}

async function demandConnected(site: Site, name: string, peers: number): Promise<void> {
  const operator = operatorClient(site, name)
  const isConnected = async () => {
    const { peers: found } = (await operator.get('/v1/state')).json as { peers: { state: string }[] }
    return found.length === peers && found.every(({ state }) => state === 'connected')
  }
  await until(`${name} is connected to all its peers`, isConnected, { withinMs: 20_000 })
}

/** Ms of processor time that an orchestrator takes in a second with nothing to do but to keep its sessions; the mean of all nodes. */
async function idleOf(site: Site, names: readonly string[]): Promise<number> {
  const pids = names.map((name) => {
    const started = site
      .events()
      .findLast((event) => event.event === 'unit-started' && event.node === name && event.unit === 'orchestrator')
    return started?.event === 'unit-started' ? started.pid : undefined
  })
  const before = await Promise.all(pids.map(processorMs))
  await wait(idleMs)
  const after = await Promise.all(pids.map(processorMs))
  const spent = after.reduce((sum, ms, at) => sum + ms - before[at]!, 0)
  return (spent * 1_000) / idleMs / names.length
}

/** Linux counts in hundredths of a second; user and system time are the fields 14 and 15. */
async function processorMs(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}
