import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, inject } from 'vitest'
import type { Backend, Site } from '../../backends/backend.ts'
import { ProgramMissing } from '../../backends/plan-needs.ts'
import { issueLeaf } from '../../pki/authority.ts'
import '../matchers.ts'
import { scenarioFolder, scenarioOn } from '../scenario.ts'
import { fakeParts } from './fake-parts.ts'

// Run by scenario.test.ts in a vitest of its own: one of these tests fails on purpose, one does not run.

const { parts, right, authority } = await fakeParts(inject('evidence'))
const { backend } = parts
const test = scenarioOn({}, async () => parts)
const sites: Site[] = []

test('the first test launches', async ({ site }) => {
  sites.push(site.site)
  expect(await site.call('b', 'b', 'b:read', right())).toBeAccepted()
})

test('a test that fails', async ({ site }) => {
  const attack = right().withCertificate(() => issueLeaf({ authority: authority(), subject: 'c', sans: ['c.test'] }))
  const verdict = await site.call('b', 'b', 'b:read', attack)
  expect(verdict).toBeRefused({ status: 401, error: 'invalid_token', reason: 'issuer_untrusted' })
})

test('the next test has the same site and a ledger of its own', async ({ site, credential }) => {
  expect(sites).toEqual([site.site])
  expect(site.ledger).toEqual([])
  expect(() => credential('nobody')).toThrow(expect.objectContaining({ code: 'HOLDFAST_NOT_IN_PLAN' }))
})

const folder = scenarioFolder()
test('a path is relative to the scenario file', () => {
  expect(folder).toBe(import.meta.dirname)
})

test('expects nothing', async ({ site }) => {
  site.node('b')
})
test('expects nothing, and has no site either', () => {})
test('leaves a call unjudged', async ({ site }) => {
  expect(await site.call('b', 'b', 'b:read', right())).toBeAccepted()
  await site.call('b', 'b', 'b:read', right())
})
test('forgets to await', async ({ site }) => {
  expect(await site.call('b', 'b', 'b:read', right())).toBeAccepted()
  void site.call('b', 'b', 'b:read', right()).catch(() => {})
})
test('expects of a promise', async ({ site }) => {
  expect(site.call('b', 'b', 'b:read', right())).toBeAccepted()
})
test('what is waited for judges its calls', async ({ site }) => {
  const probe = async () => (await site.call('b', 'b', 'b:read', right())).verdict === 'accepted'
  expect(await site.until('it is accepted', probe, { withinMs: 5_000 })).toBe(true)
})

scenarioOn({ needs: ['ownClock', 'partition'] }, async () => parts)(
  'needs what the backend lacks',
  async ({ site }) => {
    expect(site).toBeUndefined()
  },
)

scenarioOn({ lacking: 'go is not installed: type this' }, async () => parts)(
  'says what else the machine lacks',
  async ({ site }) => {
    expect(site).toBeUndefined()
  },
)

const why = (capability: string) => (capability === 'ownClock' ? 'libfaketime is missing (type this)' : undefined)
scenarioOn({ clock: 'movable' }, async () => ({ ...parts, backend: { ...backend, whyLacking: why } }))(
  'moves clocks where the machine cannot',
  async ({ site }) => {
    expect(site).toBeUndefined()
  },
)

const able: Backend = { ...backend, capabilities: { ownClock: true } }
scenarioOn({ clock: 'movable' }, async () => ({ ...parts, backend: able }))(
  'moves clocks in a process whose own stays',
  async ({ site }) => {
    expect(site).toBeUndefined()
  },
)

const lacking = new ProgramMissing(['b/web'], 'docker is not installed: type this')
const without: Backend = { ...backend, launch: () => Promise.reject(lacking) }
scenarioOn({}, async () => ({ ...parts, backend: without }))(
  'a program of its plan that the machine lacks',
  async ({ site }) => {
    expect(site).toBeUndefined()
  },
)

const broken: Backend = { ...backend, launch: () => Promise.reject(new Error('no CA today')) }
scenarioOn({ again: 'npx holdfast attack ./lab.json' }, async () => ({ ...parts, backend: broken }))(
  'a launch that fails fails the test',
  async ({ site }) => {
    expect(site).toBeUndefined()
  },
)

// The last: nothing gets a site after it.
const ended: Backend = {
  ...backend,
  launch: async (_, { signal }) => {
    process.env.HOLDFAST_END_FILE = join(inject('evidence'), 'ended')
    writeFileSync(process.env.HOLDFAST_END_FILE, '')
    await once(signal!, 'abort')
    throw signal!.reason
  },
}
scenarioOn({}, async () => ({ ...parts, backend: ended }))(
  'a site that comes up while the run is ended',
  async ({ site }) => {
    expect(site).toBeUndefined()
  },
)
