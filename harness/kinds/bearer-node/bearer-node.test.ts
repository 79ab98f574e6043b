import { expect, test } from 'vitest'
import { compile, credentialKinds } from '../../shipped.ts'
import { mistakesIn } from '../../topology/fixtures/mistakes-in.ts'
import { loadTopology } from '../../topology/load.ts'
import type { Plan, PlanUnit } from '../../topology/plan.ts'
import type { Topology } from '../../topology/schema.ts'
import { deriveMatrix } from '../../trust/matrix.ts'

type Change = (topology: Topology) => void

async function declared(set: Record<string, string> = {}, change: Change = () => {}): Promise<Topology> {
  const topology = structuredClone((await loadTopology('bearer-cluster', { set })).value) as Topology
  change(topology)
  return topology
}

const planOf = async (...given: Parameters<typeof declared>): Promise<Plan> => compile(await declared(...given))
const nodeIn = ({ nodes }: Plan, name = 'orc-1'): PlanUnit =>
  nodes[name]!.units.find(({ kind }) => kind === 'bearer-node')!
const configurationIn = (plan: Plan, name?: string) => nodeIn(plan, name).files[0]!.json as Record<string, unknown>
const told =
  (settings: object, node = 'orc-1'): Change =>
  ({ nodes }) =>
    void Object.assign(nodes[node]!.units.orchestrator!.settings, settings)
const mistakesOf = async (...given: Parameters<typeof declared>) => {
  const topology = await declared(...given)
  return mistakesIn(() => compile(topology)).map(({ path, message }) => `${path}: ${message}`)
}

test('every node is told of all, each by the URL at which its peers call it', async () => {
  const plan = await planOf()
  const peers = [
    { id: 'orc-1', url: 'https://orc-1.cluster.test:8770', voter: true },
    { id: 'orc-2', url: 'https://orc-2.cluster.test:8770', voter: true },
    { id: 'orc-3', url: 'https://edge.cluster.test:8770', voter: true },
  ]
  for (const name of ['orc-1', 'orc-2', 'orc-3']) {
    const { peers: said } = configurationIn(plan, name) as { peers: typeof peers }
    expect(said.toSorted((a, b) => a.id.localeCompare(b.id))).toEqual(peers)
  }
  expect(configurationIn(plan, 'orc-3')).toMatchObject({
    ...{ clusterId: 'cluster', nodeId: 'orc-3', unit: 'orchestrator', leaseMs: 3000 },
    listen: [{ address: '@{address}', port: 8771, tls: { certFile: '@{dir}/credentials/cert-orc-3/cert.pem' } }],
    proxies: [{ name: 'edge', san: 'edge.cluster.test' }],
    auth: { readAccess: 'open' },
  })
  expect(configurationIn(plan)).toMatchObject({ proxies: [] })
})

test('it starts once its certificate and its token are there, and demands a token', async () => {
  const { after, service } = nodeIn(await planOf())
  expect(after).toEqual(expect.arrayContaining(['orc-1/cert-orc-1', 'orc-1/cluster-token', 'orc-1/anchor-cluster']))
  expect(service).toMatchObject({
    command: {
      args: ['serve', '--config', '@{unit}/config.json', '--require-auth'],
      env: { HOLDFAST_CLUSTER_AUTH_TOKEN_FILE: '@{dir}/etc/holdfast/bearer-node.token' },
    },
    ready: { http: { url: 'https://orc-1.cluster.test:8770/readyz', expect: [200] } },
    decisionLog: '@{unit}/decisions.jsonl',
  })
})

test('the operator makes the token, and hands it to those that share it', async () => {
  const { credentials, nodes } = await planOf()
  expect(credentials['cluster-token']).toMatchObject({
    issuer: 'operator',
    holders: ['operator', 'orc-3', 'orc-1', 'orc-2'],
  })
  const { after } = nodes['orc-2']!.units.find(({ name }) => name === 'cluster-token')!
  expect(after).toEqual(['operator/cluster-token'])
  expect(nodes.edge!.units.map(({ name }) => name)).not.toContain('cluster-token')
  expect(nodes.stranger!.units).toEqual([])
})

test.each<[string, object]>([
  ['environment', { env: { HOLDFAST_CLUSTER_AUTH_TOKEN: '@{content:@{dir}/etc/holdfast/bearer-node.token}' } }],
  ['flag', { showsContents: true }],
])('by %s the token itself is given, and cannot be another one while it runs', async (tokenSource, command) => {
  const plan = await planOf({ tokenSource })
  expect(nodeIn(plan).service?.command).toMatchObject(command)
  expect(nodeIn(plan).insider?.rolls).toBeUndefined()
  const { classes } = deriveMatrix(plan, credentialKinds)
  expect(classes.some(({ representative: { name } }) => name.includes('second'))).toBe(false)
})

test('its node is ready once it is one of a cluster with a leader', async () => {
  const elected = (await planOf()).nodes['orc-1']!.units.find(({ name }) => name === 'orchestrator-elected')!
  expect(elected.after).toEqual(['orc-1/orchestrator'])
  expect(elected.steps).toMatchObject([{ run: { program: { path: 'node' } } }])
  // Whom a proxy keeps apart is told by the others.
  expect((await planOf()).nodes['orc-3']!.units.map(({ name }) => name)).not.toContain('orchestrator-elected')
})

test('one node alone is a cluster, two are none', async () => {
  expect(configurationIn(await planOf({ orchestrators: '1' }), 'orc-3')).toMatchObject({ peers: [{ id: 'orc-3' }] })
  expect(await mistakesOf({ orchestrators: '2' })).toEqual([
    'nodes.orc-3.units.orchestrator.settings.cluster: is one of two nodes of "cluster": without either of them there is no majority; declare one node, or three and more',
  ])
  expect(await mistakesOf({ orchestrators: '9' })).toEqual([])
})

test('without TLS its peers call it directly, and it knows no proxy', async () => {
  const plan = await planOf({ tls: 'false' })
  const { peers, listen } = configurationIn(plan, 'orc-3') as { peers: { id: string; url: string }[]; listen: object[] }
  expect(peers.find(({ id }) => id === 'orc-3')!.url).toBe('http://orc-3.cluster.test:8771')
  expect(listen).toEqual([{ address: '@{address}', port: 8771 }])
  expect(Object.keys(plan.credentials)).toEqual(['cluster-token'])
})

test('what is not there, or is no secret, is a mistake with its place', async () => {
  const at = 'nodes.orc-1.units.orchestrator.settings'
  expect((await mistakesOf({}, told({ token: 'cluster-tokn' }))).join()).toContain(
    `${at}.token: credential "cluster-tokn" is not declared`,
  )
  expect((await mistakesOf({}, told({ token: 'cert-orc-1' }))).join()).toContain(
    `${at}.token: "cert-orc-1" is no bearer secret; name one`,
  )
  expect((await mistakesOf({}, told({ proxies: ['edeg'] }))).join()).toContain('"edeg" is not declared')
})

const verdictsAt = async (action: string, set: Record<string, string> = {}, target = 'orc-3') => {
  const { classes } = deriveMatrix(await planOf(set), credentialKinds)
  const own = classes.filter(
    ({ representative }) => representative.target === target && representative.action === action,
  )
  return own.map(({ representative: { way = 'directly', expected, name } }) => {
    const what = name.replace(`, ${way}`, '').replace('cluster-token', 'it')
    return `${way}: ${what}: ${expected.verdict === 'refused' ? `${expected.status} ${expected.reason}` : 'accepted'}`
  })
}

test('what takes the token refuses all but it and the second one, each for its reason', async () => {
  const direct = (await verdictsAt('auth:read')).filter((text) => text.startsWith('directly'))
  expect(direct).toEqual([
    'directly: no secret: 401 credential_missing',
    'directly: it: accepted',
    'directly: it, another one of its form: 401 token_unknown',
    'directly: it, empty: 400 carrier_malformed',
    'directly: the second one beside it: accepted',
    'directly: it, one beside it that has ended: 401 token_ended',
  ])
})

test('a proxy that takes the header away leaves nothing but what comes otherwise', async () => {
  const reasonsOf = async (edge: string) => {
    const all = await verdictsAt('pipeline:run', { edge })
    return new Set(all.filter((text) => text.startsWith('through edge')).map((text) => text.split(': ').at(-1)))
  }
  expect(await reasonsOf('strip')).toEqual(new Set(['401 credential_missing_via_proxy']))
  expect(await reasonsOf('no-headers')).toEqual(new Set(['401 credential_missing_via_proxy']))
  expect(await reasonsOf('forward')).toContain('accepted')
  expect(await reasonsOf('plain')).toEqual(await reasonsOf('forward'))
})

test('what is open is open to who presents nothing, and to nobody who presents something wrong', async () => {
  const open = (await verdictsAt('cluster:read', {}, 'orc-1')).filter((text) => text.startsWith('directly'))
  expect(open).toContain('directly: no secret: accepted')
  expect(open).toContain('directly: it, another one of its form: 401 token_unknown')
  const closed = await verdictsAt('cluster:read', { readAccess: 'token' }, 'orc-1')
  expect(closed).toContain('directly: no secret: 401 credential_missing')
})

test('a token in a query or a form is refused, and one elsewhere is not read', async () => {
  const all = await verdictsAt('pipeline:run', {}, 'orc-1')
  const of = (way: string) =>
    all.filter((text) => text.startsWith(`${way}:`)).map((text) => text.split(': ').slice(1).join(': '))
  for (const way of ['in the query', 'in a form']) {
    expect(of(way)).toEqual(['no secret: 401 credential_missing', 'it: 400 carrier_in_query'])
  }
  for (const way of ['in a cookie', 'in the JSON', 'in a field of its own']) {
    expect(new Set(of(way).map((text) => text.split(': ').at(-1)))).toEqual(new Set(['401 credential_missing']))
  }
})
