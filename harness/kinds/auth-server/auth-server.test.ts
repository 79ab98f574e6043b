import { expect, test } from 'vitest'
import { credentialOf } from '../../credentials/of-kind.ts'
import { compile } from '../../shipped.ts'
import { loadTopology } from '../../topology/load.ts'
import { TopologyInvalid } from '../../topology/mistakes.ts'
import type { Plan, Step } from '../../topology/plan.ts'
import type { Topology } from '../../topology/schema.ts'

async function planOf(name: string, change: (topology: Topology) => void = () => {}): Promise<Plan> {
  const topology = structuredClone((await loadTopology(name)).value) as Topology
  change(topology)
  return compile(topology)
}

function registrations(plan: Plan, node: string): Record<string, unknown>[] {
  const clients = plan.nodes[node]?.units.find(({ name }) => name === 'clients')
  const [step] = clients?.steps ?? []
  const lanes = step !== undefined && 'parallel' in step ? step.parallel : []
  return lanes.map(([lane]) => (lane as Extract<Step, { call: unknown }>).call.json as Record<string, unknown>)
}

function configuration(plan: Plan, node: string): Record<string, unknown> {
  const unit = plan.nodes[node]?.units.find(({ kind }) => kind === 'auth-server')
  return unit?.files.find(({ path }) => path.endsWith('config.json'))?.json as Record<string, unknown>
}

test('every subject of a token becomes a client with the grants of its tokens', async () => {
  const clients = registrations(await planOf('separate-auth'), 'auth-b')

  expect(clients).toContainEqual({
    client_id: 'node-a',
    method: 'tls_client_auth',
    sanDns: 'node-a.somebiz.local.io',
    trustDomain: 'org-a',
    grants: [
      {
        resource: 'https://node-b.somebiz.local.io',
        aud: ['https://node-b.somebiz.local.io'],
        use: 'peer',
        scopes: ['peer:connect', 'peer:announce'],
        trustedDomains: ['a.test'],
        maxTtlSeconds: 900,
      },
    ],
    introspects: [],
  })
})

test('an orchestrator may introspect tokens for itself and for the peering audience of its domain', async () => {
  const clients = registrations(await planOf('shared-auth'), 'auth')

  expect(clients.find(({ client_id: id }) => id === 'node-a')).toMatchObject({
    trustDomain: 'somebiz',
    introspects: ['https://node-a.somebiz.local.io', 'https://peering.somebiz.local.io'],
  })
})

test('the server trusts the roots of the domains that its clients come from, and no other', async () => {
  expect(configuration(await planOf('separate-auth'), 'auth-a').trustDomains).toEqual({
    'org-b': { ca: '@{dir}/anchors/org-b.pem' },
  })
  expect(configuration(await planOf('shared-auth'), 'auth').trustDomains).toEqual({})
})

test('what a client asks is asked by one of the own trust domain, whose certificate is accepted', async () => {
  const { actions } = (await planOf('separate-auth')).nodes['auth-a']!.units.find(({ kind }) => kind === 'auth-server')!
  const form = {
    grant_type: 'client_credentials',
    client_id: 'node-a',
    resource: 'https://node-a.somebiz.local.io',
  }

  expect(actions!['token:request']).toMatchObject({ accepted: 'cert-node-a', request: { http: { form } } })
  expect(actions!['token:revoke']).toMatchObject({ request: { http: { form: { client_id: 'node-a' } } } })
  expect(actions!['holder:prove']).toMatchObject({ request: { http: { json: { client_id: 'node-a' } } } })
  expect(actions!['jwks:read']).toMatchObject({ accepted: 'cert-node-a', carrier: 'none' })
})

test('the operator is the certificate of the node that does not name its host', async () => {
  const plan = await planOf('separate-auth', (topology) => {
    topology.nodes['auth-a']!.units.auth!.settings = {}
  })

  expect(configuration(plan, 'auth-a').operators).toEqual(['operator.org-a.somebiz.local.io'])
  expect(credentialOf(plan, 'bound-token', 'node-a').mint.mint.tls.cert).toBe('@{dir}/credentials/operator-a/cert.pem')
})

test('a node without an operator certificate is a mistake that names the way out', async () => {
  const failure = await planOf('separate-auth', (topology) => {
    delete topology.credentials['operator-a']
  }).catch((cause: unknown) => cause)

  expect(failure).toBeInstanceOf(TopologyInvalid)
  expect((failure as TopologyInvalid).mistakes).toContainEqual(
    expect.objectContaining({
      message:
        'node "auth-a" holds no certificate of an operator; add to credentials: "operator": ' +
        '{"kind":"certificate","issuer":"ca-a","holder":"auth-a","subject":"operator.auth-a.somebiz.local.io","lifetime":"1h","handover":"enrol"}',
    }),
  )
})

test.each([
  ['nodeTokenLifetime', '10s', /shorter than 30s/],
  ['maximumTokenLifetime', '2d', /longer than 24h/],
  ['peerTokenLifetime', '25h', /longer than maximumTokenLifetime/],
])('a %s of %s is a mistake', async (name, value, message) => {
  const failure = await planOf('shared-auth', (topology) => {
    topology.nodes.auth!.units.auth!.settings[name] = value
  }).catch((cause: unknown) => cause)

  expect((failure as TopologyInvalid).mistakes.map((mistake) => mistake.message).join()).toMatch(message)
})
