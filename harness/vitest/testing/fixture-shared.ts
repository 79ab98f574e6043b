import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, inject } from 'vitest'
import type { Backend, Site } from '../../backends/backend.ts'
import '../matchers.ts'
import { callParts } from '../../shipped.ts'
import { type FakeSite, fakeSite } from '../../site/testing/fake-site.ts'
import { scenarioOn } from '../scenario.ts'

// Run by scenario.test.ts in a vitest of its own: its site is one that the next file of its worker would take over.

const evidence = join(inject('evidence'), 'shared')
const told = (line: string) => appendFileSync(join(evidence, 'launches'), `${line}\n`)
mkdirSync(evidence)
for (const name of ['plan.json', 'run.json']) writeFileSync(join(evidence, name), '{}')
afterAll(() => told('file done'))
let fake: FakeSite

async function launch(): Promise<Site> {
  told('launch')
  fake = await fakeSite(evidence)
  const release = async () => {
    told('release')
    await fake.close()
  }
  return Object.assign(fake.site, { [Symbol.asyncDispose]: release })
}

const unavailable = async () => undefined
const backend = { name: 'process', capabilities: {}, unavailable, launch } as unknown as Backend
const test = scenarioOn({}, async () => ({
  backend,
  ...(await callParts()),
  keep: false,
  shared: true,
  plan: async () => fake?.site.plan,
}))

test('a site that files share', async ({ site }) => {
  expect(await site.call('b', 'b', 'b:read', fake.right())).toBeAccepted()
  expect(site.evidence).toContain(join('shared', 'testing'))
})
