import { expect, test } from 'vitest'
import type { BoundTokenDeclaration } from '../credentials/bound-token/planned.ts'
import type { CertificateDeclaration } from '../credentials/certificate/planned.ts'
import { credentialOf } from '../credentials/of-kind.ts'
import { compile } from '../shipped.ts'
import { mistakesIn } from './fixtures/mistakes-in.ts'
import { callerOf } from './holders.ts'
import { loadTopology } from './load.ts'
import type { Mistake } from './mistakes.ts'
import type { Plan } from './plan.ts'
import type { Topology } from './schema.ts'

async function separateAuth(change: (topology: Topology) => void = () => {}): Promise<Topology> {
  const topology = structuredClone((await loadTopology('separate-auth')).value) as Topology
  change(topology)
  return topology
}

async function mistakesOf(change: (topology: Topology) => void): Promise<readonly Mistake[]> {
  const topology = await separateAuth(change)
  return mistakesIn(() => compile(topology))
}

const certificate = (topology: Topology, name: string) => topology.credentials[name] as CertificateDeclaration
const token = (topology: Topology, name: string) => topology.credentials[name] as BoundTokenDeclaration

function unitOf(plan: Plan, ref: string) {
  const [node = '', name] = ref.split('/')
  return plan.nodes[node]?.units.find((unit) => unit.name === name)
}

test.each(['separate-auth', 'shared-auth'])('%s compiles without a mistake', async (name) => {
  expect(compile(await loadTopology(name))).toMatchObject({ format: 2, topology: name })
})

test('everything that a credential needs is a unit, in one order', async () => {
  const plan = compile(await separateAuth())

  expect(plan.nodes['node-a']?.units.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
    'anchor-org-a anchor',
    'anchor-org-b anchor',
    'cert-node-a enrol',
    'prove-auth-a prove',
    'prove-auth-b prove',
    'node-a mint',
    'peer-a-to-b mint',
    'orchestrator orchestrator',
  ])
  expect(unitOf(plan, 'node-a/anchor-org-b')?.after).toEqual(['ca-b/ca'])
  expect(unitOf(plan, 'node-a/cert-node-a')?.after).toEqual(['node-a/anchor-org-a'])
  expect(unitOf(plan, 'node-a/prove-auth-b')?.after).toEqual([
    'auth-b/clients',
    'node-a/anchor-org-b',
    'node-a/cert-node-a',
  ])
  expect(unitOf(plan, 'node-a/peer-a-to-b')?.after).toEqual(['node-a/prove-auth-b'])
  expect(unitOf(plan, 'node-a/orchestrator')?.after).toContain('node-a/peer-a-to-b')
})

test('a token knows its audience, its binding and how one more like it is made', async () => {
  const plan = compile(await separateAuth())

  expect(plan.credentials['peer-a-to-b']).toMatchObject({
    audience: ['https://node-b.somebiz.local.io'],
    resource: 'https://node-b.somebiz.local.io',
    use: 'peer',
    boundTo: 'cert-node-a',
    lifetimeSeconds: 900,
    holders: ['node-a'],
    files: { 'node-a': '@{dir}/credentials/peer-a-to-b/token' },
    mint: {
      member: 'access_token',
      prove: {
        url: 'https://auth-b.somebiz.local.io:8444/holders/self',
        tls: {
          ca: '@{dir}/anchors/org-b.pem',
          cert: '@{dir}/credentials/cert-node-a/cert.pem',
          key: '@{dir}/credentials/cert-node-a/key.pem',
        },
      },
    },
  })
  expect(plan.credentials['node-a']).toMatchObject({ use: 'node', lifetimeSeconds: 3_600 })
})

test('a token is renewed before the certificate ends that it is bound to', async () => {
  const renewalOf = (plan: Plan) => JSON.stringify(unitOf(plan, 'node-a/peer-a-to-b')?.steps)
  const short = compile(await loadTopology('separate-auth', { set: { certificateLifetime: '5m' } }))
  const long = compile(await loadTopology('separate-auth', { set: { certificateLifetime: '1h' } }))

  expect(renewalOf(short)).toContain('"renew":{"lifetimeSeconds":300,"at":0.8}')
  expect(renewalOf(long)).toContain('"renew":{"lifetimeSeconds":900,"at":0.8}')
})

test('the audience peering@DOMAIN is the peering audience of that domain', async () => {
  const plan = compile(await loadTopology('shared-auth'))

  expect(credentialOf(plan, 'bound-token', 'node-a').audience).toEqual([
    'https://node-a.somebiz.local.io',
    'https://peering.somebiz.local.io',
  ])
})

test('a list of holders with one node is the same as that holder', async () => {
  const listed = await separateAuth((t) => {
    const { holder = '', ...rest } = token(t, 'peer-a-to-b')
    t.credentials['peer-a-to-b'] = { ...rest, holders: [holder] }
  })

  expect(compile(listed)).toEqual(compile(await separateAuth()))
})

test('the caller is the holder, unless accepts says who else calls; whoever calls is given the root of its target', async () => {
  const called = await separateAuth((t) => {
    t.accepts.find(({ credential }) => credential === 'peer-a-to-b')!.by = 'ca-a'
  })
  const plan = compile(called)
  const callers = plan.accepts.map((accept) => [accept.credential, callerOf(plan, accept)])

  expect(callers).toContainEqual(['peer-a-to-b', 'ca-a'])
  expect(callers).toContainEqual(['peer-b-to-a', 'node-b'])
  expect(unitOf(plan, 'ca-a/anchor-org-b')).toBeDefined()
})

test('a list of targets or credentials stands for each of them', async () => {
  const plan = compile(await loadTopology('shared-auth', { set: { nodes: '3' } }))

  const peering = plan.accepts.filter(({ action }) => action === 'peering:connect')
  expect(peering.map(({ target, credential }) => `${credential} at ${target}`).sort()).toEqual([
    'node-a at node-b',
    'node-a at node-c',
    'node-b at node-a',
    'node-b at node-c',
    'node-c at node-a',
    'node-c at node-b',
  ])
})

test('a hand-over in its long form says where the token goes, and who owns it', async () => {
  const topology = await separateAuth((t) => {
    token(t, 'peer-a-to-b').handover = { method: 'mint', path: 'tokens/b', owner: 'peering', mode: '0640' }
  })
  const plan = compile(topology)

  expect(plan.credentials['peer-a-to-b']?.files).toEqual({ 'node-a': '@{dir}/tokens/b' })
  expect(unitOf(plan, 'node-a/peer-a-to-b')?.steps).toMatchObject([
    { receive: { from: 'auth-b', to: { path: '@{dir}/tokens/b', owner: 'peering', mode: '0640' } } },
  ])
})

test('a unit runs as its user with what it brings along, and owns the credentials that it reads', async () => {
  const topology = await separateAuth((t) => {
    t.nodes['auth-a']!.units.auth!.user = 'auth'
    t.nodes['node-a']!.units.orchestrator!.user = 'peering'
    token(t, 'node-a').handover = { method: 'mint', group: 'readers', mode: '0640' }
  })
  const plan = compile(topology)

  const usersOn = (node: string) => plan.nodes[node]!.units.map(({ name, user }) => `${name} ${user}`)
  expect(usersOn('auth-a')).toEqual(expect.arrayContaining(['auth auth', 'clients auth', 'cert-auth-a undefined']))
  expect(unitOf(plan, 'auth-a/cert-auth-a')?.steps).toMatchObject([{ enrol: { owner: 'auth' } }])
  expect(unitOf(plan, 'node-a/peer-a-to-b')?.steps).toMatchObject([{ receive: { to: { owner: 'peering' } } }])
  // Whoever is told a group may read it, too: the topology says who owns it.
  expect(JSON.stringify(unitOf(plan, 'node-a/node-a')?.steps)).not.toContain('owner')
  expect(JSON.stringify(plan.nodes['node-b'])).not.toMatch(/owner|user/)
})

test.each<[string, (topology: Topology) => void, string, RegExp]>([
  [
    'an undeclared CA',
    (t) => {
      t.trustDomains['org-a']!.ca = 'ca-x'
    },
    'trustDomains.org-a.ca',
    /node "ca-x" is not declared/,
  ],
  [
    'a CA that is no CA',
    (t) => {
      t.trustDomains['org-a']!.ca = 'node-a'
    },
    'trustDomains.org-a.ca',
    /no unit that signs certificates/,
  ],
  [
    'an issuer that is no auth server',
    (t) => {
      t.trustDomains['org-a']!.issuer = 'ca-a'
    },
    'trustDomains.org-a.issuer',
    /no unit that mints tokens/,
  ],
  [
    'two nodes with one host',
    (t) => {
      t.nodes['node-b']!.host = t.nodes['node-a']!.host
    },
    'nodes.node-b.host',
    /is the host of "node-a" already/,
  ],
  [
    'an undeclared trust domain',
    (t) => {
      t.nodes['node-a']!.domain = 'org-x'
    },
    'nodes.node-a.domain',
    /trust domain "org-x" is not declared/,
  ],
  [
    'an unknown kind',
    (t) => {
      t.nodes['ca-a']!.units.ca!.kind = 'step-cq'
    },
    'nodes.ca-a.units.ca.kind',
    /"step-cq" is no service kind/,
  ],
  [
    'bad settings',
    (t) => {
      t.nodes['node-a']!.units.orchestrator!.settings.validation = 'none'
    },
    'nodes.node-a.units.orchestrator.settings.validation',
    /must be one of "jwks", "introspection", "both", not "none"/,
  ],
  [
    'a setting that names an undeclared credential',
    (t) => {
      t.nodes['node-a']!.units.orchestrator!.settings.peers = { 'node-b': { token: 'peer-x', domains: [] } }
    },
    'nodes.node-a.units.orchestrator.settings.peers.node-b.token',
    /credential "peer-x" is not declared/,
  ],
  [
    'a setting that names the credential of another node',
    (t) => {
      t.nodes['node-a']!.units.orchestrator!.settings.peers = { 'node-b': { token: 'peer-b-to-a', domains: [] } }
    },
    'nodes.node-a.units.orchestrator.settings.peers.node-b.token',
    /which "node-b" holds/,
  ],
  [
    'an undeclared unit to wait for',
    (t) => {
      t.nodes['node-a']!.units.orchestrator!.after = ['ca-a/cb']
    },
    'nodes.node-a.units.orchestrator.after[0]',
    /unit "ca-a\/cb" is not declared/,
  ],
  [
    'a circle',
    (t) => {
      t.nodes['ca-a']!.units.ca!.after = ['node-a/orchestrator']
    },
    'nodes.ca-a.units.ca.after',
    /in a circle: .*ca-a\/ca → node-a\/orchestrator|in a circle: .*node-a\/orchestrator/,
  ],
  [
    'a unit that waits for itself',
    (t) => {
      t.nodes['ca-a']!.units.ca!.after = ['ca']
    },
    'nodes.ca-a.units.ca.after',
    /in a circle: ca-a\/ca → ca-a\/ca/,
  ],
  [
    'two units on one port',
    (t) => {
      t.nodes['ca-a']!.units.again = { kind: 'step-ca', settings: {} }
    },
    'nodes.ca-a.units.again',
    /wants port 9000, which "ca" has/,
  ],
  [
    'a unit with the name of a credential of its node',
    (t) => {
      t.nodes['node-a']!.units['cert-node-a'] = { kind: 'step-ca', settings: {} }
    },
    'nodes.node-a.units.cert-node-a',
    /has the name of another unit/,
  ],
  [
    'an undeclared holder',
    (t) => {
      token(t, 'peer-a-to-b').holder = 'node-x'
    },
    'credentials.peer-a-to-b.holder',
    /node "node-x" is not declared/,
  ],
  [
    'two holders of what one node alone can hold',
    (t) => {
      const { holder: _, ...rest } = token(t, 'peer-a-to-b')
      t.credentials['peer-a-to-b'] = { ...rest, holders: ['node-a', 'node-b'] }
    },
    'credentials.peer-a-to-b.holders',
    /a bound-token has one holder/,
  ],
  [
    'both ways of saying who holds it',
    (t) => {
      token(t, 'peer-a-to-b').holders = ['node-a']
    },
    'credentials.peer-a-to-b.holder',
    /`holders`, and not both/,
  ],
  [
    'an undeclared caller',
    (t) => {
      t.accepts[0]!.by = 'node-x'
    },
    'accepts[0].by',
    /node "node-x" is not declared/,
  ],
  [
    'a certificate of a node that is no CA',
    (t) => {
      certificate(t, 'cert-node-a').issuer = 'auth-a'
    },
    'credentials.cert-node-a.issuer',
    /"auth-a" has no unit that signs certificates/,
  ],
  [
    'a provisioner that the CA does not have',
    (t) => {
      certificate(t, 'cert-node-a').issuer = 'ca-a/other'
    },
    'credentials.cert-node-a.issuer',
    /has no provisioner "other"/,
  ],
  [
    'a token of a node that is no issuer',
    (t) => {
      token(t, 'node-a').issuer = 'ca-a'
    },
    'credentials.node-a.issuer',
    /"ca-a" has no unit that mints tokens/,
  ],
  [
    'SANs that do not cover the subject',
    (t) => {
      certificate(t, 'cert-node-a').sans = ['node-b.somebiz.local.io']
    },
    'credentials.cert-node-a.sans',
    /no SAN covers the subject "node-a\.somebiz\.local\.io"/,
  ],
  [
    'a node certificate for another host',
    (t) => {
      certificate(t, 'cert-node-a').subject = 'node-b.somebiz.local.io'
    },
    'credentials.cert-node-a.subject',
    /no SAN covers the host "node-a\.somebiz\.local\.io"/,
  ],
  [
    'a certificate for longer than its CA signs',
    (t) => {
      certificate(t, 'cert-node-a').lifetime = '2d'
    },
    'credentials.cert-node-a.lifetime',
    /the CA signs for 10s to 1d, not for 2d/,
  ],
  [
    'a certificate for shorter than its CA signs',
    (t) => {
      certificate(t, 'cert-node-a').lifetime = '9s'
    },
    'credentials.cert-node-a.lifetime',
    /not for 9s/,
  ],
  [
    'a token for longer than its issuer mints',
    (t) => {
      token(t, 'node-a').lifetime = '25h'
    },
    'credentials.node-a.lifetime',
    /at most 1d/,
  ],
  [
    'a certificate that is minted',
    (t) => {
      certificate(t, 'cert-node-a').handover = 'mint'
    },
    'credentials.cert-node-a.handover',
    /"mint" does not fit a certificate/,
  ],
  [
    'a token that is enrolled',
    (t) => {
      token(t, 'node-a').handover = { method: 'enrol' }
    },
    'credentials.node-a.handover.method',
    /"enrol" does not fit a bound-token/,
  ],
  [
    'a hand-over that leaves the node’s directory',
    (t) => {
      token(t, 'node-a').handover = { method: 'mint', path: '../../etc/token' }
    },
    'credentials.node-a.handover.path',
    /leads out of the node’s directory/,
  ],
  [
    'a service that is started on demand',
    (t) => {
      t.nodes['node-a']!.units.orchestrator!.start = 'on demand'
    },
    'nodes.node-a.units.orchestrator.start',
    /is of kind orchestrator, which is a service/,
  ],
  [
    'a unit that waits for one on demand',
    (t) => {
      t.nodes['node-a']!.units.orchestrator!.start = 'on demand'
      t.nodes['node-b']!.units.orchestrator!.after = ['node-a/orchestrator']
    },
    'nodes.node-b.units.orchestrator.after[0]',
    /waits for "node-a\/orchestrator", which is run on demand/,
  ],
  [
    'a credential that units of two users read',
    (t) => {
      const { orchestrator } = t.nodes['node-a']!.units
      t.nodes['node-a']!.units = {
        orchestrator: { ...orchestrator!, user: 'one' },
        other: { ...structuredClone(orchestrator!), user: 'other' },
      }
    },
    'credentials.peer-a-to-b',
    /is read by units that run as "one" and as "other"/,
  ],
  [
    'a user that is no name of one',
    (t) => {
      t.nodes['node-a']!.units.orchestrator!.user = 'a b'
    },
    'nodes.node-a.units.orchestrator.user',
    /must be the name of a user or group/,
  ],
  [
    'an owner of an enrolled certificate',
    (t) => {
      certificate(t, 'cert-node-a').handover = { method: 'enrol', owner: 'root' }
    },
    'credentials.cert-node-a.handover.owner',
    /does not fit enrol/,
  ],
  [
    'a token bound to the certificate of somebody else',
    (t) => {
      token(t, 'node-a').boundTo = 'cert-node-b'
    },
    'credentials.node-a.boundTo',
    /is held by "node-b", not by "node-a"/,
  ],
  [
    'a token bound to a token',
    (t) => {
      token(t, 'node-a').boundTo = 'peer-a-to-b'
    },
    'credentials.node-a.boundTo',
    /"peer-a-to-b" is no certificate/,
  ],
  [
    'a subject that is not the holder',
    (t) => {
      token(t, 'node-a').subject = 'node-b'
    },
    'credentials.node-a.subject',
    /"node-b" is not the holder "node-a"/,
  ],
  [
    'an audience that is nothing',
    (t) => {
      token(t, 'node-a').audience = ['node-x']
    },
    'credentials.node-a.audience[0]',
    /node "node-x" is not declared/,
  ],
  [
    'a peering audience of a domain that has none',
    (t) => {
      token(t, 'node-a').audience = ['node-a', 'peering@org-a']
    },
    'credentials.node-a.audience[1]',
    /trust domain "org-a" has no peering audience/,
  ],
  [
    'an undeclared node at which a token may be used',
    (t) => {
      token(t, 'node-a').nodes = ['node-x']
    },
    'credentials.node-a.nodes[0]',
    /node "node-x" is not declared/,
  ],
  [
    'a credential that nobody accepts',
    (t) => {
      t.accepts = t.accepts.filter(({ credential }) => credential !== 'peer-a-to-b')
    },
    'credentials.peer-a-to-b',
    /nobody accepts this credential/,
  ],
  [
    'an unknown action',
    (t) => {
      t.accepts[0]!.action = 'node:reed'
    },
    'accepts[0].action',
    /nothing on "node-a" has an action "node:reed"/,
  ],
  [
    'an accepted token of an issuer that the target does not believe',
    (t) => {
      t.accepts.push({ target: 'node-a', action: 'peering:connect', credential: 'node-b' })
    },
    'accepts[6].credential',
    /"auth-b" mints it, and "node-a" believes "auth-a" only/,
  ],
  [
    'an accepted token for another audience',
    (t) => {
      token(t, 'peer-a-to-b').audience = ['node-a']
    },
    'accepts[5].credential',
    /its audience is https:\/\/node-a\.somebiz\.local\.io/,
  ],
  [
    'an accepted token without the scope',
    (t) => {
      token(t, 'peer-a-to-b').scope = ['peer:announce']
    },
    'accepts[5].credential',
    /needs the scope peer:connect/,
  ],
  [
    'an accepted token that is for other nodes',
    (t) => {
      token(t, 'peer-a-to-b').nodes = ['node-a']
    },
    'accepts[5].credential',
    /it is for node-a only/,
  ],
  [
    'a certificate where a token is needed',
    (t) => {
      t.accepts.push({ target: 'node-a', action: 'node:read', credential: 'cert-node-a' })
    },
    'accepts[6].credential',
    /takes a bound-token.*, and "cert-node-a" is a certificate/,
  ],
  [
    'an accepted certificate of a CA whose root the target does not have',
    (t) => {
      t.nodes['node-a']!.units.orchestrator!.settings.peers = {}
      t.nodes['node-b']!.units.orchestrator!.settings.peers = {}
      t.accepts = t.accepts.filter(({ action }) => action !== 'peering:connect')
      t.accepts.push({ target: 'auth-a', action: 'jwks:read', credential: 'cert-node-b' })
      delete t.credentials['peer-a-to-b']
      delete t.credentials['peer-b-to-a']
    },
    'accepts[4].credential',
    /"auth-a" cannot accept "cert-node-b": it has no root of "org-b"/,
  ],
  [
    'the same acceptance twice',
    (t) => {
      t.accepts.push(t.accepts[0]!)
    },
    'accepts[6]',
    /says again/,
  ],
])('%s is a mistake with its place', async (_, change, path, message) => {
  const mistakes = await mistakesOf(change)

  expect(mistakes.map((mistake) => mistake.path)).toContain(path)
  expect(mistakes.find((mistake) => mistake.path === path)?.message).toMatch(message)
})

test('a holder without a certificate is a mistake', async () => {
  const mistakes = await mistakesOf((t) => {
    delete t.credentials['cert-node-a']
  })

  expect(mistakes).toContainEqual({
    path: 'credentials.node-a.holder',
    message: '"node-a" holds no certificate "cert-node-a" that the token could be bound to',
    wayOut: 'declare "cert-node-a", or name the certificate in boundTo',
  })
})

test('a malformed declaration does not hide the mistakes of the others, and causes none', async () => {
  const mistakes = await mistakesOf((t) => {
    certificate(t, 'cert-node-a').lifetime = 'soon'
    t.nodes['node-b']!.host = 'NODE B'
    t.accepts[0]!.target = 'NODE X'
    t.accepts[1]!.action = 'node:x'
  })

  expect(mistakes.map(({ path }) => path).sort()).toEqual([
    'accepts[0].target',
    'accepts[1].action',
    'credentials.cert-node-a.lifetime',
    'nodes.node-b.host',
  ])
})

test('mending one mistake of a declaration does not bring up the next', async () => {
  const mistakes = await mistakesOf((t) => {
    t.nodes['node-a']!.host = 'NODE A'
    t.nodes['node-a']!.domain = 'org-x'
    t.nodes['node-a']!.units.orchestrator!.settings.validation = 'none'
    Object.assign(t.credentials['cert-node-a']!, { lifetime: 'soon', issuer: 'ca-x' })
    Object.assign(t.accepts[0]!, { action: 'NODE', credential: 'node-x' })
  })

  expect(mistakes.map(({ path }) => path).sort()).toEqual([
    'accepts[0].action',
    'accepts[0].credential',
    'credentials.cert-node-a.issuer',
    'credentials.cert-node-a.lifetime',
    'nodes.node-a.domain',
    'nodes.node-a.host',
    'nodes.node-a.units.orchestrator.settings.validation',
  ])
})

test('the message lists every mistake with place and way out', async () => {
  const topology = await separateAuth((t) => {
    t.nodes['node-a']!.domain = 'org-q'
    token(t, 'node-b').audience = ['nod-b']
  })

  expect(() => compile(topology)).toThrowErrorMatchingInlineSnapshot(`
    [TopologyInvalid: topology separate-auth: 2 mistakes
      nodes.node-a.domain: trust domain "org-q" is not declared; did you mean "org-a"?
      credentials.node-b.audience[0]: node "nod-b" is not declared; did you mean "node-b"?]
  `)
})

test('names that objects have anyway are data', async () => {
  const mistakes = await mistakesOf((t) => {
    t.nodes['node-a']!.domain = 'constructor'
    t.accepts[0]!.action = 'constructor'
  })

  expect(mistakes.map(({ path }) => path)).toEqual(expect.arrayContaining(['nodes.node-a.domain', 'accepts[0].action']))
})
