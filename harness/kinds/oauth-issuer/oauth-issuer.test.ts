import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { demandGiven } from '../../backends/given-files.ts'
import { credentialOf } from '../../credentials/of-kind.ts'
import { compile } from '../../shipped.ts'
import { LoadedTopology } from '../../topology/loaded-topology.ts'
import type { Plan } from '../../topology/plan.ts'

const folder = join(import.meta.dirname, '..', '..', '..', 'fixtures', 'controls', 'issuer')

/** The lab of the fixtures with other settings; undefined takes one away. */
async function planOf({ idp = {}, gateway = {} }: { idp?: object; gateway?: object } = {}): Promise<Plan> {
  const value = JSON.parse(await readFile(join(folder, 'issuer.json'), 'utf8'))
  Object.assign(value.nodes.idp.units.idp.settings, idp)
  Object.assign(value.nodes.gateway.units.gateway.settings, gateway)
  // Who serves elsewhere needs no certificate here.
  if ('url' in idp) delete value.credentials['cert-idp']
  return compile(new LoadedTopology('lab', value, {}, { folder }))
}

const unitOf = (plan: Plan, node: string, kind: string) => plan.nodes[node]!.units.find((unit) => unit.kind === kind)!

test('a holder asks for its token by a form, with its own certificate, where the metadata say', async () => {
  const plan = await planOf()
  const { mint, subject } = credentialOf(plan, 'bound-token', 'shop')

  expect(mint.mint).toMatchObject({
    url: 'https://idp.corp.test:8443',
    discover: 'token_endpoint',
    tls: { ca: '@{dir}/anchors/corp.pem', cert: '@{dir}/credentials/cert-shop/cert.pem' },
    form: {
      grant_type: 'client_credentials',
      client_id: 'shop-app',
      scope: 'orders:read',
      resource: 'https://gateway.corp.test',
    },
  })
  expect({ prove: mint.prove, subject }).toEqual({ subject: 'shop-app' })
  expect(unitOf(plan, 'shop', 'mint')).toMatchObject({
    after: ['idp/idp', 'shop/anchor-corp', 'shop/cert-shop'],
    steps: [{ receive: { from: 'shop' } }],
  })
})

test('a server is told its clients: by the names in their certificates, or by these themselves, which stay the same then', async () => {
  const plan = await planOf()
  const { after, steps, service } = unitOf(plan, 'idp', 'issuer')
  const common = { tls_client_certificate_bound_access_tokens: true, response_types: [], redirect_uris: [] }
  const asks = { grant_types: ['client_credentials'], scope: 'orders:read', ...common }
  const [named, known] = ['tls_client_auth', 'self_signed_tls_client_auth']

  expect(after).toContain('courier/cert-courier')
  expect(steps.slice(0, 2)).toEqual([
    {
      receive: {
        from: 'courier',
        source: { file: '@{dir}/credentials/cert-courier/cert.pem' },
        to: { path: '@{unit}/client-courier.pem', mode: '0600' },
      },
    },
    {
      write: {
        path: '@{unit}/clients.json',
        json: [
          {
            ...{ client_id: 'shop-app', token_endpoint_auth_method: named },
            ...{ tls_client_auth_san_dns: 'shop.corp.test', ...asks },
          },
          {
            ...{ client_id: 'courier-app', token_endpoint_auth_method: known },
            ...{ jwks: '@{json:client-courier.pem}', ...asks },
          },
        ],
      },
    },
  ])
  expect(service?.command?.env).toMatchObject({ HOLDFAST_CLIENTS: '@{unit}/clients.json' })
  expect(credentialOf(plan, 'certificate', 'cert-courier').kept).toBe(true)
  expect(credentialOf(plan, 'certificate', 'cert-shop').kept).toBeUndefined()
})

test('who asks about tokens is a client that gets none', async () => {
  const { steps } = unitOf(await planOf({ gateway: { introspects: true } }), 'idp', 'issuer')

  expect(JSON.stringify(steps)).toContain('"client_id":"gateway","token_endpoint_auth_method":"tls_client_auth"')
  expect(steps[1]).toMatchObject({ write: { json: [{}, {}, { client_id: 'gateway', grant_types: [] }] } })
})

test('one in a container is told its clients by a file, and needs docker', async () => {
  const { service, machine } = unitOf(await planOf({ idp: { run: undefined, image: 'corp/idp:1' } }), 'idp', 'issuer')

  expect(machine).toEqual(['docker'])
  expect(service!.command!.args).toEqual(expect.arrayContaining(['HOLDFAST_CLIENTS', '@{unit}:@{unit}', 'corp/idp:1']))
})

test('one that is up already is handed the clients of the run, where it says how', async () => {
  const idp = { run: undefined, url: 'https://idp.example', ca: 'corp.pem', trust: './trust', reload: ['./again'] }
  const { steps } = unitOf(await planOf({ idp }), 'idp', 'issuer')
  const to = (name: string) => ({ path: join(folder, 'trust', name), mode: '0600' })

  expect(steps.slice(2, 6)).toMatchObject([
    { copy: { from: '@{dir}/anchors/corp.pem', to: to('ca.pem') } },
    { copy: { from: '@{unit}/clients.json', to: to('clients.json') } },
    { run: { program: { path: join(folder, 'again') } }, setting: 'settings.reload' },
    { fetch: { discover: 'jwks_uri' } },
  ])
})

test('what a server takes is said as it takes it, and it is asked to end a token where its metadata say', async () => {
  const parameters = { audience: 'api @{audience}', prompt: 'none' }
  const idp = { path: '/realms/corp', parameters, clients: { shop: { sub: 'service-1' } } }
  const { mint, iss, subject } = credentialOf(await planOf({ idp }), 'bound-token', 'shop')
  const own = { grant_type: 'client_credentials', client_id: 'shop' }

  expect(mint.mint.form).toEqual({ ...own, audience: 'api https://gateway.corp.test', prompt: 'none' })
  expect(mint.revoke).toMatchObject({ discover: 'revocation_endpoint', form: { client_id: 'shop' } })
  expect({ iss, subject }).toEqual({ iss: 'https://idp.corp.test:8443/realms/corp', subject: 'service-1' })
})

test('one that is up already is looked at, and its own root is that of all who ask it', async () => {
  const idp = { run: undefined, url: 'https://idp.example/realms/corp', ca: 'corp.pem' }
  const plan = await planOf({ idp })
  const { service, steps } = unitOf(plan, 'idp', 'issuer')

  expect({ service, looked: steps.find((step) => 'fetch' in step) }).toMatchObject({
    service: undefined,
    looked: { fetch: { url: idp.url, discover: 'jwks_uri', ca: join(folder, 'corp.pem') } },
  })
  expect(credentialOf(plan, 'bound-token', 'shop').mint.mint.tls.ca).toBe(join(folder, 'corp.pem'))
  expect(unitOf(plan, 'gateway', 'exec').service!.command!.env).toMatchObject({
    HOLDFAST_ISSUER: idp.url,
    HOLDFAST_ISSUER_CA: join(folder, 'corp.pem'),
    HOLDFAST_CA: '@{dir}/anchors/corp.pem',
  })
})

test('the root of one that is up is a file that is looked at, or what this machine trusts: then a gateway finds that in a file', async () => {
  const url = 'https://idp.example'
  const missing = await planOf({ idp: { run: undefined, url, ca: 'missing.pem' } })
  await expect(demandGiven(missing)).rejects.toMatchObject({
    code: 'HOLDFAST_FILE_UNREADABLE',
    message: expect.stringContaining('nodes.idp.units.idp.settings.ca: '),
  })

  const plan = await planOf({ idp: { run: undefined, url, ca: 'system' } })
  await demandGiven(plan)
  expect(unitOf(plan, 'idp', 'issuer').steps.at(-2)).toMatchObject({ fetch: { url, ca: 'system' } })
  expect(credentialOf(plan, 'bound-token', 'shop').mint.mint.tls.ca).toBe('system')
  const { steps, service } = unitOf(plan, 'gateway', 'exec')
  const path = '@{unit}/issuer-ca.pem'
  expect(steps[0]).toEqual({ copy: { from: 'system', to: { path, mode: '0644' } } })
  expect(steps.at(-1)).toMatchObject({ fetch: { url, ca: path } })
  expect(service!.command!.env).toMatchObject({ HOLDFAST_ISSUER_CA: path })
})

test('a key of ours stands beside those of the issuer where a gateway is told its keys, and nowhere else', async () => {
  const told = await planOf()
  expect(unitOf(told, 'gateway', 'exec').steps).toMatchObject([
    { receive: { from: 'idp', source: { file: '@{dir}/units/idp/beside.pub.json' } } },
    { fetch: { discover: 'jwks_uri', add: '@{unit}/beside.json' } },
  ])
  expect(unitOf(told, 'idp', 'issuer').insider).toMatchObject({
    foreign: true,
    mints: { signingKey: '@{unit}/beside.json' },
  })

  for (const gateway of [{ keys: 'issuer' }, { introspects: true }]) {
    const asking = await planOf({ gateway })
    expect(unitOf(asking, 'idp', 'issuer').insider).toEqual({ foreign: true })
  }
})

test.each([
  [{ run: undefined }, 'must have one of run, image and url'],
  [{ image: 'corp/idp:1' }, 'must have one of run, image and url'],
  [
    { run: undefined, url: 'https://idp.test' },
    'goes with url, and url with ca: the file of the root of its certificate, or "system"',
  ],
  [{ run: ['node', '@{prot}'] }, '@{prot} stands for nothing; did you mean @{port}?'],
  [{ trust: './trust' }, 'has trust, which goes with url'],
  [{ reload: ['x'] }, 'has reload, which goes with trust'],
  [{ path: '/realms/' }, 'must be a path without an end'],
])('a mistake is told with a way out: %o', async (idp, message) => {
  await expect(planOf({ idp })).rejects.toThrow(message)
})
