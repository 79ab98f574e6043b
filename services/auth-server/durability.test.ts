import { copyFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { decodeJwt } from 'jose'
import { afterEach, beforeEach, expect, test } from 'vitest'
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

test('a stop ends a request that never comes to its end, and the process within five seconds', async () => {
  const { child } = await spawnServer(['--config', bench.configFile])
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const options = { as: bench.nodeB, form, headers: { 'content-length': '1000' } }
  const hanging = bench.call('mtls', 'POST', '/token', options).catch((failure: Error) => failure)
  await bench.operate('GET', '/keys')
  const started = performance.now()
  child.kill('SIGTERM')

  expect(await ended).toBe(0)
  expect(performance.now() - started).toBeLessThan(5_000)
  expect(await hanging).toBeInstanceOf(Error)
})
