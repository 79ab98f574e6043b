import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { testFolder } from '../../shared/testing/certificates.ts'
import { until } from '../../shared/testing/service-process.ts'
import { startNode, type TestNode } from '../testing/process.ts'
import { exchange, requestOf } from '../testing/raw.ts'
import { NEW, OLD, OTHER } from '../testing/tokens.ts'
import { beginRoll, endRoll, switchRoll } from './roll.ts'

// What a running node makes of its token files: real processes, real files, real signals.

vi.setConfig({ testTimeout: 120_000 })

const root = testFolder()
afterAll(() => rm(root, { recursive: true }))

let made = 0

interface Site extends AsyncDisposable {
  readonly node: TestNode
  readonly folder: string
  readonly path: string
}

async function site(): Promise<Site> {
  made += 1
  const folder = join(root, `tokens-${made}`)
  mkdirSync(folder, { mode: 0o700 })
  const path = join(folder, 'token')
  writeFileSync(path, `${OLD}\n`, { mode: 0o600 })
  const env = { HOLDFAST_CLUSTER_AUTH_TOKEN_FILE: path }
  const node = await startNode(root, { args: ['--require-auth'], env })
  return { node, folder, path, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() }
}

async function ask({ port }: TestNode, path: string, token = ''): Promise<{ status: number; body: string }> {
  const headers = token === '' ? [] : ([['Authorization', `Bearer ${token}`]] as const)
  return exchange(port, requestOf('GET', path, headers))
}

const isIn = async (node: TestNode, token: string) => (await ask(node, '/v1/auth', token)).status === 200
const readiness = async (node: TestNode) => {
  const { status, body } = await ask(node, '/readyz')
  return { status, reasons: (JSON.parse(body) as { reasons?: string[] }).reasons }
}

/** Puts another file in the place of the one that is there. */
async function replace(path: string, text: string, mode = 0o600): Promise<void> {
  writeFileSync(`${path}.next`, text, { mode })
  chmodSync(`${path}.next`, mode)
  await rename(`${path}.next`, path)
}

const refusals = (node: TestNode) =>
  node
    .decisions()
    .filter(({ guard }) => guard === 'bearer.reload')
    .map(({ reason, layer, action }) => ({ reason, layer, action }))

describe('another token', () => {
  test('is in force soon after a signal, and the one before is not', async () => {
    await using here = await site()
    expect([await isIn(here.node, OLD), await isIn(here.node, NEW)]).toEqual([true, false])
    // In place: watches tell of it, too, but a signal is not to wait for them.
    writeFileSync(here.path, NEW)
    here.node.process.kill('SIGHUP')
    const began = performance.now()
    await until(() => isIn(here.node, NEW), 'the new token', 5_000, 10)
    expect(performance.now() - began).toBeLessThan(1_000)
    expect(await isIn(here.node, OLD)).toBe(false)
    expect(here.node.decisions().at(-1)).toMatchObject({ guard: 'bearer.token', reason: 'token_ended' })
  })

  test('is in force within 5 s where its file was replaced, and nobody told', async () => {
    await using here = await site()
    await replace(here.path, NEW)
    await until(() => isIn(here.node, NEW), 'the new token', 5_000)
    expect(await isIn(here.node, OLD)).toBe(false)
  })

  test('beside it is in force within 5 s, too', async () => {
    await using here = await site()
    const soon = new Date(Date.now() + 60_000).toISOString()
    writeFileSync(`${here.path}.also`, JSON.stringify([{ token: NEW, until: soon }]), { mode: 0o600 })
    await until(() => isIn(here.node, NEW), 'the other token', 5_000)
    expect(await isIn(here.node, OLD)).toBe(true)
  })
})

describe('a file that cannot be used', () => {
  test.each([
    ['removed', (path: string) => rmSync(path)],
    ['open to others', (path: string) => chmodSync(path, 0o644)],
    ['open to others, with another token', (path: string) => replace(path, OTHER, 0o644)],
    ['of something else', (path: string) => replace(path, 'nothing')],
    [
      'away, with a folder in its place',
      (path: string) => {
        rmSync(path)
        mkdirSync(path)
      },
    ],
  ])('%s: what was good stays in force, the node says that it is degraded, and nothing opens', async (_, spoil) => {
    await using here = await site()
    await spoil(here.path)
    here.node.process.kill('SIGHUP')
    await until(async () => (await readiness(here.node)).status === 503, 'its being degraded', 5_000)
    expect(await readiness(here.node)).toEqual({ status: 503, reasons: ['token_reload_refused'] })
    expect(await isIn(here.node, OLD)).toBe(true)
    for (const token of [NEW, OTHER, '']) expect((await ask(here.node, '/v1/auth', token)).status).toBe(401)
    expect((await ask(here.node, '/healthz')).status).toBe(200)
    expect(refusals(here.node)).toEqual([{ reason: 'reload_refused', layer: 'session', action: 'token:reload' }])
    expect(here.node.stderr()).not.toContain(OTHER.slice(0, 12))

    rmSync(here.path, { force: true, recursive: true })
    await replace(here.path, NEW)
    await until(async () => (await readiness(here.node)).status === 200, 'its being ready', 5_000)
    expect([await isIn(here.node, NEW), await isIn(here.node, OLD)]).toEqual([true, false])
  })

  test('for its folder: looked at again until that is right', async () => {
    await using here = await site()
    chmodSync(here.folder, 0o770)
    here.node.process.kill('SIGHUP')
    await until(async () => (await readiness(here.node)).status === 503, 'its being degraded', 5_000)
    chmodSync(here.folder, 0o700)
    await until(async () => (await readiness(here.node)).status === 200, 'its being ready', 5_000)
    expect(refusals(here.node)).toHaveLength(1)
  })
})

test('a whole roll refuses no good call, and the old token in the end', async () => {
  await using here = await site()
  const newFile = join(here.folder, 'new')
  writeFileSync(newFile, NEW, { mode: 0o600 })
  const roll = { tokenFile: here.path, overlapMs: 60_000, now: Date.now }
  let valid = [OLD]
  let isOver = false
  const refused: string[] = []
  let asked = 0
  const load = (async () => {
    while (!isOver) {
      for (const token of valid) {
        asked += 1
        if (!(await isIn(here.node, token)) && valid.includes(token)) refused.push(token.slice(0, 3))
      }
    }
  })()
  const sends = async () => (JSON.parse((await ask(here.node, '/v1/auth', valid[0]!)).body) as { sends: string }).sends
  const before = await sends()
  await beginRoll(roll, newFile)
  await until(() => isIn(here.node, NEW), 'the new token', 5_000)
  valid = [OLD, NEW]
  const switched = await switchRoll(roll)
  await until(async () => (await sends()) === switched.sends, 'the new token to be sent', 5_000)
  expect(before).not.toBe(switched.sends)
  valid = [NEW]
  await endRoll(roll)
  await until(async () => !(await isIn(here.node, OLD)), 'the end of the old token', 5_000)
  isOver = true
  await load
  expect(refused).toEqual([])
  expect(asked).toBeGreaterThan(20)
  expect(here.node.decisions().some(({ reason }) => reason === 'token_ended')).toBe(true)
})
