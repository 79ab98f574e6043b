import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, inject } from 'vitest'
import '../matchers.ts'
import { scenarioOn } from '../scenario.ts'
import { fakeParts } from './fake-parts.ts'

// Run by scenario.test.ts in a vitest of its own: its site is one that the next file of its worker would take over.

const evidence = join(inject('evidence'), 'shared')
mkdirSync(evidence)
for (const name of ['plan.json', 'run.json']) writeFileSync(join(evidence, name), '{}')
const { parts, tell, right } = await fakeParts(evidence)
afterAll(() => tell('file done'))

scenarioOn({}, async () => ({ ...parts, shared: true }))('a site that files share', async ({ site }) => {
  expect(await site.call('b', 'b', 'b:read', right())).toBeAccepted()
  expect(site.evidence).toContain(join('shared', 'testing'))
})
