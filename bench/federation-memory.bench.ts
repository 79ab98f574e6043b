import { requestFor } from '../harness/demonstrations/federation/index.ts'
import { json, liveServer } from '../services/federation-gateway/testing/live.ts'
import { loadWith, poolOf, send } from './caller.ts'
import { askOf, type BenchAsker, benchAsker } from './federation/asker.ts'
import { atRest, compareRests } from './federation/rest.ts'
import { type BenchFederation, benchFederation, listOf, newPeer, scope } from './federation/site.ts'
import type { Bench } from './main.ts'
import type { Measure } from './measure.ts'
import { pidOf } from './processes.ts'

const first = 200
const more = 5_000
const renewals = 5
/** A grant is good for 6 000 requests in 60 s. */
const requestsOfAPeer = 5_000
const connections = 8
const revokedWithinMs = 20_000

export const bench: Bench = {
  summary:
    'what a gateway has in memory and open after 100 000 requests, 1 000 renewals and 1 000 lists of revoked certificates, against after 1 000 requests',
  async run() {
    return [...(await lending()), ...(await asking())]
  },
}

async function lending(): Promise<Measure[]> {
  await using bed = await benchFederation()
  const pid = pidOf(bed.site, 'gateway-b', 'gateway')
  await requests(bed, first)
  const before = await atRest(pid)
  for (let left = more; left > 0; left -= requestsOfAPeer) await requests(bed, Math.min(left, requestsOfAPeer))
  for (let at = 0; at < renewals; at += 1) await comeAndGo(bed)
  return compareRests('of a gateway that lends', before, await atRest(pid))
}

async function requests(bed: BenchFederation, count: number): Promise<void> {
  await loadWith(bed.lender, await newPeer(bed), listOf(10), { count, connections })
}

/** A peer enrols, renews and is revoked; the list that names it is in force then. */
async function comeAndGo({ federation }: BenchFederation): Promise<void> {
  const peer = await federation.enrol({ scope })
  const { commonName, grantId } = peer.grant
  void (await peer.renew((await requestFor(commonName)).csrPem)).value
  await (await federation.asAdmin('b')).revoke(grantId)
  await federation.revoked(grantId, { withinMs: revokedWithinMs })
}

const lender = 'lender.somebiz.local.io'

async function asking(): Promise<Measure[]> {
  await using asker = await benchAsker({ cache: { bytes: 0 } })
  await using opened = new AsyncDisposableStack()
  const { port } = opened.use(await renewingLender(asker))
  const { token, peerIds } = await asker.userWith([lender], port)
  const ask = askOf(token, `federated:${lender}`, 10)
  const load = (count: number) => loadWith(asker.target, asker.caller, ask, { count, connections })
  await load(first)
  const before = await atRest(asker.pid)
  await load(more / 10)
  await renewOften(asker, peerIds[0]!)
  return compareRests('of a gateway that asks', before, await atRest(asker.pid))
}

async function renewOften({ target, caller, operatorToken }: BenchAsker, peerId: string): Promise<void> {
  const pool = poolOf(target, caller, 1)
  const headers = { authorization: `Bearer ${operatorToken}` }
  const path = `/api/admin/federation/peers/${peerId}/renew`
  try {
    for (let at = 0; at < renewals; at += 1) await send(pool, target, { method: 'POST', path, headers })
  } finally {
    await pool.destroy()
  }
}

/** It has no rows, and makes a certificate of whatever it is asked for. */
async function renewingLender(asker: BenchAsker) {
  const proven = { requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' } as const
  return liveServer({ ...(await asker.server([lender])), ...proven }, async ({ url = '' }, response, body) => {
    response.setHeader('etag', '"1"')
    if (url.endsWith('/renew')) return json(response, 200, await asker.certify(JSON.parse(body).csrPem))
    if (url.endsWith('/capabilities')) return json(response, 200, lends)
    json(response, 200, { items: [], nextCursor: null, _truncated: false, _partial: false })
  })
}

const lends = {
  ...{ resources: ['tasks'], excluded_resources: [], max_rows_per_query: 100, grant_expires_at: null },
  supported_verbs: ['list', 'get', 'search', 'capabilities', 'renew'],
}
