import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Backend, Site } from '../backends/backend.ts'
import { callParts } from '../shipped.ts'
import { Ground, type ScenarioOptions } from './ground.ts'
import { endSharedSites } from './shared-sites.ts'
import { fakeSite } from './testing/fake-site.ts'

let folder: string
let told: string[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-ground-'))
  await Promise.all(['plan.json', 'run.json'].map((name) => writeFile(join(folder, name), '{}')))
  told = []
})
afterEach(async () => {
  await endSharedSites()
  await rm(folder, { recursive: true })
})

/** A ground of a scenario; what its backend launches and ends is told by its name. */
function groundOf(name: string, own: Partial<Backend>, options: ScenarioOptions = {}): Ground {
  const launch = async (): Promise<Site> => {
    told.push(`launch ${name}`)
    const { site, close } = await fakeSite(folder)
    const release = async () => {
      told.push(`end ${name}`)
      await close()
    }
    return Object.assign(site, { [Symbol.asyncDispose]: release })
  }
  const backend: Backend = {
    ...{ name: 'machines', capabilities: {}, launch, ...own },
    unavailable: async () => undefined,
    sweep: async () => 0,
    readLeft: async () => '',
  }
  const parts = async () => {
    const { site, close } = await fakeSite(folder)
    await close()
    return { backend, ...(await callParts()), keep: false, shared: true, plan: async () => site.plan }
  }
  return new Ground('a-claim', options, parts)
}

test('where one site at a time has the nodes, a second scenario of a file ends that of the first, which launches anew', async () => {
  const [first, second] = ['first', 'second'].map((name) => groundOf(name, { servesOneSite: true })) as [Ground, Ground]
  const before = await first.site()
  expect(await first.site()).toBe(before)
  await second.site()
  expect(await first.site()).not.toBe(before)
  for (const ground of [first, second]) await ground[Symbol.asyncDispose]()

  expect(told).toEqual(['launch first', 'end first', 'launch second', 'end second', 'launch first', 'end first'])
})

test('where there can be several sites, each scenario has its own until the end of its file', async () => {
  const [first, second] = ['first', 'second'].map((name) => groundOf(name, {}, { own: true })) as [Ground, Ground]
  const before = await first.site()
  await second.site()
  expect(await first.site()).toBe(before)
  for (const ground of [first, second]) await ground[Symbol.asyncDispose]()

  expect(told).toEqual(['launch first', 'launch second', 'end first', 'end second'])
})

test.each([
  { most: 1, ended: 'before another is launched', order: ['end kept', 'launch own', 'end own'] },
  { most: undefined, ended: 'by whoever ends all', order: ['launch own', 'end own', 'end kept'] },
])('where so many sites are borne at once ($most), one that nobody has ends $ended', async ({ most, order }) => {
  const many = most === undefined ? {} : { sitesAtOnce: () => most }
  for (const [name, own] of [
    ['kept', false],
    ['own', true],
  ] as const) {
    const ground = groundOf(name, many, { own })
    await ground.site()
    await ground[Symbol.asyncDispose]()
  }
  await endSharedSites()

  expect(told).toEqual(['launch kept', ...order])
})

test('a plan that the backend was given too little for does not run, and says what is missing', async () => {
  const ground = groundOf('any', { unfit: (plan) => `no machine for ${Object.keys(plan.nodes)[0]}` })
  expect(await ground.missing()).toMatch(/^machines: no machine for \w+$/)
  expect(await groundOf('any', { unfit: () => undefined }).missing()).toBeUndefined()
})
