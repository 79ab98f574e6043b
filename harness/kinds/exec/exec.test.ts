import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import { chosenAttacks } from '../../attacks/scope.ts'
import { compile, credentialKinds } from '../../shipped.ts'
import { families } from '../../shipped-families.ts'
import { LoadedTopology } from '../../topology/loaded-topology.ts'
import type { Plan } from '../../topology/plan.ts'
import { cellText } from '../../trust/cell.ts'
import { deriveMatrix } from '../../trust/matrix.ts'

const folder = join(import.meta.dirname, '..', '..', '..', 'docs', 'guides', 'examples', 'gateway')

/** The lab of the guide with other settings; undefined takes one away. */
async function planOf(settings: Record<string, unknown> = {}): Promise<Plan> {
  const value = JSON.parse(await readFile(join(folder, 'lab.json'), 'utf8'))
  const { gateway } = value.nodes.gateway.units
  gateway.settings = { ...gateway.settings, ...settings }
  if (settings.action !== undefined) value.accepts[0].action = settings.action
  return compile(new LoadedTopology('lab', value, {}, { folder }))
}

async function unitOf(settings?: Record<string, unknown>) {
  return (await planOf(settings)).nodes.gateway!.units.find(({ kind }) => kind === 'exec')!
}

const certShop = { credential: 'cert-shop', state: 'fresh' }

async function outcomes(settings: Record<string, unknown>): Promise<Record<string, string>> {
  const { classes } = deriveMatrix(await planOf(settings), credentialKinds, { full: true })
  const ofShop = classes.filter(({ representative: { target, presents } }) => {
    const { token, certificate } = presents
    return target === 'gateway' && token?.credential === 'shop' && isDeepStrictEqual(certificate, certShop)
  })
  return Object.fromEntries(
    ofShop.map(({ representative: { presents, expected } }) => [presents.token!.state, cellText(expected)]),
  )
}

test('a program is run where its topology lies, and told by its environment whom to believe', async () => {
  const { service, steps, after } = await unitOf({
    env: { KEYS: '@{issuer}/jwks', JAVA: '-Djdk.net.hosts.file=@{hosts}' },
    run: ['./bin/gateway', '@{port}'],
  })

  expect(service?.command).toMatchObject({
    program: { path: join(folder, 'bin/gateway') },
    args: ['8443'],
    cwd: folder,
  })
  expect(service?.command?.env).toMatchObject({
    HOLDFAST_ADDRESS: '@{address}',
    HOLDFAST_PORT: '8443',
    HOLDFAST_CERT: '@{dir}/credentials/cert-gateway/cert.pem',
    HOLDFAST_CA: '@{dir}/anchors/lab.pem',
    HOLDFAST_ISSUER: 'https://auth.lab.test:8443',
    HOLDFAST_ISSUER_ADDRESS: '@{address:auth}',
    HOLDFAST_AUDIENCE: 'https://gateway.lab.test',
    KEYS: 'https://auth.lab.test:8443/jwks',
    ...{ HOLDFAST_HOSTS: '@{hosts}', JAVA: '-Djdk.net.hosts.file=@{hosts}' },
  })
  expect(steps).toMatchObject([{ fetch: { discover: 'jwks_uri', to: { path: '@{unit}/jwks.json', mode: '0600' } } }])
  expect(after).toEqual(expect.arrayContaining(['gateway/cert-gateway', 'gateway/anchor-lab', 'auth/clients']))
})

test('an image is run by docker, with the network, the names and the files that it is told of', async () => {
  const { service, machine, summary } = await unitOf({ run: undefined, image: 'registry.test/orders:1' })
  const { program, args = [], env } = service!.command!
  const after = (option: string) => args.flatMap((one, at) => (args[at - 1] === option ? [one] : []))

  expect({ program, machine, image: args.at(-1) }).toEqual({
    ...{ program: { path: 'docker' }, machine: ['docker'], image: 'registry.test/orders:1' },
  })
  expect(summary).toBe('image registry.test/orders:1, takes tokens of auth')
  expect(args.slice(0, 5)).toEqual(['run', '--rm', '--init', '--network', 'host'])
  expect(after('-e')).toEqual(Object.keys(env!))
  expect(after('--add-host')).toContain('auth.lab.test:@{address:auth}')
  // The root of the issuer is the one of the lab, which is named once; the keys are in the folder of the unit.
  expect(after('-v')).toEqual([
    ...['cert', 'key'].map((name) => `@{dir}/credentials/cert-gateway/${name}.pem`).map((path) => `${path}:${path}:ro`),
    ...['@{dir}/anchors/lab.pem:@{dir}/anchors/lab.pem:ro', '@{unit}:@{unit}'],
  ])
})

test('a program without a slash is looked up', async () => {
  expect((await unitOf({ run: ['haproxy', '-f', 'x.cfg'] })).service?.command?.program).toEqual({ path: 'haproxy' })
})

test('what is declared about its answers, keys and scope decides each cell', async () => {
  expect(await outcomes({})).toMatchObject({
    fresh: 'accepted',
    revoked: 'accepted, for its issuer is not asked',
    'key retired': 'refused 401 invalid_token, reason kid_unknown (token.signature)',
    'without scope': 'refused 403 insufficient_scope, reason scope_insufficient (token.scope)',
    'for another node': 'accepted, for nobody looks at that',
  })
  expect(await outcomes({ keys: 'file', scope: undefined, introspects: true })).toMatchObject({
    revoked: 'refused 401 invalid_token, reason token_inactive (token.active)',
    unbound: 'refused 401 invalid_token, reason cnf_missing (token.binding)',
  })
  expect(await outcomes({ keys: 'file', scope: undefined, answers: { badToken: '403 *' } })).toMatchObject({
    'key retired': 'accepted, for its keys were read once',
    'without scope': 'accepted, for nobody looks at that',
    expired: 'refused 403 *, reason token_expired (token.time)',
  })
})

test('a listener that only asks for a certificate leaves it to the binding', async () => {
  const { classes } = deriveMatrix(await planOf({ clientCertificate: 'requested' }), credentialKinds, { full: true })
  const bare = classes.flatMap(({ representative }) =>
    representative.target === 'gateway' && !representative.presents.certificate ? [representative] : [],
  )

  const reasons = bare.map(({ presents: { token }, expected }) => {
    return [token?.state, 'reason' in expected ? expected.reason : 'accepted']
  })
  expect(Object.fromEntries(reasons)).toMatchObject({
    fresh: 'cnf_x5t_mismatch',
    'bound to the presenter': 'cnf_x5t_mismatch',
    unbound: 'cnf_missing',
    undefined: 'token_missing',
  })
})

test('whoever asks the issuer about tokens is registered there', async () => {
  const registered = async (settings: Record<string, unknown>) => {
    return (await planOf(settings)).nodes.auth!.units.find(({ name }) => name === 'clients')!
  }
  expect((await registered({ introspects: true })).summary).toContain('gateway')
  expect((await registered({ introspects: false })).summary).not.toContain('gateway')
  const { steps } = await registered({ introspects: true, audience: ['orders', 'https://gateway.lab.test'] })
  expect(JSON.stringify(steps)).toContain('"introspects":["https://gateway.lab.test","orders"]')
})

test('a certificate alone may be enough', async () => {
  const unit = await unitOf({ token: 'none', scope: undefined }).catch((mistakes: Error) => mistakes.message)

  expect(unit).toContain('"call" takes a certificate, and "shop" is a bound-token')
})

test('then the matrix is one of certificates', async () => {
  const value = JSON.parse(await readFile(join(folder, 'lab.json'), 'utf8'))
  value.nodes.gateway.units.gateway.settings = { run: ['x'], token: 'none' }
  delete value.credentials.shop
  delete value.credentials.courier
  const all = ['cert-shop', 'cert-courier', 'cert-auth', 'cert-gateway', 'operator']
  value.accepts = [{ target: 'gateway', action: 'call', credential: all }]
  const { classes } = deriveMatrix(compile(new LoadedTopology('lab', value, {}, { folder })), credentialKinds)

  const ofGateway = classes.filter(({ representative }) => representative.target === 'gateway')
  expect(ofGateway.map(({ representative, count }) => [cellText(representative.expected), count])).toEqual([
    ['refused at TLS, reason cert_missing (listener.tls)', 1],
    ['accepted', 5],
    ['refused at TLS, reason cert_untrusted (listener.tls)', 5],
    ['refused at TLS, reason cert_expired (listener.tls)', 5],
  ])
})

test('answers that are not those of the standard are told with the proof', async () => {
  expect((await unitOf()).proof).toEqual({ proof: 'status alone', answers: undefined })
  expect((await unitOf({ answers: { noToken: '403' } })).proof).toMatchObject({ answers: { noToken: '403' } })
})

test('a service that is up already gets the trust of the run, and is started by nobody', async () => {
  const unit = await unitOf({ run: undefined, url: 'https://localhost:9443', trust: './trust', reload: ['kill', '-1'] })

  expect(unit.service).toMatchObject({
    command: undefined,
    listeners: [{ port: 9443, address: 'localhost' }],
    ready: { http: { url: 'https://gateway.lab.test:9443/', address: 'localhost' } },
  })
  const names = unit.steps.flatMap((step) =>
    'copy' in step ? [step.copy.to.path.replace(`${folder}/trust/`, '')] : [],
  )
  expect(names).toEqual(['ca.pem', '@{unit}/key.pem', 'key.pem', 'cert.pem', 'jwks.json', 'trust.json'])
  expect(unit.steps.at(-1)).toMatchObject({
    setting: 'settings.reload',
    run: { program: { path: 'kill' }, args: ['-1'], cwd: folder },
  })
})

test.each([
  [{ run: undefined }, 'must have one of run, image and url'],
  [{ url: 'https://localhost:1', trust: './x' }, 'must have one of run, image and url'],
  [{ run: undefined, url: 'https://localhost:1' }, 'must have both of url and trust'],
  [{ reload: ['x'] }, 'has reload, which goes with url'],
  [
    { run: undefined, url: 'https://localhost:1', trust: './x', behind: { kind: 'nginx' } },
    'has behind, which goes with',
  ],
  [{ behind: { kind: 'nginx', listen: 8443 } }, 'must have a listen of its own in behind'],
  [{ behind: { kind: 'squid' } }, 'settings.behind.kind'],
  [{ certificateHeader: { name: 'X Cert', encoding: 'base64' } }, 'settings.certificateHeader.name'],
  [{ observe: { log: 'no group' } }, '(?<reason>…)'],
  [{ observe: { log: '(?<reason>(' } }, '(?<reason>…)'],
  [
    { observe: 'logs' },
    'must be "status", { "header": "X-Reason" } or { "log": "^(?<conn>…) refused: (?<reason>…)$" }',
  ],
  [{ observe: { header: 'X-Reason', reasons: { cnf_x5_mismatch: 'x' } } }, 'did you mean cnf_x5t_mismatch?'],
  [{ observe: { header: 'X-Reason', reasons: { teapot: 'x' } } }, 'reasons are alg_not_allowed, anchor_mismatch'],
  [{ run: ['node', 'x.mjs', '@{prot}'] }, 'settings.run: @{prot} stands for nothing; did you mean @{port}? There are'],
  [{ env: { A: 'x@{nothing}' } }, 'settings.env.A: @{nothing} stands for nothing; There are @{address}, @{port}'],
  [{ run: undefined, url: 'https://localhost:1', trust: './x', reload: ['x', '@{certs}'] }, 'did you mean @{cert}?'],
  [{ env: { A: '@{address:aut}' } }, 'did you mean @{address:auth}?'],
  [{ answers: { badToken: 'no' } }, 'must be a status and a code'],
  [{ issuer: 'gateway' }, '"gateway" has no unit that mints tokens'],
  [{ issuer: 'nobody' }, 'node "nobody" is not declared'],
  [{ audience: 'https://other.test' }, 'its audience is https://gateway.lab.test'],
  [{ scope: 'orders:write' }, 'needs the scope orders:write'],
])('%j is a mistake of the topology', async (settings, message) => {
  await expect(planOf(settings)).rejects.toThrow(message)
})

test('in front of a program stands a proxy that hands on the certificate, and nobody may come past it', async () => {
  const units = (await planOf({ behind: { kind: 'haproxy' }, listen: 9443 })).nodes.gateway!.units
  const program = units.find(({ kind }) => kind === 'exec')!
  const header = { name: 'Client-Cert', encoding: 'rfc9440' }
  expect(program.service).toMatchObject({
    ready: { tcp: { port: 8080 } },
    listeners: [
      { name: 'main', port: 9443, protocol: 'https', clientCertificate: 'required', certificateHeader: header },
      { name: 'program', port: 8080, protocol: 'http', behind: 'main', certificateHeader: header },
    ],
  })
  expect(program.service!.command!.env).toMatchObject({
    HOLDFAST_PORT: '8080',
    HOLDFAST_CERTIFICATE_HEADER: 'Client-Cert',
    HOLDFAST_CERTIFICATE_ENCODING: 'rfc9440',
  })
  expect(program.verification?.call?.ways).toMatchObject({ 'past the proxy': { call: { listener: 'program' } } })
  const proxy = units.find(({ kind }) => kind === 'haproxy')!
  expect(proxy).toMatchObject({
    name: 'gateway-proxy',
    after: ['gateway/gateway'],
    files: [{ text: expect.any(String) }],
  })
  expect(proxy.service?.ready).toMatchObject({ http: { url: 'https://gateway.lab.test:9443/' } })
})

test('a proxy can have a configuration of its user’s, and a program that others cannot reach is tried through it alone', async () => {
  const certificateHeader = { name: 'X-Cert', encoding: 'base64' }
  const behind = { kind: 'nginx', config: './proxy/nginx.conf', listen: 3000, reach: 'host' }
  const units = (await planOf({ behind, certificateHeader })).nodes.gateway!.units
  const [program, proxy] = ['exec', 'nginx'].map((name) => units.find(({ kind }) => kind === name)!)
  expect(proxy!.files).toMatchObject([
    {
      from: { path: join(folder, 'proxy/nginx.conf'), values: { port: '8443', program_port: '3000', dir: '@{unit}' } },
    },
  ])
  expect(program!.service!.listeners.map(({ behind }) => behind)).toEqual([undefined, undefined])
  expect(program!.verification?.call?.ways).toBeUndefined()
})

test('what a program is told, its folder and the address of any node can be named', async () => {
  const env = { A: '@{cert} @{unit} @{address:auth}' }
  expect((await unitOf({ env, run: ['x', '@{jwks}'] })).service?.command).toMatchObject({ args: ['@{unit}/jwks.json'] })
})

test('each reason that is expected of a resource server can have a word', async () => {
  const onServers = new Set(['takes:bound-token', 'tls', 'client-certificate', 'jwks-client', 'introspection-client'])
  const expected = chosenAttacks(await families()).flatMap(({ variants, needs: all }) =>
    Object.values(variants).flatMap(({ expect: outcome, needs = all }) =>
      needs.some((need) => onServers.has(need)) ? outcome : [],
    ),
  )
  const named = expected.flatMap((one) => (one.is === 'refused' ? one.reasons : []))
  const { verification = {} } = await unitOf({ introspects: true })
  const checked = Object.values(verification).flatMap(({ checks }) =>
    checks.flatMap((one) => (one.settles ? [] : one.reason)),
  )
  const all = [...new Set([...named, ...checked])].toSorted()
  await expect(reasonsText(all)).toMatchFileSnapshot('reasons.ts')
})

/** A kind stands below the attacks on it, and is compiled without loading them: so that the list is written down, and not by hand. */
function reasonsText(all: readonly string[]): string {
  return [
    '// Made from what attacks and checks expect of resource servers; `node bootstrap.mjs unit harness/kinds/exec --update` makes it anew.',
    '',
    '/** Reasons for which a resource server is expected to refuse, by the matrix or by an attack: those that a program may have words for. */',
    'export const reasons: readonly string[] = [',
    ...all.map((reason) => `  '${reason}',`),
    ']',
    '',
  ].join('\n')
}

test('a wrong setting is told alone: the credentials of its unit are no mistakes', async () => {
  await expect(planOf({ requset: 'GET /orders' })).rejects.toThrow(/: 1 mistake\n.*did you mean request/)
})
