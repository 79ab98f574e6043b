import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Bench, createBench, nodeAudience, nodeClient } from './testing.ts'

let bench: Bench

beforeEach(async () => {
  bench = await createBench()
  await bench.start()
  await bench.operate('PUT', '/clients/node-b', nodeClient('node-b'))
})
afterEach(async () => {
  vi.useRealTimers()
  await bench.dispose()
})

async function token(): Promise<string> {
  const form = { grant_type: 'client_credentials', client_id: 'node-b', resource: nodeAudience('node-b') }
  return (await bench.call('mtls', 'POST', '/token', { as: bench.nodeB, form })).json.access_token
}

async function isActive(text: string): Promise<boolean> {
  const form = { client_id: 'node-b', token: text }
  return (await bench.call('mtls', 'POST', '/token/introspection', { as: bench.nodeB, form })).json.active
}

const kids = async (): Promise<string[]> =>
  (await bench.call('public', 'GET', '/jwks')).json.keys.map((key: { kid: string }) => key.kid)

test('with grace the earlier key verifies until its time, and then its tokens are nothing', async () => {
  const old = await token()
  const [before] = await kids()
  const answer = await bench.operate('POST', '/keys/rotate', { mode: 'grace', graceSeconds: 60 })

  expect(answer).toMatchObject({
    status: 200,
    json: { kid: expect.any(String), previous: [{ kid: before, state: 'grace', until: expect.any(Number) }] },
  })
  expect(new Set(await kids())).toEqual(new Set([before, answer.json.kid]))
  expect(decodeProtectedHeader(await token()).kid).toBe(answer.json.kid)
  expect(await isActive(old)).toBe(true)

  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
  expect(await kids()).toEqual([answer.json.kid])
  expect(await isActive(old)).toBe(false)
  expect(bench.lastDecision()).toMatchObject({ effect: 'inactive:unknown_key' })
  const { tokens } = (await bench.operate('GET', '/tokens?subject=node-b')).json
  expect(tokens.find(({ jti }: { jti: string }) => jti === decodeJwt(old).jti).state).toBe('revoked')
  expect((await bench.operate('GET', '/keys')).json.keys).toEqual([
    expect.objectContaining({ kid: answer.json.kid, state: 'active' }),
    expect.objectContaining({ kid: before, state: 'retired' }),
  ])
})

test('at once, every earlier key and its tokens are nothing', async () => {
  const first = await token()
  await bench.operate('POST', '/keys/rotate', { mode: 'grace' })
  const second = await token()
  const answer = await bench.operate('POST', '/keys/rotate', { mode: 'immediate' })

  expect(answer.json.previous.map(({ state }: { state: string }) => state)).toEqual(['retired', 'retired'])
  expect(await kids()).toEqual([answer.json.kid])
  expect([await isActive(first), await isActive(second), await isActive(await token())]).toEqual([false, false, true])
})

test('a rotation outlives the process', async () => {
  const old = await token()
  const { json } = await bench.operate('POST', '/keys/rotate', { mode: 'immediate' })
  await bench.stop()
  await bench.start()

  expect(await kids()).toEqual([json.kid])
  expect(await isActive(old)).toBe(false)
  expect(decodeProtectedHeader(await token()).kid).toBe(json.kid)
})

test.each(['ES256', 'ES384', 'EdDSA', 'PS256'])('a new key may be %s', async (alg) => {
  expect((await bench.operate('POST', '/keys/rotate', { mode: 'immediate', alg })).status).toBe(200)
  const made = await token()

  expect(decodeProtectedHeader(made)).toMatchObject({ alg, typ: 'at+jwt' })
  expect(await isActive(made)).toBe(true)
})

test('one rotation at a time', async () => {
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => bench.operate('POST', '/keys/rotate', { mode: 'immediate', alg: 'PS256' })),
  )
  const refused = answers.filter(({ status }) => status === 409)

  expect(answers.map(({ status }) => status).filter((status) => status !== 409 && status !== 200)).toEqual([])
  expect(refused.length).toBeGreaterThan(0)
  expect(refused[0]?.json).toMatchObject({ error: 'conflict' })
  const recorded = bench
    .decisions()
    .filter(({ action, verdict }) => action === 'operator:rotate' && verdict === 'refused')
  expect(recorded[0]).toMatchObject({ guard: 'keys.rotate', reason: 'rotation_in_progress', status: 409 })
  expect(await isActive(await token())).toBe(true)
})

test('tokens that are being made while the key changes come out whole', async () => {
  const making = Promise.all(Array.from({ length: 30 }, () => token()))
  const rotated = bench.operate('POST', '/keys/rotate', { mode: 'grace' })
  const [made] = await Promise.all([making, rotated])

  for (const text of made) expect(await isActive(text)).toBe(true)
})

test.each([
  {},
  { mode: 'later' },
  { mode: 'grace', graceSeconds: 0 },
  { mode: 'grace', graceSeconds: 86_401 },
  { mode: 'grace', graceSeconds: '300' },
  { mode: 'immediate', graceSeconds: 300 },
  { mode: 'immediate', alg: 'none' },
  { mode: 'immediate', alg: 'HS256' },
])('the rotation %o is refused', async (body) => {
  const before = await kids()
  expect((await bench.operate('POST', '/keys/rotate', body)).status).toBe(400)
  expect(await kids()).toEqual(before)
})

test('the private part of a retired key is nowhere in the files of the storage', async () => {
  const folder = dirname(bench.configuration.storage.path)
  const onDisk = () => readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'))
  const d = (kept: string): string[] => [...kept.matchAll(/"d":"([^"]{43})"/g)].map((found) => String(found[1]))
  const [old] = d(onDisk().join(''))
  expect(old).toBeDefined()

  await bench.operate('POST', '/keys/rotate', { mode: 'immediate' })
  expect(new Set(d(onDisk().join('')))).toHaveProperty('size', 1)
  expect(onDisk().join('')).not.toContain(old)
})
