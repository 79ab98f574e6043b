import { chmodSync, copyFileSync, existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { loadConfiguration } from '../shared/configuration.ts'
import { StartFailure } from '../shared/start-failure.ts'
import { program } from './config.ts'
import { prepare } from './prepare.ts'
import { callLocal, connectPeering } from './testing/caller.ts'
import { decisionsIn, spawnOrchestrator, startOrchestrator } from './testing/process.ts'
import { HOST_A, HOST_B, nodeConfiguration, peerToken, type TestSite, testSite, withPeering } from './testing/site.ts'

// Whatever is wrong, the process ends with 78 and one line, and opens no socket. The last tests start it for good.

type Configuration = Awaited<ReturnType<typeof nodeConfiguration>>

// Each test starts programs, and many run side by side: two cores have to be enough.
vi.setConfig({ testTimeout: 60_000 })

let site: TestSite

beforeAll(async () => {
  site = await testSite()
})

afterAll(async () => {
  await site[Symbol.asyncDispose]()
})

const goodConfiguration = async (): Promise<Configuration> =>
  nodeConfiguration(site, 'a', 1, await peerToken(site, 'a'))

async function refusedStart(configuration: unknown, env: Record<string, string> = {}): Promise<string> {
  const { exited, stderr, stdout } = spawnOrchestrator(site.folder, configuration, { env })
  const code = await exited
  expect({ code, stdout: stdout() }).toEqual({ code: 78, stdout: '' })
  expect(stderr().trimEnd().split('\n')).toHaveLength(1)
  expect(stderr()).not.toMatch(/\n\s+at /)
  expect(stderr()).not.toContain('eyJ')
  return stderr()
}

let written = 0

/** What `main.ts` makes one line and exit code 78 of, before it opens a socket or the storage. */
function refusalOf(configuration: unknown): string {
  written += 1
  const file = join(site.folder, `refused-${written}.json`)
  writeFileSync(file, JSON.stringify(configuration), { mode: 0o600 })
  const failure = failureOf(() => prepare(loadConfiguration(program, { file, environment: {} })))
  expect(failure).toBeInstanceOf(StartFailure)
  const { reason, message } = failure as StartFailure
  expect(message).not.toContain('eyJ')
  return `${reason}: ${message}`
}

function failureOf(act: () => unknown): unknown {
  try {
    return act()
  } catch (failure) {
    return failure
  }
}

/** Sets or (with undefined) removes the value at a path. */
function changed(configuration: Configuration, path: string, value: unknown): unknown {
  const copy = structuredClone(configuration) as Record<string, unknown>
  const parts = path.split('.')
  const last = parts.pop() as string
  const holder = parts.reduce((inner, part) => inner[part] as Record<string, unknown>, copy)
  if (value === undefined) delete holder[last]
  else holder[last] = value
  return copy
}

test.each<[string, unknown]>([
  ['node', undefined],
  ['node', 'Node A'],
  ['host', 'localhost'],
  ['peering.listen', '9443'],
  ['listen.local', '127.0.0.1:99999'],
  ['tls.cert', '/nowhere/cert.pem'],
  ['tls.key', undefined],
  ['trustDomain.name', ''],
  ['trustDomain.ca', '/nowhere/ca.pem'],
  ['peering.audience', 'peering'],
  ['peering.trustDomains.org-b', {}],
  ['peering.trustDomains.org-b.ca', '/dev/null'],
  ['peering.auth', undefined],
  ['peering.auth.issuer', ''],
  ['peering.auth.issuer', 'http://auth-a.somebiz.local.io'],
  ['peering.auth.jwksUri', 'jwks'],
  ['peering.auth.introspectionEndpoint', 'http://auth-a.somebiz.local.io/introspect'],
  ['peering.auth.ca', '/nowhere/ca.pem'],
  ['peering.validation.mode', 'none'],
  ['peering.validation.introspectionCacheMs', 5_001],
  ['operators', 'operator'],
  ['operators.0', '*'],
  ['peering.peers', {}],
  ['peering.peers.0.name', 'node-a'],
  ['peering.peers.0.name', undefined],
  ['peering.peers.0.endpoint', 'https://node-b.somebiz.local.io'],
  ['peering.peers.0.domains', ['*.test']],
  ['peering.peers.0.trustDomain', 'org-z'],
  ['peering.peers.0.peerToken', 'a second origin'],
  ['peering.peers.0.enabled', 'yes'],
  ['peering.peers.1', { name: 'node-b', endpoint: 'wss://b.test:1', domains: [] }],
  ['peering.routes', [{ domain: 'a.test', name: 'x', protocol: 'ftp', endpoint: 'x' }]],
  ['storage', undefined],
  ['decisionLog', '/nowhere/decisions.jsonl'],
  ['peering.limits.refusalsPerCertificate', 9],
  ['peering.limits.sessions', 0],
  ['limits', { handshakes: 9 }],
  ['peers', []],
  ['peering.session.holdTimeMs', 2_999],
  ['peering.session.reconnectInitialMs', '1s'],
  ['peering.clockSkewSeconds', 61],
  ['skipAuth', true],
  ['peering.validation.skip', true],
])('%s = %j does not start', async (path, value) => {
  expect(refusalOf(changed(await goodConfiguration(), path, value))).toMatch(/^config_invalid: /)
})

// One for each place where a start can fail: here the program itself is asked.
test.concurrent.each<[string, unknown]>([
  ['peering.listen', 'here'],
  ['tls.ca', '/nowhere/ca.pem'],
  ['peering.peers.0.trustDomain', 'org-c'],
  ['storage.path', ':memory:'],
  ['decisionLog', '/nowhere/at-all.jsonl'],
])('%s = %j ends the program with 78 and one line', async (path, value) => {
  expect(await refusedStart(changed(await goodConfiguration(), path, value))).toMatch(/^orchestrator: config_invalid: /)
})

test.concurrent('no file, no JSON, an unknown variable: none starts', async () => {
  expect(await refusedStart('{"node": "eyJ')).toContain('is not JSON')
  expect(refusalOf([])).toContain('one JSON object')
  expect(await refusedStart(await goodConfiguration(), { ORCHESTRATOR_NODEE: 'x' })).toContain('ORCHESTRATOR_NODEE')
})

test('without a section there is nothing to do, and the sections are named', async () => {
  const line = await refusedStart(changed(await goodConfiguration(), 'peering', undefined))
  expect(line).toMatch(
    /^orchestrator: config_invalid: .*peering: is missing, and so is messaging; a node needs a section/,
  )
})

test('a key of another certificate, and a key and a token file that others can read', async () => {
  const good = await goodConfiguration()
  expect(refusalOf(changed(good, 'tls.key', site.certB.keyFile))).toContain('is not the key of')
  const openKey = join(site.folder, 'open.key')
  copyFileSync(good.tls.key, openKey)
  chmodSync(openKey, 0o640)
  expect(await refusedStart(changed(good, 'tls.key', openKey))).toBe(
    `orchestrator: config_invalid: the private key ${openKey} can be read by others; make it 0600\n`,
  )
  chmodSync(good.peering.peers[0]?.peerTokenFile ?? '', 0o644)
  expect(refusalOf(good)).toContain('open to others')
})

test.each<[string, () => Promise<string>, RegExp]>([
  ['peer_token_missing', async () => '', /blank/],
  ['peer_token_missing', async () => ' \n\t', /blank/],
  ['peer_token_malformed', async () => 'some-token', /no access token/],
  ['peer_token_malformed', async () => '..', /no access token/],
  ['peer_token_expired', () => peerToken(site, 'a', { exp: 1_000 }), /1970/],
  ['peer_token_subject_mismatch', () => peerToken(site, 'a', { sub: 'node-c' }), /"node-c"/],
  ['peer_token_subject_mismatch', () => peerToken(site, 'b'), /other direction.*swap/],
  ['peer_token_audience_mismatch', () => peerToken(site, 'a', { aud: `https://${HOST_A}` }), /node-b/],
  ['peer_token_bound_elsewhere', () => peerToken(site, 'a', { cnf: { 'x5t#S256': site.certB.x5t } }), /bound to/],
])('%s is named, with the peer and what was found', async (reason, token, text) => {
  const good = await goodConfiguration()
  writeFileSync(good.peering.peers[0]?.peerTokenFile ?? '', await token())
  const line = refusalOf(good)
  expect(line).toMatch(new RegExp(`^${reason}: peer "node-b": `))
  expect(line).toMatch(text)
  expect(decisionsIn(good.decisionLog)).toMatchObject([{ layer: 'start-up', guard: 'start.config', reason }])
})

test.concurrent('a missing token file, plaintext, and a node token for another organisation', async () => {
  const good = await goodConfiguration()
  expect(await refusedStart(changed(good, 'peering.peers.0.peerTokenFile', '/nowhere/token'))).toContain(
    'peer_token_missing',
  )
  const plaintext = changed(good, 'peering.peers.0.endpoint', `ws://${HOST_B}:9443`)
  expect(await refusedStart(plaintext)).toContain('endpoint_plaintext')
  expect(decisionsIn(good.decisionLog).at(-1)).toMatchObject({ guard: 'dial.target', reason: 'endpoint_plaintext' })
  const foreign = changed(good, 'peering.peers.0.peerTokenFile', undefined)
  expect(refusalOf(foreign)).toMatch(/peer_token_missing.*another|peer_token_missing.*"org-b"/)
})

test('a wrong configuration opens no socket and makes no storage', async () => {
  const good = await goodConfiguration()
  const port = Number(good.peering.listen.split(':')[1])
  const started = spawnOrchestrator(site.folder, changed(good, 'peering.peers.0.name', 'node-a'))
  let hasListened = false
  const probe = setInterval(() => {
    const socket = connect(port, '127.0.0.1', () => {
      hasListened = true
      socket.destroy()
    })
    socket.on('error', () => {})
  }, 10)
  await started.exited
  clearInterval(probe)
  expect({ hasListened, storage: existsSync(good.storage.path) }).toEqual({ hasListened: false, storage: false })
})

test('--check-config says that a good one is good, --print-config hides the token', async () => {
  const good = await goodConfiguration()
  const check = spawnOrchestrator(site.folder, good, { args: ['--check-config'] })
  expect({ code: await check.exited, stdout: check.stdout() }).toEqual({
    code: 0,
    stdout: 'the configuration is good\n',
  })
  const token = await peerToken(site, 'a')
  const inline = changed(
    changed(good, 'peering.peers.0.peerTokenFile', undefined) as Configuration,
    'peering.peers.0.peerToken',
    token,
  )
  const print = spawnOrchestrator(site.folder, inline, { args: ['--print-config'] })
  expect(await print.exited).toBe(0)
  expect(print.stdout()).toContain('"mode": "both"')
  expect(print.stdout()).not.toContain('eyJ')
})

test.each(['true', '1', 'yes'])(
  'no variable turns a check off: it is named as ignored, and the call without a token is refused: %s',
  async (value) => {
    const env = { CATALYST_SKIP_AUTH: value, ORCHESTRATOR_INSECURE: value, MY_NO_AUTH: value }
    await using node = await startOrchestrator(site.folder, await goodConfiguration(), env)
    for (const name of Object.keys(env)) expect(node.stderr()).toContain(`"variable":"${name}"`)
    const caller = { identity: site.certB, ca: site.caA.pem, host: HOST_A, port: node.peering }
    expect(await connectPeering(caller, undefined)).toMatchObject({
      status: 401,
      challenge: `Bearer realm="${HOST_A}"`,
    })
    const accepted = await connectPeering(caller, await peerToken(site, 'b'))
    expect(accepted.outcome).toBe('accepted')
    accepted.socket?.terminate()
  },
)

test('an unknown option is a mistake of usage', async () => {
  const { exited, stderr } = spawnOrchestrator(site.folder, await goodConfiguration(), { args: ['--skip-auth'] })
  expect(await exited).toBe(2)
  expect(stderr()).toContain("unknown option '--skip-auth'")
})

test('a flag beats a variable, a variable beats the file', async () => {
  const good = await goodConfiguration()
  const env = { ORCHESTRATOR_PEERING_CLOCK_SKEW_SECONDS: '7', ORCHESTRATOR_PEERING_VALIDATION_MODE: 'jwks' }
  const args = ['--print-config', '--peering-clock-skew-seconds', '9']
  const { exited, stdout } = spawnOrchestrator(site.folder, good, { args, env })
  expect(await exited).toBe(0)
  expect(JSON.parse(stdout())).toMatchObject({ peering: { clockSkewSeconds: 9, validation: { mode: 'jwks' } } })
})

test('an auth server that is down: it starts, is not ready, admits nobody, and recovers by itself', async () => {
  await site.authA.down()
  await using node = await startOrchestrator(site.folder, await goodConfiguration())
  const operator = { identity: site.operatorA, ca: site.caA.pem, host: HOST_A, port: node.local }
  const peer = { identity: site.certB, ca: site.caA.pem, host: HOST_A, port: node.peering }
  expect(await callLocal(operator, 'GET', '/healthz')).toMatchObject({ status: 200 })
  expect(await callLocal(operator, 'GET', '/readyz')).toMatchObject({
    status: 503,
    json: { reason: 'auth_unavailable' },
  })
  expect(await connectPeering(peer, await peerToken(site, 'b'))).toMatchObject({ status: 503 })
  expect(node.decisions().at(-1)).toMatchObject({ guard: 'token.signature', reason: 'jwks_unavailable' })
  await site.authA.up()
  await expect.poll(async () => (await callLocal(operator, 'GET', '/readyz')).status, { timeout: 5_000 }).toBe(200)
  const accepted = await connectPeering(peer, await peerToken(site, 'b'))
  expect(accepted.outcome).toBe('accepted')
  accepted.socket?.terminate()
})

test('SIGHUP: an anchor that is gone ends its sessions within a second, and new ones at TLS', async () => {
  const good = await goodConfiguration()
  const anchor = join(site.folder, 'changing-anchor.pem')
  writeFileSync(anchor, site.caB.pem)
  await using node = await startOrchestrator(
    site.folder,
    changed(good, 'peering.trustDomains.org-b.ca', anchor) as Configuration,
  )
  const caller = { identity: site.certB, ca: site.caA.pem, host: HOST_A, port: node.peering }
  const { socket } = await connectPeering(caller, await peerToken(site, 'b'))
  const closed = new Promise((resolve) => socket?.once('close', resolve))
  writeFileSync(anchor, site.caA.pem)
  const startedAt = performance.now()
  node.process.kill('SIGHUP')
  expect(await closed).toBe(4412)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  expect((await connectPeering(caller, await peerToken(site, 'b'))).outcome).toBe('tls')
  expect(node.decisions().at(-1)).toMatchObject({ guard: 'peer.tls', reason: 'cert_untrusted' })
})

function operatorAt(port: number) {
  return { identity: site.operatorA, ca: site.caA.pem, host: HOST_A, port }
}

test('peers and routes of the API are there after kill -9', async () => {
  const good = await goodConfiguration()
  {
    await using node = await startOrchestrator(site.folder, good)
    const operator = operatorAt(node.local)
    const peerInfo = {
      name: 'node-d',
      endpoint: 'wss://node-d.somebiz.local.io:9443',
      domains: [],
      peerToken: await peerToken(site, 'a', { aud: 'https://node-d.somebiz.local.io' }),
    }
    expect((await callLocal(operator, 'POST', '/v1/peers', { json: peerInfo })).status).toBe(201)
    const json = { protocol: 'http', endpoint: 'https://a.test/' }
    expect((await callLocal(operator, 'PUT', '/v1/routes/a.test/kept', { json })).status).toBe(201)
    node.process.kill('SIGKILL')
    await node.exited
  }
  await using again = await startOrchestrator(site.folder, good)
  expect((await callLocal(operatorAt(again.local), 'GET', '/v1/peers/node-d')).status).toBe(200)
  const { json } = await callLocal(operatorAt(again.local), 'GET', '/v1/routes')
  expect(json?.routes).toMatchObject([{ domain: 'a.test', name: 'kept', state: 'local' }])
})

test('a peer of the file that the API changed is as the file says after the next start', async () => {
  const good = await goodConfiguration()
  const enabledIn = async (port: number): Promise<unknown> =>
    (await callLocal(operatorAt(port), 'GET', '/v1/peers/node-b')).json?.enabled
  {
    await using node = await startOrchestrator(site.folder, good)
    expect(await enabledIn(node.local)).toBe(true)
    const patch = { json: { enabled: false } }
    expect((await callLocal(operatorAt(node.local), 'PATCH', '/v1/peers/node-b', patch)).status).toBe(200)
    expect(await enabledIn(node.local)).toBe(false)
    const caller = { identity: site.certB, ca: site.caA.pem, host: HOST_A, port: node.peering }
    expect(await connectPeering(caller, await peerToken(site, 'b'))).toMatchObject({ status: 403 })
  }
  await using again = await startOrchestrator(site.folder, withPeering(good, { peers: [] }))
  expect((await callLocal(operatorAt(again.local), 'GET', '/v1/peers/node-b')).status).toBe(404)
})
