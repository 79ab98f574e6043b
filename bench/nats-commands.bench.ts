import { startBaseline } from './baseline.ts'
import { type Call, loadWith, type Target } from './caller.ts'
import type { Bench } from './main.ts'
import { compare, interleave, median } from './measure.ts'
import { clientOf, natsSite } from './nats/site.ts'
import { identityOf, listenerOf } from './site.ts'

const connections = 16
const commandsARound = 2_000
const rounds = 7

export const bench: Bench = {
  summary: 'commands over 16 connections until they are in the stream, against https and a publish to the same stream',
  async run() {
    // Nobody fetches what both sides publish.
    await using nats = await natsSite({ callout: 'false' })
    const { site, hosts } = nats
    const operator = await identityOf(site, 'operator', 'somebiz')
    const target = listenerOf(site, 'orchestrator', 'local')
    const own = await identityOf(site, 'cert-orchestrator', 'somebiz')
    const client = await clientOf(site, 'creds-orchestrator', 'orchestrator_role')
    await using baseline = await startBaseline('bare-commands', { ...own, client }, hosts)
    const bare = { ...target, address: '127.0.0.1', port: baseline.port }
    const p50 = { baseline: [] as number[], subject: [] as number[] }
    const perSecond = async (at: Target, middle: number[]): Promise<number> => {
      const result = await loadWith(at, operator, command, { count: commandsARound, connections })
      middle.push(result.p50)
      return result.perSecond
    }
    const throughput = await interleave(
      'commands, throughput',
      () => perSecond(bare, p50.baseline),
      () => perSecond(target, p50.subject),
      { bar: { atLeast: 0.7 }, unit: 'per second', rounds },
    )
    const middle = compare('commands, p50', median(p50.baseline), median(p50.subject), { bar: { atMost: 1.5 }, rounds })
    return [middle, throughput]
  },
}

/** Another one each time, since an id stands for one command. */
function command(): Call {
  const json = { id: crypto.randomUUID(), host: 'host-1', verb: 'restart', args: { service: 'web' } }
  return {
    ...{ method: 'POST', path: '/v1/commands', status: 202 },
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(json),
  }
}
