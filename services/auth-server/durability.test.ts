import { copyFileSync, statSync } from 'node:fs'
import { Agent } from 'node:https'
import { DatabaseSync } from 'node:sqlite'
import { decodeJwt } from 'jose'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { boundFiles, canBoundFiles, canFreezeFiles, freezeFiles } from '../shared/testing/full-disk.ts'
import { openStore, type Store } from './store/store.ts'
import { ClientGone } from './store/token-writer.ts'
import { type Bench, createBench, nodeAudience, nodeClient, spawnServer } from './testing.ts'

let bench: Bench

beforeEach(async () => {
  bench = await createBench()
})
afterEach(() => bench.dispose())

const form = { grant_type: 'client_credentials', client_id: 'node-b', resource: nodeAudience('node-b') }
const request = () => bench.call('mtls', 'POST', '/token', { as: bench.nodeB, form })

async function isActive(token: string): Promise<boolean> {
  const body = { client_id: 'node-b', token }
  return (await bench.call('mtls', 'POST', '/token/introspection', { as: bench.nodeB, form: body })).json.active
}

test('what was answered is kept, even when the process is killed right after', async () => {
  const { child } = await spawnServer(['--config', bench.configFile])
  const ended = new Promise((resolve) => child.once('exit', resolve))
  await bench.operate('PUT', '/clients/node-b', nodeClient('node-b'))
  const tokens = (await Promise.all(Array.from({ length: 20 }, request))).map(({ json }) => json.access_token as string)
  const [revoked, ...kept] = tokens as [string, ...string[]]
  expect((await bench.operate('POST', '/tokens/revoke', { jti: decodeJwt(revoked).jti })).status).toBe(200)
  child.kill('SIGKILL')
  await ended

  await bench.start()
  expect((await bench.operate('GET', '/tokens?subject=node-b')).json.tokens.length).toBe(20)
  expect(await isActive(revoked)).toBe(false)
  for (const token of kept) expect(await isActive(token)).toBe(true)
})

const LANES = 5

test('an introspection that begins after the answer of a revoke says inactive, however many run at once, also after a kill', async () => {
  const { child } = await spawnServer(['--config', bench.configFile])
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const agent = new Agent({ keepAlive: true, maxSockets: LANES * 6 })
  onTestFinished(() => agent.destroy())
  await bench.operate('PUT', '/clients/node-b', nodeClient('node-b'))
  const post = (path: string, form: Record<string, string>) =>
    bench.call('mtls', 'POST', path, { as: bench.nodeB, form: { client_id: 'node-b', ...form }, agent })
  const ask = async (token: string): Promise<boolean> => (await post('/token/introspection', { token })).json.active
  const mint = async (): Promise<string> => (await post('/token', form)).json.access_token
  const tokens = await Promise.all(Array.from({ length: 51 }, mint))
  const [kept, ...ending] = tokens as [string, ...string[]]
  expect(new Set(await Promise.all(tokens.map(ask)))).toEqual(new Set([true]))

  const endedWhileAsked = async (token: string, at: number) => {
    const underWay = [ask(token), ask(token)]
    // By the operator, and by the client itself (RFC 7009).
    const revoking =
      at % 2 === 0
        ? bench.operate('POST', '/tokens/revoke', { jti: decodeJwt(token).jti })
        : post('/token/revocation', { token })
    underWay.push(ask(token), ask(token))
    expect((await revoking).status).toBe(200)
    const after = await Promise.all([ask(token), ask(token)])
    return { after, underWay: await Promise.all(underWay), kept: await ask(kept) }
  }
  // Few enough that each call is sent as soon as it is made: one that waits for a connection begins later than it seems.
  const lanes = Array.from({ length: LANES }, async (_, lane) => {
    const told: Awaited<ReturnType<typeof endedWhileAsked>>[] = []
    for (let at = lane; at < ending.length; at += LANES) told.push(await endedWhileAsked(ending[at] as string, at))
    return told
  })
  const told = (await Promise.all(lanes)).flat()
  expect(told).toHaveLength(50)
  for (const { after, kept } of told) expect({ after, kept }).toEqual({ after: [false, false], kept: true })
  // They did overlap: some of those that began before were told otherwise.
  expect(told.some(({ underWay }) => underWay.includes(true))).toBe(true)

  child.kill('SIGKILL')
  await ended
  await bench.start()
  expect(await isActive(kept)).toBe(true)
  expect(new Set(await Promise.all(ending.map(isActive)))).toEqual(new Set([false]))
})

/** Nothing is written and nothing lost while `hold` lasts, and what needs no write goes on. */
async function expectUnavailable(hold: () => () => void): Promise<void> {
  const ready = () => bench.call('operator', 'GET', '/readyz', { as: bench.operator })
  const minted = await request()
  expect(minted.status).toBe(200)
  expect((await ready()).status).toBe(200)
  const token = minted.json.access_token
  const release = hold()
  try {
    // A good answer may be a second old.
    await expect.poll(async () => (await ready()).status, { timeout: 2_000, interval: 50 }).toBe(503)
    expect((await ready()).json).toMatchObject({ reason: 'storage_unavailable' })
    expect(await request()).toMatchObject({ status: 503, json: { error: 'storage_unavailable' } })
    expect(bench.lastDecision()).toMatchObject({ guard: 'storage.write', reason: 'storage_unavailable' })
    expect(await bench.operate('POST', '/tokens/revoke', { jti: decodeJwt(token).jti })).toMatchObject({
      status: 503,
      json: { error: 'storage_unavailable' },
    })
    expect(await isActive(token)).toBe(true)
  } finally {
    release()
  }
  await expect.poll(async () => (await ready()).status, { timeout: 2_000, interval: 50 }).toBe(200)
  expect((await bench.operate('POST', '/tokens/revoke', { jti: decodeJwt(token).jti })).json).toEqual({ revoked: 1 })
  expect((await request()).status).toBe(200)
}

test('a full disk: nothing is minted or revoked, and introspection goes on', async ({ skip }) => {
  skip(!canBoundFiles, 'no prlimit here')
  const { child } = await spawnServer(['--config', bench.configFile])
  onTestFinished(() => void child.kill('SIGKILL'))
  const pid = child.pid as number
  await bench.operate('PUT', '/clients/node-b', nodeClient('node-b'))
  const { path } = bench.configuration.storage
  await expectUnavailable(() => {
    const bytes = statSync(`${path}-wal`).size
    // What is decided is on record as ever: only the storage has reached its end.
    expect(bytes).toBeGreaterThan(2 * statSync(bench.configuration.decisionLog).size)
    boundFiles(pid, bytes)
    return () => boundFiles(pid, undefined)
  })
})

test('read-only files: nothing is minted or revoked, and introspection goes on', async ({ skip }) => {
  skip(!canFreezeFiles, 'chattr cannot make a file read-only here')
  await bench.start()
  await bench.operate('PUT', '/clients/node-b', nodeClient('node-b'))
  await expectUnavailable(() => {
    const files = [bench.configuration.storage.path, `${bench.configuration.storage.path}-wal`]
    freezeFiles(files, true)
    return () => freezeFiles(files, false)
  })
})

test('while nothing can be written, nothing is minted, and introspection goes on', async () => {
  await bench.start()
  await bench.operate('PUT', '/clients/node-b', nodeClient('node-b'))
  const token = (await request()).json.access_token
  const other = new DatabaseSync(bench.configuration.storage.path)
  other.exec('BEGIN IMMEDIATE')

  const answer = await request()
  expect(answer).toMatchObject({ status: 503, json: { error: 'storage_unavailable' } })
  expect(answer.headers['retry-after']).toBe('5')
  expect(bench.lastDecision()).toMatchObject({
    verdict: 'refused',
    status: 503,
    guard: 'storage.write',
    reason: 'storage_unavailable',
  })
  for (const [method, path, body] of [
    ['POST', '/tokens', { clientId: 'node-b', resource: nodeAudience('node-b') }],
    ['POST', '/tokens/revoke', { jti: decodeJwt(token).jti }],
    ['POST', '/keys/rotate', { mode: 'immediate' }],
    ['PUT', '/clients/node-d', nodeClient('node-d')],
    ['DELETE', '/clients/node-b', undefined],
  ] as const) {
    expect(await bench.operate(method, path, body)).toMatchObject({
      status: 503,
      json: { error: 'storage_unavailable' },
    })
  }
  expect(await isActive(token)).toBe(true)
  const ready = await bench.call('operator', 'GET', '/readyz', { as: bench.operator })
  expect(ready).toMatchObject({ status: 503, json: { reason: 'storage_unavailable' } })

  other.exec('ROLLBACK')
  other.close()
  expect((await request()).status).toBe(200)
  expect((await bench.call('operator', 'GET', '/readyz', { as: bench.operator })).status).toBe(200)
  expect((await bench.operate('GET', '/tokens?subject=node-b')).json.tokens.length).toBe(2)
})

test('a token whose row is lost is inactive', async () => {
  const backup = `${bench.configuration.storage.path}.backup`
  await bench.start()
  await bench.operate('PUT', '/clients/node-b', nodeClient('node-b'))
  await bench.stop()
  copyFileSync(bench.configuration.storage.path, backup)
  await bench.start()
  const token = (await request()).json.access_token
  expect(await isActive(token)).toBe(true)

  await bench.stop()
  copyFileSync(backup, bench.configuration.storage.path)
  await bench.start()
  expect(await isActive(token)).toBe(false)
  expect(bench.lastDecision()).toMatchObject({ effect: 'inactive:unrecorded' })
})

test('new anchors count from the reload on, on connections that are open too', async () => {
  await bench.start()
  await bench.operate('PUT', '/clients/far', {
    ...nodeClient('far'),
    sanDns: 'node-b.somebiz.local.io',
    trustDomain: 'other',
  })
  const prove = () => bench.call('mtls', 'PUT', '/holders/self', { as: bench.foreignB, json: { client_id: 'far' } })
  expect((await prove()).status).toBe(200)

  copyFileSync(bench.own.file, bench.foreign.file)
  bench.reload()
  expect((await prove()).status).toBe(401)
  expect(bench.lastDecision()).toMatchObject({ guard: 'token.client', reason: 'anchor_mismatch' })
})

test('a reload that cannot read its files changes nothing', async () => {
  await bench.start()
  const { writeFileSync } = await import('node:fs')
  writeFileSync(bench.configuration.tls.ca, 'nothing')
  bench.reload()

  expect((await bench.operate('GET', '/keys')).status).toBe(200)
})

const seconds = Math.floor(Date.now() / 1000)

function fill(store: Store, count: number, exp: number): Promise<unknown> {
  store.clients.put({ clientId: 'n', method: 'tls_client_auth', pins: [], grants: [], introspects: [] })
  const record = (index: number) =>
    store.tokens.record({
      jti: `${exp}-${index}`,
      use: 'node',
      clientId: 'n',
      aud: ['https://n'],
      scope: 'node:read',
      x5t: 'x',
      sans: ['n.test', 'm.test'],
      trustedDomains: [],
      kid: 'k',
      iat: 1,
      exp,
    })
  return Promise.all(Array.from({ length: count }, (_, index) => record(index)))
}

test('rows are purged in batches, with their SANs, and only those that ended long ago', async () => {
  const store = openStore(bench.configuration.storage.path)
  await fill(store, 30, seconds - 100)
  await fill(store, 5, seconds + 100)

  expect(store.tokens.purge(seconds, 20)).toBe(20)
  expect(store.tokens.purge(seconds, 20)).toBe(10)
  expect(store.tokens.purge(seconds, 20)).toBe(0)
  expect(store.tokens.list({ san: 'm.test' }, { limit: 100, cursor: 0 }, seconds).tokens.length).toBe(5)
  await store.close()
})

test('a token of a client that was removed meanwhile is not recorded', async () => {
  const store = openStore(bench.configuration.storage.path)
  await fill(store, 1, seconds + 100)
  const late = fill(store, 1, seconds + 200)
  store.clients.remove('n', seconds)

  await expect(late).rejects.toThrow(ClientGone)
  expect(store.tokens.list({}, { limit: 100, cursor: 0 }, seconds).tokens.length).toBe(1)
  await store.close()
})

test('a stop ends a request that never comes to its end, and the process within five seconds; a second one ends it at once', async () => {
  /** A server in the middle of a request, that was asked to stop. */
  const stopping = async () => {
    const { child } = await spawnServer(['--config', bench.configFile])
    const ended = new Promise((resolve) => child.once('exit', resolve))
    const options = { as: bench.nodeB, form, headers: { 'content-length': '1000' } }
    const hanging = bench.call('mtls', 'POST', '/token', options).catch((failure: Error) => failure)
    await bench.operate('GET', '/keys')
    const started = performance.now()
    child.kill('SIGTERM')
    return { child, ended, hanging, started }
  }
  const first = await stopping()
  expect(await first.ended).toBe(0)
  // It was waited for.
  expect(performance.now() - first.started).toBeGreaterThan(2_500)
  expect(performance.now() - first.started).toBeLessThan(5_000)
  expect(await first.hanging).toBeInstanceOf(Error)

  const second = await stopping()
  const isRefused = () =>
    bench.operate('GET', '/keys').then(
      () => false,
      () => true,
    )
  await expect.poll(isRefused, { timeout: 2_000, interval: 20 }).toBe(true)
  expect(second.child.exitCode).toBe(null)
  const again = performance.now()
  second.child.kill('SIGTERM')
  expect(await second.ended).toBe(1)
  expect(performance.now() - again).toBeLessThan(1_000)
  expect(await second.hanging).toBeInstanceOf(Error)
})
