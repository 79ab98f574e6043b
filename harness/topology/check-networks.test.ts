import { expect, test } from 'vitest'
import { compile } from '../shipped.ts'
import { apart } from './fixtures/apart.ts'
import { mistakesIn } from './fixtures/mistakes-in.ts'
import type { Mistake } from './mistakes.ts'
import type { Topology } from './schema.ts'

function mistakesOf(topology: Topology): readonly Mistake[] {
  return mistakesIn(() => compile(topology))
}

const unit = (t: Topology, ref: string) => {
  const [node = '', name = ''] = ref.split('/')
  return t.nodes[node]!.units[name]!
}

/** A program of somebody's, which is told an address in its environment. */
function told(placeholder: string) {
  return (t: Topology) => {
    const env = { WHERE: placeholder }
    const settings = { run: ['gateway'], certificate: 'cert-node-a', token: 'none', env }
    t.nodes['node-a']!.units.gateway = { kind: 'exec', settings }
  }
}

test('a plan says in which networks nodes are and units listen; without networks it says nothing of that', () => {
  const topology = apart((t) => {
    unit(t, 'ca-a/ca').network = 'inside-a'
    t.nodes['ca-a']!.networks = ['outside', 'inside-a']
  })
  const { nodes } = compile(topology)
  expect(nodes['node-a']?.networks).toEqual(['outside', 'inside-a'])
  const ca = nodes['ca-a']?.units.find(({ name }) => name === 'ca')
  expect([ca?.network, ca?.service?.listeners.map(({ network }) => network)]).toEqual(['inside-a', ['inside-a']])

  const plain = apart((t) => {
    delete t.networks
    for (const node of Object.values(t.nodes)) delete node.networks
  })
  expect(JSON.stringify(compile(plain))).not.toMatch(/"networks?":/)
})

test('units of a node may have the same port in different networks, and not in one', () => {
  const again = (network?: string) =>
    apart((t) => {
      t.nodes['ca-a']!.networks = ['inside-a', 'outside']
      t.nodes['ca-a']!.units.again = { kind: 'step-ca', settings: {}, ...(network !== undefined && { network }) }
    })
  expect(mistakesOf(again('outside'))).toEqual([])
  expect(mistakesOf(again()).map(({ path }) => path)).toEqual(['nodes.ca-a.units.again'])
})

// Each of them alone breaks a topology that has none.
const broken: [string, (topology: Topology) => void, Mistake][] = [
  [
    'a network that is not declared',
    (t) => t.nodes['ca-a']!.networks!.push('inside'),
    {
      path: 'nodes.ca-a.networks[1]',
      message: 'network "inside" is not declared',
      wayOut: 'did you mean "inside-a"?',
    },
  ],
  [
    'networks of a node where the topology has none',
    (t) => {
      delete t.networks
      for (const node of Object.values(t.nodes)) delete node.networks
      t.nodes['ca-a']!.networks = ['lan']
    },
    {
      path: 'nodes.ca-a.networks[0]',
      message: 'network "lan" is not declared',
      wayOut: 'declare it under networks, or name one that is there',
    },
  ],
  [
    'a node that says nothing of them',
    (t) => delete t.nodes['node-a']!.networks,
    {
      path: 'nodes.node-a.networks',
      message: 'is missing: the topology declares networks',
      wayOut: 'name those that it is in, its home first: there is outside, inside-a, inside-b',
    },
  ],
  [
    'a network that a node names twice',
    (t) => t.nodes['node-a']!.networks!.push('outside'),
    { path: 'nodes.node-a.networks[2]', message: 'names "outside" again', wayOut: 'remove it' },
  ],
  [
    'a network that nobody is in',
    (t) => {
      t.networks!.attic = {}
    },
    {
      path: 'networks.attic',
      message: 'no node is in this network',
      wayOut: 'name it under networks of a node, or remove it',
    },
  ],
  [
    'a unit in a network that its node is not in',
    (t) => {
      unit(t, 'ca-a/ca').network = 'outside'
    },
    {
      path: 'nodes.ca-a.units.ca.network',
      message: 'its node is not in network "outside"',
      wayOut: 'name one of inside-a, or add it to the networks of the node',
    },
  ],
  [
    'a unit in a network that is not declared',
    (t) => {
      unit(t, 'ca-a/ca').network = 'cellar'
    },
    {
      path: 'nodes.ca-a.units.ca.network',
      message: 'network "cellar" is not declared',
      wayOut: 'declare it under networks, or name one that is there',
    },
  ],
  [
    'a CA out of the reach of whoever enrols there',
    (t) => {
      t.nodes['ca-a']!.networks = ['inside-b']
      t.nodes['node-a']!.networks = ['outside']
      t.nodes['auth-a']!.networks = ['inside-b', 'outside', 'inside-a']
    },
    {
      path: 'credentials.cert-node-a',
      message: '"node-a" shares no network with "ca-a"',
      wayOut: 'put them in one: "node-a" is in outside, "ca-a" in inside-b',
    },
  ],
  [
    'a CA that listens where whoever enrols is not',
    (t) => {
      t.nodes['ca-a']!.networks = ['inside-a', 'inside-b']
      unit(t, 'ca-a/ca').network = 'inside-b'
      t.nodes['auth-a']!.networks = ['inside-b', 'outside', 'inside-a']
    },
    {
      path: 'credentials.cert-node-a',
      message: '"ca-a" listens in network "inside-b", and "node-a" is not in that',
      wayOut: 'add it to the networks of "node-a", or let it listen in one of outside, inside-a',
    },
  ],
  [
    'a peer that is found where it does not listen',
    (t) => {
      t.nodes['node-b']!.networks!.push('inside-a')
      unit(t, 'node-b/orchestrator').network = 'inside-a'
    },
    {
      path: 'nodes.node-a.units.orchestrator.settings.peers.node-b',
      message: '"node-a" finds "node-b" in network "outside", and it listens in "inside-a"',
      wayOut: 'let it listen in "outside", or "node-a" name "inside-a" before "outside"',
    },
  ],
  [
    'a caller out of the reach of what accepts it',
    (t) => {
      t.accepts.find(({ credential }) => credential === 'peer-a-to-b')!.by = 'ca-a'
    },
    {
      path: 'accepts[5].by',
      message: '"ca-a" shares no network with "node-b"',
      wayOut: 'put them in one: "ca-a" is in inside-a, "node-b" in outside, inside-b',
    },
  ],
  [
    'the address of a node that shares no network',
    told('@{address:ca-b}'),
    {
      path: 'nodes.node-a.units.gateway',
      message: '"node-a" shares no network with "ca-b"',
      wayOut: 'put them in one: "node-a" is in outside, inside-a, "ca-b" in inside-b',
    },
  ],
  [
    'an address in a network that the node is not in',
    told('@{address/inside-b}'),
    {
      path: 'nodes.node-a.units.gateway',
      message: '@{address/inside-b} stands for nothing: "node-a" is not in network "inside-b"',
      wayOut: 'name one of outside, inside-a',
    },
  ],
  [
    'an address of another node in a network that it is not in',
    told('@{address:node-b/inside-a}'),
    {
      path: 'nodes.node-a.units.gateway',
      message: '@{address:node-b/inside-a} stands for nothing: "node-b" is not in network "inside-a"',
      wayOut: 'name one of outside, inside-b',
    },
  ],
]

test.each(broken)('%s is a mistake', (_, change, mistake) => {
  expect(mistakesOf(apart())).toEqual([])
  expect(mistakesOf(apart(change))).toContainEqual(mistake)
})

test('addresses that are there may be named', () => {
  for (const placeholder of ['@{address}', '@{address/inside-a}', '@{address:node-b}', '@{address:node-b/inside-b}']) {
    const named = mistakesOf(apart(told(placeholder))).filter(({ message }) => /network|stands for/.test(message))
    expect(named).toEqual([])
  }
})

test('whoever names a network wrongly is told that, and nothing of what would follow from it', () => {
  const mistakes = mistakesOf(
    apart((t) => {
      t.nodes['node-a']!.networks = ['outsde', 'inside-a']
    }),
  )
  expect(mistakes.map(({ path }) => path)).toEqual(['nodes.node-a.networks[0]'])
})

test('a malformed network is no other mistake', () => {
  const mistakes = mistakesOf(
    apart((t) => {
      Object.assign(t.networks!, { 'inside-a': { summary: 7 }, 'B!': {} })
    }),
  )
  expect(mistakes.map(({ path }) => path)).toEqual(['networks.inside-a.summary', 'networks.B!'])
})
