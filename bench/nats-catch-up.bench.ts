import { copyFile, readFile, rm } from 'node:fs/promises'
import type { Site } from '../harness/backends/backend.ts'
import { rendered } from '../harness/site/site-files.ts'
import type { Bench } from './main.ts'
import { compare, interleave, median } from './measure.ts'
import type { Client } from './nats/client.ts'
import { type Clients, startClients } from './nats/clients.ts'
import { clientOf, natsSite } from './nats/site.ts'

const few = 10_000
const many = 100_000
const rounds = 5

export const bench: Bench = {
  summary: `a host that comes back to ${few} commands, against a bare pull consumer that acknowledges them`,
  async run() {
    await using nats = await natsSite({ callout: 'true' })
    const { site, hosts } = nats
    await using watcher = startClients(hosts)
    const orchestrator = await clientOf(site, 'creds-orchestrator', 'orchestrator_role')
    const host = await clientOf(site, 'creds-host-1', 'host_role')
    await site.node('host-1').stop('host-agent')
    const ground: Ground = { site, hosts, watcher, orchestrator, host, ledger: await ledgerOf(site) }
    await settle(ground)
    const perSecond = await interleave(
      `catch-up of ${few} commands`,
      async () => (few / (await barely(ground, few))) * 1_000,
      async () => (few / (await byAgent(ground, few))) * 1_000,
      { bar: { atLeast: 0.5 }, unit: 'per second', rounds },
    )
    const ms = { few: [] as number[], many: [] as number[] }
    for (let round = 0; round < rounds; round += 1) {
      ms.few.push(await byAgent(ground, few))
      ms.many.push(await byAgent(ground, many))
    }
    const growth = compare(`catch-up of ${many} commands, against ${few}`, median(ms.few), median(ms.many), {
      ...{ bar: { atMost: 11 }, rounds },
    })
    return [perSecond, growth]
  },
}

interface Ground {
  readonly site: Site
  readonly hosts: string
  readonly watcher: Clients
  readonly orchestrator: Client
  readonly host: Client
  /** Where the host's agent writes down what it applied. */
  readonly ledger: string
}

async function ledgerOf(site: Site): Promise<string> {
  const file = rendered(site, site.node('host-1'), '@{unit}/config.json', 'host-agent')
  return (JSON.parse(await readFile(file, 'utf8')) as { storage: { path: string } }).storage.path
}

const before = (ledger: string): string => `${ledger}.before`

/** A host that has applied commands already, and all those that it is to come back to, each time anew. */
async function settle(ground: Ground): Promise<void> {
  const { watcher, orchestrator, ledger } = ground
  await watcher.ask('publish', orchestrator, 'host-1', few)
  await applied(ground, few)
  await copyFile(ledger, before(ledger))
  await watcher.ask('publish', orchestrator, 'host-1', many)
}

/** Ms in which the host's own agent applies what was commanded while it was down, from the first that it is sent. */
async function byAgent(ground: Ground, count: number): Promise<number> {
  const { watcher, orchestrator, ledger } = ground
  // As it was before it applied them: else it would know them all.
  for (const file of [ledger, `${ledger}-wal`, `${ledger}-shm`]) await rm(file, { force: true })
  await copyFile(before(ledger), ledger)
  await watcher.ask('rewind', orchestrator, 'host-1', count)
  return applied(ground, count)
}

async function applied({ site, watcher, orchestrator }: Ground, count: number): Promise<number> {
  const fetched = watcher.ask('fetched', orchestrator, 'host-1', count)
  await site.node('host-1').start('host-agent')
  const ms = await fetched
  await site.node('host-1').stop('host-agent')
  return ms
}

/** Ms in which somebody acknowledges as much over the same login, in a process that has just started, as the agent's has. */
async function barely({ hosts, watcher, orchestrator, host }: Ground, count: number): Promise<number> {
  await using bare = startClients(hosts)
  await watcher.ask('rewind', orchestrator, 'host-1', count)
  const fetched = watcher.ask('fetched', orchestrator, 'host-1', count)
  await bare.ask('consume', host, 'host-1', count)
  return await fetched
}
