import { existsSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { boundFiles, canBoundFiles, canFreezeFiles, freezeFiles } from '../shared/testing/full-disk.ts'
import { type CallResult, callLocal, connectPeering } from './testing/caller.ts'
import { startOrchestrator, type TestOrchestrator, until } from './testing/process.ts'
import { HOST_A, nodeConfiguration, nodeToken, peerToken, type TestSite, testSite } from './testing/site.ts'

// One real process whose storage takes no writes for a while.

let site: TestSite
let a: TestOrchestrator
let path: string
let decisionLog: string

beforeAll(async () => {
  site = await testSite()
  const configuration = await nodeConfiguration(site, 'a', 1, await peerToken(site, 'a'))
  path = configuration.storage.path
  decisionLog = configuration.decisionLog
  a = await startOrchestrator(site.folder, configuration)
})

afterAll(async () => {
  await a?.[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
})

const operator = () => ({ identity: site.operatorA, ca: site.caA.pem, host: HOST_A, port: a.local })

async function writes(name: string): Promise<[string, CallResult][]> {
  const record = { endpoint: 'wss://node-d.somebiz.local.io:9443', domains: [] }
  const token = await peerToken(site, 'a', { aud: 'https://node-d.somebiz.local.io' })
  const peer = { ...record, name, peerToken: token, trustDomain: 'org-b' }
  const route = { protocol: 'http', endpoint: 'https://a.test/' }
  const calls = [
    ['PUT', `/v1/routes/a.test/${name}`, route],
    ['POST', '/v1/peers', peer],
    ['PATCH', '/v1/peers/node-kept', { domains: ['d.test'] }],
    ['DELETE', '/v1/peers/node-kept', undefined],
    ['DELETE', '/v1/routes/a.test/kept', undefined],
  ] as const
  const answers: [string, CallResult][] = []
  for (const [method, at, json] of calls) {
    answers.push([`${method} ${at}`, await callLocal(operator(), method, at, json === undefined ? {} : { json })])
  }
  return answers
}

async function kept(): Promise<unknown[]> {
  const peer = await callLocal(operator(), 'GET', '/v1/peers/node-kept')
  const route = await callLocal(operator(), 'GET', '/v1/routes?domain=a.test')
  return [peer.json?.domains, route.json?.routes]
}

const ready = () => callLocal(operator(), 'GET', '/readyz')

/** Every write is refused and changes nothing while `hold` lasts; whatever needs none goes on; and all is well after it. */
async function expectUnavailable(name: string, hold: () => () => void): Promise<void> {
  const json = { protocol: 'http', endpoint: 'https://a.test/' }
  expect((await callLocal(operator(), 'PUT', '/v1/routes/a.test/kept', { json })).status).toBeLessThan(300)
  const endpoint = 'wss://node-kept.somebiz.local.io:9443'
  const token = await peerToken(site, 'a', { aud: 'https://node-kept.somebiz.local.io' })
  const peer = { name: 'node-kept', endpoint, domains: ['kept.test'], peerToken: token, trustDomain: 'org-b' }
  expect((await callLocal(operator(), 'POST', '/v1/peers', { json: peer })).status).toBe(201)
  expect(await ready()).toMatchObject({ status: 200, json: { status: 'ready' } })

  const release = hold()
  try {
    // A good answer may be a second old.
    await until(async () => (await ready()).status !== 200, 'readiness to end', 2_000)
    expect(await ready()).toMatchObject({ status: 503, json: { status: 'unavailable', reason: 'storage_unavailable' } })
    for (const [call, answer] of await writes(name)) {
      expect([call, answer]).toMatchObject([call, { status: 503, json: { error: 'storage_unavailable' } }])
      expect(a.decisions().at(-1)).toMatchObject({
        ...{ verdict: 'refused', status: 503, guard: 'local.storage', reason: 'storage_unavailable' },
      })
    }
    expect(await kept()).toMatchObject([['kept.test'], [{ name: 'kept' }]])
    const session = await connectPeering(
      { ...operator(), identity: site.certB, port: a.peering },
      await peerToken(site, 'b'),
    )
    session.socket?.terminate()
    expect(session).toMatchObject({ outcome: 'accepted', first: { type: 'open' } })
    const reads = callLocal({ ...operator(), identity: site.certA }, 'GET', '/v1/state', {
      token: await nodeToken(site, 'a'),
    })
    expect(await reads).toMatchObject({ status: 200 })
  } finally {
    release()
  }
  expect(await ready()).toMatchObject({ status: 200 })
  expect((await writes(name)).map(([, { status }]) => status)).toEqual([201, 201, 200, 204, 204])
  for (const at of [`/v1/routes/a.test/${name}`, `/v1/peers/${name}`]) {
    expect(await callLocal(operator(), 'DELETE', at)).toMatchObject({ status: 204 })
  }
}

test('held by another process: not ready, every write 503, and back again', async () => {
  await expectUnavailable('held', () => {
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    return () => {
      other.exec('ROLLBACK')
      other.close()
    }
  })
})

test('full: not ready, every write 503, and back again', async ({ skip }) => {
  skip(!canBoundFiles, 'no prlimit here')
  await expectUnavailable('full', () => {
    const bytes = statSync(`${path}-wal`).size
    // What is decided is on record as ever: only the storage has reached its end.
    expect(bytes).toBeGreaterThan(2 * statSync(decisionLog).size)
    boundFiles(a.process.pid as number, bytes)
    return () => boundFiles(a.process.pid as number, undefined)
  })
})

test('read-only: not ready, every write 503, and back again', async ({ skip }) => {
  skip(!canFreezeFiles, 'chattr cannot make a file read-only here')
  await expectUnavailable('frozen', () => {
    const files = [path, `${path}-wal`].filter((file) => existsSync(file))
    expect(files).toHaveLength(2)
    freezeFiles(files, true)
    return () => freezeFiles(files, false)
  })
})
