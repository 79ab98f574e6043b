import { expect, test } from 'vitest'
import { operatorsIn } from '../../credentials/certificate/checks.ts'
import { compile } from '../../shipped.ts'
import { loadTopology } from '../../topology/load.ts'
import type { TopologyInvalid } from '../../topology/mistakes.ts'
import type { Plan } from '../../topology/plan.ts'
import type { Topology } from '../../topology/schema.ts'

async function planOf(name: string, change: (topology: Topology) => void = () => {}): Promise<Plan> {
  const topology = structuredClone((await loadTopology(name)).value) as Topology
  change(topology)
  return compile(topology)
}

function unitOf(plan: Plan, node: string) {
  return plan.nodes[node]?.units.find(({ kind }) => kind === 'orchestrator')
}

function configuration(plan: Plan, node: string): Record<string, unknown> {
  return unitOf(plan, node)?.files[0]?.json as Record<string, unknown>
}

test('separate auth: the peer token is presented, the other organisation is trusted for peering only', async () => {
  const plan = await planOf('separate-auth')

  expect(configuration(plan, 'node-a')).toMatchObject({
    trustDomain: { name: 'org-a', ca: '@{dir}/anchors/org-a.pem' },
    peering: {
      trustDomains: { 'org-b': { ca: '@{dir}/anchors/org-b.pem' } },
      auth: { issuer: 'https://auth-a.somebiz.local.io:8443', ca: '@{dir}/anchors/org-a.pem' },
      peers: [
        {
          name: 'node-b',
          endpoint: 'wss://node-b.somebiz.local.io:9443',
          domains: ['b.test'],
          peerTokenFile: '@{dir}/credentials/peer-a-to-b/token',
          trustDomain: 'org-b',
        },
      ],
    },
  })
  expect(unitOf(plan, 'node-a')?.after).toEqual(
    expect.arrayContaining(['node-a/cert-node-a', 'node-a/node-a', 'node-a/peer-a-to-b']),
  )
})

test('shared auth: no token of its own for a peer, for the node token names the peering audience', async () => {
  const { peering } = configuration(await planOf('shared-auth'), 'node-a')

  expect(peering).toMatchObject({
    nodeTokenFile: '@{dir}/credentials/node-a/token',
    audience: 'https://peering.somebiz.local.io',
    peers: [expect.not.objectContaining({ peerTokenFile: expect.any(String) })],
  })
})

test('whom the auth server of its domain takes for operator is operator of the node, too', async () => {
  const withoutOperators = (topology: Topology) => {
    delete topology.nodes['node-a']!.units.orchestrator!.settings.operators
    topology.nodes['auth-a']!.units.auth!.settings = {}
  }
  const sans = ['operator.org-a.somebiz.local.io']
  expect(configuration(await planOf('separate-auth'), 'node-a').operators).toEqual(sans)
  expect(configuration(await planOf('separate-auth', withoutOperators), 'node-a').operators).toEqual(sans)
  const { verification } = unitOf(await planOf('separate-auth', withoutOperators), 'node-a')!
  expect(operatorsIn(verification!['node:read'])).toEqual(sans)
})

test('the node does not wait for its peers', async () => {
  const { after } = unitOf(await planOf('shared-auth'), 'node-a') ?? { after: [] }

  expect(after.filter((unit) => unit.startsWith('node-b/'))).toEqual([])
})

test.each([
  [
    'another organisation',
    'separate-auth',
    (topology: Topology) => withoutToken(topology, 'node-b'),
    /of the trust domain "org-b"/,
  ],
  [
    'a domain without peering audience',
    'shared-auth',
    (topology: Topology) => {
      delete topology.trustDomains.somebiz?.peeringAudience
    },
    /peeringAudience/,
  ],
])('a peer of %s without a token is a mistake', async (_, name, change, message) => {
  const failure = await planOf(name, change).catch((cause: unknown) => cause)

  expect((failure as TopologyInvalid).mistakes.map((mistake) => mistake.message).join('\n')).toMatch(message)
})

function withoutToken(topology: Topology, peer: string): void {
  const peers = topology.nodes['node-a']!.units.orchestrator!.settings.peers as Record<string, { token?: string }>
  delete peers[peer]?.token
}
