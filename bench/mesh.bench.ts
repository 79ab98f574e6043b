import { setTimeout as wait } from 'node:timers/promises'
import type { Site } from '../harness/backends/backend.ts'
import { operatorClient } from '../harness/site/operator-client.ts'
import { until } from '../harness/site/until.ts'
import type { Bench } from './main.ts'
import { compare, median } from './measure.ts'
import { pidOf, processorMs } from './processes.ts'
import { benchSite } from './site.ts'

const small = 3
const large = 12
const rounds = 5
/** Compiling and collecting what the start left behind is no idling. */
const settleMs = 60_000
/** Four rechecks of each session, which are 4.5 s apart. */
const idleMs = 18_000

export const bench: Bench = {
  summary: 'a mesh of 12 nodes, against one of 3',
  async run() {
    const connected: Pair = { small: [], large: [] }
    for (let round = 0; round < rounds; round++) {
      await withMeshes(round, {}, async (few, many) => {
        connected.small.push(few.msForEachSession)
        connected.large.push(many.msForEachSession)
      })
    }
    // Whoever asks the issuer about each session every five seconds cannot need as little for eleven of them as for two.
    const asking = await idleOfBoth({})
    const keysOnly = await idleOfBoth({ validation: 'jwks' })
    return [
      compared('time until all of a mesh of 12 are connected, for each session', connected),
      compared('idle processor time of a node in a mesh of 12, each second, mode jwks', keysOnly),
      compared('idle processor time for each session in a mesh of 12, each second, mode both', {
        small: asking.small.map((ms) => ms / (small - 1)),
        large: asking.large.map((ms) => ms / (large - 1)),
      }),
    ]
  },
}

/** Of the small mesh and the large one, in turns. */
interface Pair {
  readonly small: number[]
  readonly large: number[]
}

function compared(name: string, { small, large }: Pair) {
  return compare(name, median(small), median(large), { bar: { atMost: 1.5 }, rounds })
}

type Settings = Readonly<Record<string, string>>

/** Both at once; which of them starts first changes with the round. */
async function withMeshes(round: number, set: Settings, use: (few: Mesh, many: Mesh) => Promise<void>): Promise<void> {
  const [one, other] = round % 2 === 0 ? [small, large] : [large, small]
  await using first = await meshOf(one, set)
  await using second = await meshOf(other, set)
  await (round % 2 === 0 ? use(first, second) : use(second, first))
}

/** Ms a second of a node, looked at at the same time, so that whatever else the machine does is the same for both. */
async function idleOfBoth(set: Settings): Promise<Pair> {
  const idle: Pair = { small: [], large: [] }
  await withMeshes(0, set, async (few, many) => {
    await wait(settleMs)
    for (let look = 0; look < rounds; look++) {
      const [ofFew, ofMany] = await Promise.all([idleOf(few), idleOf(many)])
      idle.small.push(ofFew)
      idle.large.push(ofMany)
    }
  })
  return idle
}

interface Mesh extends AsyncDisposable {
  readonly site: Site
  readonly names: readonly string[]
  /** From the start of the first node until the last of them says that both directions to all peers are up. */
  readonly msForEachSession: number
}

async function meshOf(nodes: number, set: Settings): Promise<Mesh> {
  const site = await benchSite('shared-auth', { nodes: String(nodes), ...set })
  try {
    const names = Object.keys(site.plan.nodes).filter((name) => name.startsWith('node-'))
    const sessions = nodes * (nodes - 1)
    await until('all sessions are there', () => established(site).length >= sessions, { withinMs: 60_000, everyMs: 20 })
    await Promise.all(names.map((name) => demandConnected(site, name, nodes - 1)))
    const msForEachSession = (Math.max(...established(site)) - Math.min(...starts(site))) / sessions
    return { site, names, msForEachSession, [Symbol.asyncDispose]: () => site[Symbol.asyncDispose]() }
  } catch (failure) {
    await site[Symbol.asyncDispose]()
    throw failure
  }
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

/**
 * Ms of processor time that an orchestrator takes in a second with nothing to do but to keep its sessions; the median of all nodes,
 * so that one that the machine disturbs does not count for all.
 */
async function idleOf({ site, names }: Mesh): Promise<number> {
  const pids = names.map((name) => pidOf(site, name, 'orchestrator'))
  const before = await Promise.all(pids.map(processorMs))
  const began = performance.now()
  await wait(idleMs)
  const after = await Promise.all(pids.map(processorMs))
  const seconds = (performance.now() - began) / 1_000
  return median(after.map((ms, at) => (ms - before[at]!) / seconds))
}
