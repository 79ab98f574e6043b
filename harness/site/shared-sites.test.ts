import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Site } from '../backends/backend.ts'
import { callParts, protocols } from '../shipped.ts'
import { Credential } from './credential.ts'
import { ScenarioSite } from './scenario-site.ts'
import { endSharedSites, type Lease, takeShared } from './shared-sites.ts'
import { type FakeSite, fakeKnowledge, fakeSite } from './testing/fake-site.ts'

interface Launched extends FakeSite {
  isReleased: boolean
}

let folder: string
let sites: Launched[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-shared-'))
  await Promise.all(['plan.json', 'run.json'].map((name) => writeFile(join(folder, name), '{}')))
  sites = []
})
afterEach(async () => {
  await endSharedSites()
  expect(sites.map(({ isReleased }) => isReleased)).toEqual(sites.map(() => true))
  await rm(folder, { recursive: true })
})

async function launch(): Promise<Site> {
  const launched: Launched = { ...(await fakeSite(folder)), isReleased: false }
  sites.push(launched)
  const release = async () => {
    launched.isReleased = true
    await launched.close()
  }
  return Object.assign(launched.site, { [Symbol.asyncDispose]: release })
}

async function take(file: string, key = 'one'): Promise<Lease> {
  const lease = await takeShared(key, file, launch, protocols, 1_000)
  if (lease === undefined) throw new Error(`${file} got no site`)
  return lease
}

const giveBack = ({ site }: Lease) => site[Symbol.asyncDispose]()

async function callOn({ site }: Lease): Promise<ScenarioSite> {
  const seen = new ScenarioSite(site, { name: 'a: b', again: 'again' }, fakeKnowledge(), await callParts())
  await seen.call('b', 'b', 'b:read', sites[0]?.right() ?? new Credential('none', async () => ({})))
  return seen
}

test('the next file has the same site, and sees and keeps nothing of the one before', async () => {
  const first = await take('first')
  const called = await callOn(first)
  expect(await called.decisions('b')).toHaveLength(1)
  await giveBack(first)

  const second = await take('second')
  expect(sites).toHaveLength(1)
  expect(sites[0]?.isReleased).toBe(false)
  expect(await second.site.node('b').decisions()).toEqual([])
  await callOn(second)
  expect(await second.site.node('b').decisions('main')).toHaveLength(1)
  expect(await second.site.nodes.get('b')?.decisions()).toHaveLength(1)
  await giveBack(second)

  expect([first.site.evidence, second.site.evidence]).toEqual([join(folder, 'first'), join(folder, 'second')])
  expect((await readdir(second.site.evidence)).toSorted()).toEqual(['calls.jsonl', 'plan.json', 'run.json'])
})

test('a file that changes it fails by its name, and nobody gets it any more', async () => {
  const changing = await take('changes-for-good')
  sites[0]!.flaws.effect = true
  sites[0]!.flaws.refusesAll = true
  await callOn(changing)

  await expect(giveBack(changing)).rejects.toMatchObject({
    code: 'HOLDFAST_SITE_CHANGED',
    message:
      'changes-for-good changed the site that files share: pictures.b/main./state.effects was 0, and is 1; undo it at the end of the test, or write own: true into the options of the scenario',
  })
  expect(sites[0]?.isReleased).toBe(true)
  await giveBack(await take('next'))
  expect(sites).toHaveLength(2)
})

test('one that cannot be looked at any more is said to be so', async () => {
  const breaking = await take('breaks')
  sites[0]!.flaws.unobservable = true

  await expect(giveBack(breaking)).rejects.toThrow(/b\.test\/state answered 500/)
})

test('after a failed test it is ended, and nothing is said', async () => {
  const failed = await take('fails')
  failed.spoil()
  await giveBack(failed)

  expect(sites[0]?.isReleased).toBe(true)
})

test('who comes while somebody has it launches one of their own', async () => {
  const first = await take('first')
  expect(await takeShared('one', 'second', launch, protocols)).toBeUndefined()
  await giveBack(first)
})

test('few wait for somebody: the one that was used last waits longest', async () => {
  for (const key of ['one', 'two', 'one', 'three']) await giveBack(await take('file', key))

  expect(sites.map(({ isReleased }) => isReleased)).toEqual([false, true, false])
})

test('a launch that fails is tried again by the next file', async () => {
  const failing = takeShared('one', 'first', () => Promise.reject(new Error('no CA today')), protocols)
  await expect(failing).rejects.toThrow('no CA')
  await giveBack(await take('second'))
})
