import { expect, test } from 'vitest'
import { compile } from '../../shipped.ts'
import { mistakesIn } from '../../topology/fixtures/mistakes-in.ts'
import { loadTopology } from '../../topology/load.ts'
import type { Plan, PlanUnit, Step } from '../../topology/plan.ts'
import type { Topology } from '../../topology/schema.ts'

type Change = (topology: Topology) => void

async function declared(change: Change = () => {}, set: Record<string, string> = {}): Promise<Topology> {
  const topology = structuredClone((await loadTopology('federation', { set })).value) as Topology
  change(topology)
  return topology
}

/** Settings of the lender, over those that it has. */
const told =
  (settings: object): Change =>
  (topology) =>
    void Object.assign(settingsOf(topology), settings)
/** Of a lender whose rows are others, the grants would have to be others, too. */
function lendNothing(topology: Topology): void {
  const isGrant = ({ kind }: Topology['credentials'][string]) =>
    kind === 'federation-grant' || kind === 'enrolment-token'
  for (const [name, one] of Object.entries(topology.credentials)) if (isGrant(one)) delete topology.credentials[name]
  topology.accepts = []
  Object.assign(settingsOf(topology), { scopes: {}, rows: {}, invites: [] })
  Object.assign(settingsOf(topology, 'gateway-a'), { federates: {} })
}

const planOf = async (...given: Parameters<typeof declared>): Promise<Plan> => compile(await declared(...given))
const settingsOf = ({ nodes }: Topology, node = 'gateway-b') => nodes[node]!.units.gateway!.settings
const gatewayIn = (plan: Plan, node = 'gateway-b') => plan.nodes[node]!.units.find(({ name }) => name === 'gateway')!
const configurationIn = ({ files }: PlanUnit) =>
  files.find(({ path }) => path.endsWith('/gateway.json'))!.json as Record<string, unknown>
const flat = (steps: readonly Step[]): Step[] =>
  steps.flatMap((step) => ('parallel' in step ? step.parallel.flatMap(flat) : step))
const programsIn = ({ steps }: PlanUnit) => flat(steps).flatMap((step) => ('run' in step ? [step.run.args] : []))
const writtenIn = ({ steps }: PlanUnit) =>
  Object.fromEntries(flat(steps).flatMap((step) => ('write' in step ? [[step.write.path, step.write.text]] : [])))

async function mistakesOf(change: Change): Promise<string> {
  const topology = await declared(change)
  const found = mistakesIn(() => compile(topology))
  return found.map(({ path, message }) => `${path.replace('nodes.gateway-b.units.gateway.', '')} ${message}`).join('\n')
}

test('it migrates its database, imports what it is given, and serves', async () => {
  const gateway = gatewayIn(await planOf())

  expect([...programsIn(gateway), gateway.service?.command?.args]).toEqual([
    ['--config', '@{unit}/gateway.json', 'migrate'],
    ['--config', '@{unit}/gateway.json', 'import', '@{unit}/seed.json'],
    ['--config', '@{unit}/gateway.json', 'start'],
  ])
  expect(gateway.after).toEqual(expect.arrayContaining(['db-b/db', 'ca/ca', 'gateway-b/gateway-b-tls']))
  expect(gateway.service?.listeners).toEqual([
    { name: 'public', port: 8443, protocol: 'https', clientCertificate: 'none' },
    { name: 'federation', port: 8444, protocol: 'https', clientCertificate: 'required' },
  ])
})

test('without anything to import it imports nothing', async () => {
  const gateway = gatewayIn(
    await planOf((topology) => {
      lendNothing(topology)
      delete settingsOf(topology).import
    }),
  )
  expect(programsIn(gateway).map((args) => args.at(-1))).toEqual(['migrate'])
})

test('what it imports can be a file of the user’s', async () => {
  const { files } = gatewayIn(
    await planOf((topology) => {
      lendNothing(topology)
      told({ import: '/home/me/seed.json' })(topology)
    }),
  )
  expect(files).toContainEqual({ path: '@{unit}/seed.json', from: { path: '/home/me/seed.json', values: {} } })
})

test('it is told of CA, database and secrets by files, none of which stands in the plan', async () => {
  const plan = await planOf()
  const gateway = gatewayIn(plan)

  expect(configurationIn(gateway)).toMatchObject({
    publicName: 'gateway-b.somebiz.local.io',
    databaseUrlFile: '@{unit}/database/url',
    sealing: { secretFile: '@{unit}/sealing-secret' },
    admin: { operatorTokenFile: '@{unit}/operator-token' },
    stepCa: {
      url: 'https://ca.somebiz.local.io:9000',
      rootCertPath: '@{dir}/anchors/somebiz.pem',
      provisionerName: 'mosaic-fed',
      provisionerKeyFile: '@{dir}/credentials/fed-provisioner/provisioner.json',
    },
    clientCa: '@{unit}/peer-ca/chain.pem',
    crl: { rootCrlFile: '@{unit}/peer-ca/root.crl' },
    tls: { cert: '@{dir}/credentials/gateway-b-tls/cert.pem', key: '@{dir}/credentials/gateway-b-tls/key.pem' },
  })
  expect(writtenIn(gateway)).toEqual({
    '@{unit}/database/url':
      'postgres://gateway:@{content:@{unit}/database/password}@db-b.somebiz.local.io:5432/gateway\n',
    '@{unit}/peer-ca/chain.pem': '@{content:@{dir}/anchors/somebiz.pem}\n@{content:@{unit}/peer-ca/issuing.crt}\n',
  })
})

test('a database that demands TLS is verified by its root', async () => {
  const plan = await planOf((topology) => {
    lendNothing(topology)
    topology.nodes['db-b']!.networks = ['data-b', 'fed']
    topology.nodes['gateway-b']!.networks = ['data-b', 'fed']
    topology.nodes['db-b']!.units.db!.settings.certificate = 'db-b-tls'
    topology.credentials['db-b-tls'] = { ...topology.credentials['gateway-b-tls']!, holder: 'db-b' }
  })
  expect(writtenIn(gatewayIn(plan))['@{unit}/database/url']).toMatch(
    /\/gateway\?sslmode=verify-full&sslrootcert=@\{dir\}\/anchors\/somebiz\.pem\n$/,
  )
})

test('what a topology says of it is what its program is told', async () => {
  const change = told({
    ...{ publicName: 'lender.example', leafCapSeconds: 600, overlapSeconds: 5, crlSeconds: 2 },
    ...{ oids: { grant: '1.2.3.4' }, limits: { perGrant: 7 }, ports: { public: 9443, federation: 8444 } },
  })
  const gateway = gatewayIn(await planOf(change, { leafSeconds: '45' }))

  expect(configurationIn(gateway)).toMatchObject({
    ...{
      publicName: 'lender.example',
      publicUrl: 'https://gateway-b.somebiz.local.io:9443',
      oids: { grant: '1.2.3.4' },
    },
    ...{ leaf: { seconds: 45, capSeconds: 600 }, renewal: { overlapSeconds: 5 }, crl: { refreshSeconds: 2 } },
    rateLimit: { perGrant: 7, enrolmentsPerAddress: 10_000 },
    listeners: { public: '@{address}:9443', federation: '@{address}:8444' },
  })
})

test('one that keeps to itself has no CA, and no listener for peers', async () => {
  const plan = await planOf((topology) => {
    lendNothing(topology)
    for (const node of ['gateway-a', 'gateway-b']) {
      const { database } = settingsOf(topology, node)
      topology.nodes[node]!.units.gateway!.settings = { tier: 'standalone', database }
    }
    delete topology.credentials['fed-provisioner']
  })
  const gateway = gatewayIn(plan)

  expect(gateway.service?.listeners.map(({ name }) => name)).toEqual(['public'])
  expect(Object.keys(configurationIn(gateway))).not.toContain('stepCa')
})

test('with a CA for each, each gateway has the key of its own alone', async () => {
  const plan = await planOf(() => {}, { caPerGateway: 'true', askers: '2' })

  expect(Object.values(plan.credentials).map(({ name, issuer, holders }) => [name, issuer, ...holders])).toEqual(
    expect.arrayContaining([
      ['fed-provisioner-b', 'ca-b', 'gateway-b'],
      ['gateway-c-tls', 'ca-c', 'gateway-c'],
    ]),
  )
  expect(configurationIn(gatewayIn(plan, 'gateway-c')).stepCa).toMatchObject({
    ...{ url: 'https://ca-c.somebiz.local.io:9000', rootCertPath: '@{dir}/anchors/org-c.pem' },
    provisionerKeyFile: '@{dir}/credentials/fed-provisioner-c/provisioner.json',
  })
})

test.each<[string, Change, RegExp]>([
  ['no CA', (topology) => void delete settingsOf(topology).ca, /^settings\.ca is missing/m],
  ['a database that is none', told({ database: 'gateway-a' }), /needs the listener "postgres" of "gateway-a"/],
  ['a node that is no CA', told({ ca: 'gateway-a' }), /needs the listener "ca" of "gateway-a"/],
  [
    'a CA that revokes nothing',
    ({ nodes }) => void delete nodes.ca!.units.ca!.settings.crl,
    /^settings\.ca "ca" revokes nothing; give its CA several provisioners, and a CRL/m,
  ],
  ['no such key', told({ provisioner: 'none' }), /"none" is not declared/],
])('%s is a mistake of the topology', async (_, change, message) => {
  expect(await mistakesOf(change)).toMatch(message)
})

test('the key of another CA is a mistake of the topology', async () => {
  const topology = await declared(told({ provisioner: 'fed-provisioner-x' }), {
    caPerGateway: 'true',
  })
  topology.credentials['fed-provisioner-x'] = { ...topology.credentials['fed-provisioner-a']!, holder: 'gateway-b' }
  delete (topology.credentials['fed-provisioner-x'] as { holders?: unknown }).holders

  const found = mistakesIn(() => compile(topology)).map(({ message }) => message)
  expect(found).toContain('"fed-provisioner-x" is a key for "ca-a", not for "ca-b"')
})

const companion = (plan: Plan, node: string, name: string) => plan.nodes[node]!.units.find((unit) => unit.name === name)
/** What it has the program say, without as whom. */
const commandsOf = (unit: PlanUnit) => programsIn(unit).map((args) => args.slice(8))

test('a lender invites for its grants, and whoever was invited takes that up, both as administrators do', async () => {
  const plan = await planOf((topology) => {
    Object.assign(settingsOf(topology), { invites: ['scope-a'] })
    Object.assign(settingsOf(topology, 'gateway-a'), { federates: { 'scope-a': 'alice' } })
  })
  const [invites, federates] = [companion(plan, 'gateway-b', 'invite')!, companion(plan, 'gateway-a', 'federate')!]
  const peer = 'gateway-a.somebiz.local.io'

  expect(invites.files).toEqual([{ path: '@{unit}/scope-a.json', json: { resources: ['tasks', 'notes'] } }])
  expect(commandsOf(invites)).toEqual([
    ['peer', 'register', peer],
    ['grant', 'create', '--user', 'alice', '--peer', peer, '--scope', '@{unit}/scope-a.json', '--allow-sensitive'],
    ['grant', 'token', `${peer}/alice`, '--out', '@{unit}/scope-a.invitation'],
  ])
  expect(programsIn(invites)[0]!.slice(0, 8)).toEqual([
    ...['--url', 'https://gateway-b.somebiz.local.io:8443'],
    ...['--admin-token-file', '@{dir}/units/gateway/operator-token'],
    ...['--gateway-ca', '@{dir}/anchors/somebiz.pem'],
    ...['--tenant', expect.stringMatching(/^[0-9a-f-]{36}$/)],
  ])
  expect([invites.after, federates.after]).toEqual([['gateway-b/gateway'], ['gateway-a/gateway', 'gateway-b/invite']])
  expect(federates.steps[0]).toEqual({
    receive: {
      ...{ from: 'gateway-b', source: { file: '@{dir}/units/invite/scope-a.invitation' } },
      to: { path: '@{unit}/scope-a.invitation', mode: '0600' },
    },
  })
  expect(commandsOf(federates)).toEqual([
    ['peer', 'add', '--invitation', '@{unit}/scope-a.invitation', '--for', 'alice'],
  ])
})

test('of one that invites nobody, and takes up nothing, there is neither', async () => {
  const plan = await planOf((topology) => {
    delete settingsOf(topology).invites
    delete settingsOf(topology, 'gateway-a').federates
  })
  for (const node of ['gateway-a', 'gateway-b']) {
    expect(plan.nodes[node]!.units.map(({ name }) => name)).not.toContain(node === 'gateway-a' ? 'federate' : 'invite')
  }
})

test.each<[string, Change, string]>([
  [
    'a grant that is none of its own',
    told({ invites: ['fed-provisioner'] }),
    '"fed-provisioner" is no grant of "gateway-b"',
  ],
  [
    'a grant that somebody else holds',
    (topology) => void Object.assign(settingsOf(topology, 'gateway-a'), { federates: { 'gateway-a-tls': 'alice' } }),
    '"gateway-a-tls" is no grant that "gateway-a" holds',
  ],
  [
    'a user whom it does not have',
    (topology) => void Object.assign(settingsOf(topology, 'gateway-a'), { federates: { 'scope-a': 'dave' } }),
    '"dave" is no user among what it imports; there is alice, bob, carol',
  ],
])('%s is a mistake of the topology', async (_, change, message) => {
  expect(await mistakesOf(change)).toContain(message)
})
