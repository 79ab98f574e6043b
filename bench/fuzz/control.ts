import { type Answer, exchange, type HeaderLines } from '../../harness/protocols/http/exchange.ts'
import { upgrade } from '../../harness/protocols/websocket/web-socket.ts'
import { operatorClient } from '../../harness/site/operator-client.ts'
import { until } from '../../harness/site/until.ts'
import { openMessage, updateMessage } from './frames.ts'
import { CONTROL_PEER, FUZZED, type FuzzGround, PEER } from './ground.ts'
import { LISTENERS } from './seeds.ts'

/** Positive controls: what is good is accepted still, by each service and in each way. Rejects with the one that was not. */
export async function control(ground: FuzzGround): Promise<void> {
  await Promise.all([reads(ground), introspects(ground), peers(ground)])
  await tidy(ground)
}

const bearer = (token: string): HeaderLines => [['Authorization', `Bearer ${token}`]]

async function reads(ground: FuzzGround): Promise<void> {
  const { node, port } = LISTENERS.local
  const { identity, token } = ground.node
  const request = { method: 'GET', path: '/v1/state', headers: bearer(token) }
  demand('GET /v1/state', 200, await exchange(ground.endpoint(node, port, identity), request))
}

async function introspects(ground: FuzzGround): Promise<void> {
  const { node, port } = LISTENERS.mtls
  const { identity, token } = ground.peer
  const headers: HeaderLines = [['Content-Type', 'application/x-www-form-urlencoded']]
  const body = new URLSearchParams({ client_id: PEER, token }).toString()
  const request = { method: 'POST', path: '/token/introspection', headers, body }
  const answer = await exchange(ground.endpoint(node, port, identity), request)
  demand('POST /token/introspection', 200, answer)
  if (!answer.body.startsWith('{"active":true,')) throw new Error(`a good token is told to be ${answer.body}`)
}

async function peers(ground: FuzzGround): Promise<void> {
  const { node, port } = LISTENERS.peering
  const { identity, token } = ground.controlPeer
  const first = { type: 'open' }
  const request = { path: '/v1/peering', protocol: 'holdfast-peering.v1', headers: bearer(token), first }
  const { session, ...answer } = await upgrade(ground.endpoint(node, port, identity), request)
  demand('GET /v1/peering', 101, answer)
  const conversation = { node: CONTROL_PEER, domain: 'd.test' }
  session?.send(openMessage(conversation))
  session?.send(updateMessage(conversation, 1))
  const operator = operatorClient(ground.site, FUZZED)
  const isThere = async () => (await operator.get('/v1/routes?domain=d.test')).body.includes('"fuzzed"')
  await until('the route of the control session is there', isThere, { withinMs: 20_000 })
  await session?.close()
}

/** What broken requests made all the same is taken away, so that it does not pile up. */
async function tidy({ site }: FuzzGround): Promise<void> {
  const node = operatorClient(site, FUZZED)
  const auth = operatorClient(site, 'auth')
  const { peers = [] } = (await node.get('/v1/peers?limit=1000')).json as { peers?: { name: string }[] }
  const { routes = [] } = (await node.get('/v1/routes?limit=1000')).json as {
    routes?: { domain: string; name: string }[]
  }
  const { clients = [] } = (await auth.get('/operator/v1/clients')).json as { clients?: { client_id: string }[] }
  const isOurs = (name: string) => /^node-[abcd]$/.test(name)
  for (const { name } of peers) if (!isOurs(name)) await node.delete(`/v1/peers/${encodeURIComponent(name)}`)
  for (const { domain, name } of routes) {
    await node.delete(`/v1/routes/${encodeURIComponent(domain)}/${encodeURIComponent(name)}`)
  }
  for (const { client_id: id } of clients) {
    if (!isOurs(id)) await auth.delete(`/operator/v1/clients/${encodeURIComponent(id)}`)
  }
}

function demand(what: string, status: number, answer: Pick<Answer, 'status' | 'body' | 'failure'>): void {
  if (answer.status === status) return
  const said = answer.failure === undefined ? answer.body.slice(0, 200) : answer.failure.message
  throw new Error(`${what} with good credentials was answered ${answer.status} instead of ${status}: ${said}`)
}
