import { type Call, callOnce, loadWith } from './caller.ts'
import { benchFederation } from './federation/site.ts'
import type { Bench } from './main.ts'
import { interleave } from './measure.ts'
import { listenerOf } from './site.ts'

const rows = 500
/** Few: the grant of the asker is good for 60 requests in 60 s, and what comes from memory is asked about, too. */
const requestsARound = 3
const rounds = 5

export const bench: Bench = {
  summary:
    'a list of 500 rows of a lender, asked for at home: out of memory, once the lender confirms it, against the lender itself',
  async run() {
    await using bed = await benchFederation()
    const { site, federation, peer } = bed
    await lendMore(bed)
    const asks = listenerOf(site, 'gateway-a', 'public')
    const { token } = await federation.asUser('a', 'alice')
    const source = `federated:${site.node('gateway-b').host}`
    const call = (limit: number): Call => ({
      method: 'POST',
      path: '/api/query/list/tasks',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ source, limit }),
    })
    // No two of these are the same question.
    let asked = 0
    const another = () => call(rows + ++asked)
    const isCached = async (one: Call) => {
      const { items, _cached } = JSON.parse(await callOnce(asks, peer, one)) as { items: unknown[]; _cached: boolean }
      if (items.length < rows) throw new Error(`only ${items.length} rows came`)
      return _cached
    }
    if (await isCached(another())) throw new Error('a question that nobody asked before was answered from memory')
    const p50 = async (one: Call | (() => Call)) =>
      (await loadWith(asks, peer, one, { count: requestsARound, connections: 1 })).p50
    const cached = async () => {
      // What is in memory ends by itself: begun anew for each round, by the request before those that count.
      const figure = await p50(call(rows))
      if (!(await isCached(call(rows)))) throw new Error('a question was not answered from memory')
      return figure
    }
    return [
      await interleave(`list of ${rows} rows from memory`, () => p50(another), cached, {
        bar: { atMost: 0.5 },
        rounds,
      }),
    ]
  },
}

/** The grant that A has by the topology, with pages as long as they can be. */
async function lendMore({ federation }: Awaited<ReturnType<typeof benchFederation>>): Promise<void> {
  const admin = await federation.asAdmin('b')
  const host = federation.site.node('gateway-a').host
  const { items: peers } = await admin.ask('peer:list')
  const ofAsker = peers.filter(({ commonName }) => commonName === host).map(({ id }) => id)
  const { items } = await admin.ask('grant:list')
  const own = items.filter(({ status, peerId }) => status === 'active' && ofAsker.includes(peerId))
  if (own.length === 0) throw new Error(`${host} has no grant`)
  for (const { id } of own) await admin.changeScope(id, { resources: ['tasks', 'notes'], max_rows_per_query: 1_000 })
}
