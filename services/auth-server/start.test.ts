import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Command } from 'commander'
import { exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { StartFailure } from '../shared/start-failure.ts'
import { addOperatorCommands } from './cli.ts'
import { loadConfig, parseAddress } from './config.ts'
import { startServer } from './server.ts'
import { type Bench, createBench, nodeAudience, nodeClient, runProgram, spawnServer } from './testing.ts'

// Each test starts programs, and many run side by side: two cores have to be enough.
vi.setConfig({ testTimeout: 60_000 })

let bench: Bench
let good: Record<string, unknown>

beforeAll(async () => {
  bench = await createBench()
  good = JSON.parse(readFileSync(bench.configFile, 'utf8'))
})
afterAll(() => bench.dispose())

// biome-ignore lint/suspicious/noExplicitAny: a configuration on its way to being wrong has no type
type Loose = Record<string, any>

let written = 0
function configWith(change: (config: Loose) => void): string {
  const config = structuredClone(good)
  change(config)
  written += 1
  const file = join(bench.folder, `config-${written}.json`)
  writeFileSync(file, JSON.stringify(config))
  return file
}

function file(name: string, content: string, mode = 0o600): string {
  const path = join(bench.folder, name)
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

async function isListening(): Promise<boolean> {
  const { host, port } = parseAddress(bench.configuration.listen.operator)
  return new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

async function expectRefusedStart(args: string[], names: RegExp, env: Record<string, string> = {}): Promise<void> {
  const { code, stderr } = await runProgram(args, env)
  expect({ code, stderr }).toEqual({ code: 78, stderr: expect.stringMatching(names) })
  expect(stderr).toMatch(/^auth-server: config_invalid: [^\n]+\n$/)
  expect(stderr).not.toMatch(/\n\s+at /)
  expect(await isListening()).toBe(false)
}

/** What `main.ts` makes one line and an exit code of. */
async function refusalOf(configFile: string): Promise<StartFailure> {
  const start = async () => startServer(loadConfig({ file: configFile, environment: {} }))
  const failure: unknown = await start().then(
    (server) => server.stop(),
    (reason: unknown) => reason,
  )
  expect(failure).toBeInstanceOf(StartFailure)
  return failure as StartFailure
}

const wrong: [string, (config: Loose) => void, RegExp][] = [
  ['issuer missing', (c) => delete c.issuer, /issuer/],
  ['issuer with a path', (c) => (c.issuer += '/'), /issuer: must be an https URL/],
  [
    'issuer that is not in the certificate',
    (c) => (c.issuer = 'https://other.local.io'),
    /no DNS SAN for other\.local\.io/,
  ],
  ['node', (c) => (c.node = 'Not A Name'), /node: must be a name/],
  ['unit', (c) => (c.unit = 5), /unit/],
  ['listen', (c) => (c.listen = []), /listen/],
  ['listen.public', (c) => (c.listen.public = 'nowhere'), /listen\.public: must be ADDRESS:PORT/],
  ['listen.mtls', (c) => (c.listen.mtls = '127.0.0.1:70000'), /listen\.mtls: must have a port/],
  ['listen.operator', (c) => (c.listen.operator = 8445), /listen\.operator/],
  ['tls missing', (c) => delete c.tls, /tls/],
  ['tls.cert absent', (c) => (c.tls.cert = '/nowhere/cert.pem'), /certificate \/nowhere\/cert\.pem cannot be read/],
  ['tls.cert without certificate', (c) => (c.tls.cert = file('empty.pem', '')), /holds no certificate/],
  ['tls.key of another certificate', (c) => (c.tls.key = bench.nodeB.keyFile), /is not the key of the certificate/],
  [
    'tls.key that others can read',
    (c) => (c.tls.key = file('open.key', readFileSync(c.tls.key, 'utf8'), 0o644)),
    /private key \S+open\.key can be read by others; make it 0600/,
  ],
  ['tls.ca absent', (c) => (c.tls.ca = '/nowhere/ca.pem'), /trust anchor \/nowhere\/ca\.pem cannot be read/],
  ['tls.ca empty', (c) => (c.tls.ca = file('empty-ca.pem', '')), /holds no certificate/],
  ['tls.ca that is a key', (c) => (c.tls.ca = bench.nodeB.keyFile), /holds no certificate/],
  ['tls.ca that is no CA', (c) => (c.tls.ca = bench.nodeB.certFile), /not a CA/],
  ['trustDomain missing', (c) => delete c.trustDomain, /trustDomain/],
  [
    'trustDomains with the own one',
    (c) => (c.trustDomains = { somebiz: { ca: bench.own.file } }),
    /must not name the own/,
  ],
  ['trustDomains without a root', (c) => (c.trustDomains = { other: {} }), /trustDomains\.other\.ca/],
  ['trustDomains with a bad root', (c) => (c.trustDomains.other.ca = '/nowhere.pem'), /\/nowhere\.pem cannot be read/],
  ['operators missing', (c) => delete c.operators, /operators/],
  ['operators empty', (c) => (c.operators = []), /operators: must name at least one/],
  ['operators with a pattern', (c) => (c.operators = ['*']), /operators\.0: must be a DNS name/],
  ['storage missing', (c) => delete c.storage, /storage/],
  ['storage in memory', (c) => (c.storage.path = ':memory:'), /would not be kept/],
  [
    'storage in an open folder',
    (c) => (c.storage.path = join(openFolder(), 'auth.db')),
    /is open to others; chmod it to 0700/,
  ],
  ['storage in a file', (c) => (c.storage.path = join(bench.own.file, 'auth.db')), /cannot be opened/],
  ['storage that is no database', (c) => (c.storage.path = file('text.db', 'x'.repeat(5_000))), /cannot be used/],
  ['storage of another program', (c) => (c.storage.path = otherStorage()), /does not hold the tables/],
  ['signing.alg', (c) => (c.signing = { alg: 'HS256' }), /signing\.alg/],
  ['signing.importKey absent', (c) => fresh(c, '/nowhere.jwk'), /importKey \/nowhere\.jwk cannot be read/],
  ['signing.importKey without a key', (c) => fresh(c, file('none.jwk', '{"kty":"EC"}')), /no private JWK for ES256/],
  ['signing.importKey symmetric', (c) => fresh(c, file('oct.jwk', '{"kty":"oct","k":"c2VjcmV0"}')), /no private JWK/],
  ['tokens.nodeSeconds', (c) => (c.tokens = { nodeSeconds: 29 }), /tokens\.nodeSeconds/],
  ['tokens.peerSeconds', (c) => (c.tokens = { peerSeconds: '900' }), /tokens\.peerSeconds/],
  ['tokens.maximumSeconds', (c) => (c.tokens = { maximumSeconds: 86_401 }), /tokens\.maximumSeconds/],
  ['decisionLog missing', (c) => delete c.decisionLog, /decisionLog/],
  ['an unknown key', (c) => (c.skipAuth = true), /skipAuth/],
  ['an unknown inner key', (c) => (c.tls.insecure = true), /insecure/],
]

// One for each place where a start can fail: here the program itself is asked.
const wrongAtProgram: typeof wrong = [
  ['issuer over http', (c) => (c.issuer = 'http://auth.somebiz.local.io'), /issuer: must be an https URL/],
  ['tls.key unreadable', (c) => (c.tls.key = file('bad.key', 'nothing')), /holds no usable private key/],
  ['storage of a newer program', (c) => (c.storage.path = newerStorage()), /has schema 2, this program knows 1/],
  ['signing.importKey open to others', (c) => fresh(c, file('open.jwk', '{}', 0o644)), /chmod it to 0600/],
  ['decisionLog in no folder', (c) => (c.decisionLog = '/nowhere/decisions.jsonl'), /decisionLog .* cannot be opened/],
]

let stores = 0
function fresh(config: Loose, importKey: string): void {
  stores += 1
  config.storage.path = join(bench.folder, `state-${stores}`, 'auth.db')
  config.signing = { importKey }
}

function openFolder(): string {
  const folder = join(bench.folder, 'open')
  mkdirSync(folder, { recursive: true })
  chmodSync(folder, 0o755)
  return folder
}

function newerStorage(): string {
  const path = join(bench.folder, 'newer.db')
  const database = new DatabaseSync(path)
  database.exec("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT); INSERT INTO meta VALUES ('schema_version', '2')")
  database.close()
  return path
}

function otherStorage(): string {
  const path = join(bench.folder, 'other.db')
  const database = new DatabaseSync(path)
  database.exec('CREATE TABLE songs (title TEXT)')
  database.close()
  return path
}

test.each(wrong)('the start is refused before a socket is open: %s', async (_, change, names) => {
  expect(await refusalOf(configWith(change))).toMatchObject({
    reason: 'config_invalid',
    message: expect.stringMatching(names),
  })
  expect(await isListening()).toBe(false)
})

test.concurrent.each(wrongAtProgram)('the program ends with 78 and one line: %s', async (_, change, names) => {
  await expectRefusedStart(['--config', configWith(change)], names)
})

test.concurrent.each([
  ['no file', ['--config', '/nowhere.json'], /\/nowhere\.json cannot be read/],
  ['no JSON', ['--config', 'PLACEHOLDER'], /is not JSON/],
  ['nothing at all', [], /issuer/],
])('the program ends with 78 and one line: %s', async (_, args, names) => {
  const bad = file('bad.json', '{"issuer": eyJhbGciOi')
  await expectRefusedStart(
    args.map((argument) => (argument === 'PLACEHOLDER' ? bad : argument)),
    names,
  )
})

test('a start that is refused leaves its reason on record', async () => {
  await refusalOf(configWith((config) => (config.tls.key = bench.nodeB.keyFile)))

  expect(bench.lastDecision()).toMatchObject({
    layer: 'start-up',
    verdict: 'refused',
    guard: 'start.config',
    reason: 'config_invalid',
  })
})

test('flag beats environment beats file; unknown variables and flags are refused', async () => {
  const env = { AUTH_SERVER_TRUST_DOMAIN: 'from-environment', AUTH_SERVER_NODE: 'from-environment' }
  const args = ['--config', bench.configFile, '--print-config', '--node', 'from-flag']
  const { code, stdout } = await runProgram(args, env)

  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({
    node: 'from-flag',
    trustDomain: 'from-environment',
    issuer: bench.configuration.issuer,
    tokens: { nodeSeconds: 3600, peerSeconds: 900 },
  })
  await expectRefusedStart(['--config', bench.configFile], /unknown variable AUTH_SERVER_SKIP/, {
    AUTH_SERVER_SKIP: '1',
  })
  expect((await runProgram(['--config', bench.configFile, '--no-auth'])).code).toBe(2)
})

test('--check-config reads every file that the configuration names, and opens nothing', async () => {
  expect(await runProgram(['--config', bench.configFile, '--check-config'])).toMatchObject({
    code: 0,
    stdout: 'the configuration is good\n',
  })
  const bad = configWith((config) => (config.tls.key = bench.nodeB.keyFile))
  expect((await runProgram(['--config', bad, '--check-config'])).code).toBe(78)
})

test('the first key may be brought along, and is kept from then on', async () => {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(privateKey)
  const configFile = configWith((config) => {
    fresh(config, file('good.jwk', JSON.stringify(jwk)))
  })
  const jwks = async () => (await bench.call('public', 'GET', '/jwks')).json.keys
  const { child } = await spawnServer(['--config', configFile])
  const ended = new Promise((resolve) => child.once('exit', resolve))

  expect(await jwks()).toEqual([expect.objectContaining({ x: jwk.x, y: jwk.y, alg: 'ES256', use: 'sig' })])
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
  // The storage has a key now, so the file is not needed any more.
  writeFileSync(join(bench.folder, 'good.jwk'), '')
  const again = await spawnServer(['--config', configFile])
  expect(await jwks()).toEqual([expect.objectContaining({ x: jwk.x })])
  again.child.kill('SIGTERM')
  expect(await new Promise((resolve) => again.child.once('exit', resolve))).toBe(0)
})

test.each(['true', '1', 'yes'])('variables that look like a switch are named and have no effect: %s', async (value) => {
  const env = { CATALYST_SKIP_AUTH: value, AUTH_SERVER_SKIP_AUTH: value, MY_NO_AUTH: value }
  const { child, stderr } = await spawnServer(['--config', bench.configFile], env)
  const answer = await bench.call('mtls', 'POST', '/token', {
    form: { grant_type: 'client_credentials', client_id: 'x' },
  })

  expect(answer.status).toBe(401)
  child.kill('SIGTERM')
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0)
  for (const name of Object.keys(env)) {
    expect(stderr()).toMatch(new RegExp(`"event":"variable-ignored".*"variable":"${name}"`))
  }
})

test('a taken address is exit code 1, one line', async () => {
  await bench.start()
  const { code, stderr } = await runProgram(['--config', bench.configFile])
  await bench.stop()

  expect(code).toBe(1)
  expect(stderr.split('\n').at(-2)).toMatch(/^auth-server: EADDRINUSE: /)
})

test('the command line is a thin client of the operator API', async () => {
  const bench = await createBench({ issuer: 'https://localhost' })
  await bench.start()
  const { port } = parseAddress(bench.configuration.listen.operator)
  const access = (host = 'localhost', as = bench.operator) => [
    ...['--url', `https://${host}:${port}`, '--ca', bench.own.file],
    ...['--cert', as.certFile, '--key', as.keyFile],
  ]
  const run = (...args: string[]) => runCommand([...args, ...access()])
  const registration = file('node-b.json', JSON.stringify(nodeClient('node-b')))

  expect(await run('client', 'put', 'node-b', '--file', registration)).toMatchObject({
    code: 0,
    answer: { client_id: 'node-b' },
  })
  expect((await run('client', 'get', 'node-b')).answer).toMatchObject({ sanDns: 'node-b.somebiz.local.io' })
  expect((await run('client', 'list')).answer.clients.length).toBe(1)
  const mint = ['token', 'mint', '--client', 'node-b', '--resource', nodeAudience('node-b'), '--expires-in', '60']
  expect(await run(...mint)).toMatchObject({ code: 1, stderr: expect.stringContaining('403') })
  await bench.call('mtls', 'PUT', '/holders/self', { as: bench.nodeB, json: { client_id: 'node-b' } })
  const { answer } = await run(...mint, '--scope', 'node:read')
  expect(answer).toMatchObject({ use: 'node', 'x5t#S256': bench.nodeB.x5t })
  expect((await run('token', 'list', '--subject', 'node-b', '--state', 'active')).answer.tokens).toMatchObject([
    { jti: answer.jti, scope: 'node:read' },
  ])
  expect((await run('token', 'revoke', '--jti', answer.jti)).answer).toEqual({ revoked: 1 })
  expect((await run('keys', 'rotate', '--grace-seconds', '60')).answer.previous).toMatchObject([{ state: 'grace' }])
  expect((await run('keys', 'list')).answer.keys.length).toBe(2)
  expect((await run('client', 'delete', 'node-b')).code).toBe(0)

  // The server's certificate does not name its address.
  const refused = await runCommand(['client', 'list', ...access('127.0.0.1')])
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('could not be called') })
  const listed = await runProgram(['client', 'list', ...access()])
  expect(listed).toEqual({ code: 0, stdout: expect.stringContaining('"clients": []'), stderr: '' })
  const node = await runProgram(['client', 'list', ...access('localhost', bench.nodeB)])
  expect(node).toMatchObject({ code: 1, stderr: expect.stringContaining('403') })
  await bench.dispose()
})

/** The command line as `main.ts` builds it, without a process for each call. */
async function runCommand(args: string[]) {
  const root = new Command('auth-server')
  addOperatorCommands(root)
  const stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const own = process.exitCode
  try {
    await root.parseAsync(args, { from: 'user' })
    const [said, complained] = [stdout, stderr].map(({ mock }) => mock.calls.map(([text]) => String(text)).join(''))
    return {
      code: process.exitCode,
      stderr: complained,
      answer: said ? JSON.parse(said) : undefined,
    }
  } finally {
    process.exitCode = own
    stdout.mockRestore()
    stderr.mockRestore()
  }
}

test('usage mistakes are exit code 2', async () => {
  const asked = [['token', 'mint'], ['token', 'burn'], ['--unknown'], ['--help']]
  const codes = await Promise.all(asked.map(async (args) => (await runProgram(args)).code))
  expect(codes).toEqual([2, 2, 2, 0])
})

test('storage and records are for their owner only', () => {
  expect(statSync(bench.configuration.decisionLog).mode & 0o777).toBe(0o600)
  expect(statSync(bench.configuration.storage.path).mode & 0o777).toBe(0o600)
})

test('who asks it to read its files anew while it starts is heard when it has', async () => {
  const path = join(bench.folder, 'starting', 'auth.db')
  const configFile = configWith((config) => {
    config.storage.path = path
  })
  let asked: Promise<unknown> | undefined
  const { child, stderr } = await spawnServer(['--config', configFile], {}, (starting) => {
    const isOpen = () => expect(existsSync(path)).toBe(true)
    asked = vi.waitFor(isOpen, { timeout: 30_000, interval: 1 }).then(() => starting.kill('SIGHUP'))
  })
  await asked
  await vi.waitFor(() => expect(stderr()).toContain('"event":"reloaded"'), 10_000)
  expect(stderr().indexOf('"event":"ready"')).toBeLessThan(stderr().indexOf('"event":"reloaded"'))
  child.kill('SIGTERM')
  expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0)
})

test('a log that nobody reads any more ends no service', async () => {
  const { child } = await spawnServer(['--config', bench.configFile])
  child.stderr?.destroy()
  for (let at = 0; at < 3; at += 1) {
    expect(await bench.call('public', 'GET', '/jwks')).toMatchObject({ status: 200 })
    // It writes a line.
    child.kill('SIGHUP')
  }
  expect(await bench.call('public', 'GET', '/jwks')).toMatchObject({ status: 200 })
  child.kill('SIGTERM')
  expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0)
})

test('refused handshakes beyond its bound are told as a number when it stops', async () => {
  const bench = await createBench({ limits: { handshakeRecords: 10 } })
  await bench.start()
  for (let at = 0; at < 25; at += 1) {
    const { port } = parseAddress(bench.configuration.listen.mtls)
    const plain = connect({ host: '127.0.0.1', port }, () => plain.write('GET / HTTP/1.1\r\n\r\n'))
    await once(
      plain.on('error', () => {}),
      'close',
    )
  }
  expect(bench.decisions().length).toBe(10)

  await bench.stop()
  expect(bench.decisions().length).toBe(11)
  expect(bench.lastDecision()).toMatchObject({ guard: 'tls.handshake', reason: 'handshake_failed', notWritten: 14 })
  await bench.dispose()
})
