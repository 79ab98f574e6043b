import { setTimeout as wait } from 'node:timers/promises'
import type { Site } from '../harness/backends/backend.ts'
import type { Bench } from './main.ts'
import { compare, interleave, type Measure, median } from './measure.ts'
import type { Client } from './nats/client.ts'
import { type Clients, startClients } from './nats/clients.ts'
import { clientOf, natsSite } from './nats/site.ts'
import { pidOf, privateBytes, processorMs } from './processes.ts'

const few = 20
const many = 200
const rounds = 5
const upWithinMs = 1_200_000
const allInWithinMs = 3_000
/** Compiling and collecting what the start left behind is no idling. */
const settleMs = 30_000
const idleMs = 12_000

export const bench: Bench = {
  summary: `a site with ${many} hosts, against one with ${few}`,
  async run() {
    await using small = await natsSite({ callout: 'true', hosts: String(few) }, upWithinMs)
    await using large = await natsSite({ callout: 'true', hosts: String(many) }, upWithinMs)
    await wait(settleMs)
    const idle = await idleOfBoth(small.site, large.site)
    await using clients = startClients(large.hosts)
    return [...idle, ...(await logins(clients, await hostsOf(large.site)))]
  },
}

/** Looked at at the same time, so that whatever else the machine does is the same for both. */
async function idleOfBoth(small: Site, large: Site): Promise<Measure[]> {
  const spent = { few: [] as number[], many: [] as number[] }
  for (let look = 0; look < rounds; look += 1) {
    const [ofFew, ofMany] = await Promise.all([idleMsASecond(small), idleMsASecond(large)])
    spent.few.push(ofFew)
    spent.many.push(ofMany)
  }
  const processor = compare(
    `idle processor time of an orchestrator with ${many} hosts, each second`,
    median(spent.few),
    median(spent.many),
    { bar: { atMost: 10 }, rounds },
  )
  const [ofFew, ofMany] = await Promise.all([memoryOf(small, few), memoryOf(large, many)])
  const agent = compare(`memory of a host's agent among ${many}`, ofFew.agent, ofMany.agent, {
    ...{ bar: { atMost: 1.1 }, unit: 'bytes', rounds: 1 },
  })
  const shared = compare(
    `memory of orchestrator, broker and callout for each of ${many} hosts`,
    ofFew.shared / few,
    ofMany.shared / many,
    {
      ...{ bar: { atMost: 1 }, unit: 'bytes', rounds: 1 },
    },
  )
  const more = (ofMany.shared - ofFew.shared) / (many - few)
  shared.notes.push(`one more host takes ${(more / 1_024).toFixed(0)} KiB there`)
  return [processor, agent, shared]
}

async function idleMsASecond(site: Site): Promise<number> {
  const pid = pidOf(site, 'orchestrator', 'orchestrator')
  const [before, began] = [await processorMs(pid), performance.now()]
  await wait(idleMs)
  return ((await processorMs(pid)) - before) / ((performance.now() - began) / 1_000)
}

async function memoryOf(site: Site, hosts: number): Promise<{ agent: number; shared: number }> {
  const agents = names(hosts).map((host) => privateBytes(pidOf(site, host, 'host-agent')))
  const shared = (
    [
      ['orchestrator', 'orchestrator'],
      ['nats-1', 'nats-server'],
      ['nats-1', 'auth-callout'],
    ] as const
  ).map(([node, unit]) => privateBytes(pidOf(site, node, unit)))
  const sum = (await Promise.all(shared)).reduce((total, bytes) => total + bytes, 0)
  return { agent: median(await Promise.all(agents)), shared: sum }
}

function names(hosts: number): string[] {
  return Array.from({ length: hosts }, (_, at) => `host-${at + 1}`)
}

function hostsOf(site: Site): Promise<Client[]> {
  return Promise.all(names(many).map((host) => clientOf(site, `creds-${host}`, 'host_role')))
}

/** Beside the connections that their agents have. */
async function logins(clients: Clients, hosts: readonly Client[]): Promise<Measure[]> {
  const whole: number[] = []
  const allIn = async (count: number): Promise<number> => {
    const { allMs } = await clients.ask('logIn', hosts.slice(0, count), count)
    return allMs
  }
  const each = await interleave(
    `${many} hosts that log in at once, for each host`,
    async () => (await allIn(few)) / few,
    async () => {
      whole.push(await allIn(many))
      return whole.at(-1)! / many
    },
    { bar: { atMost: 1.5 }, rounds },
  )
  const all = compare(`until ${many} hosts are in that log in at once`, allInWithinMs, median(whole), {
    ...{ bar: { atMost: 1 }, rounds },
  })
  return [each, all]
}
