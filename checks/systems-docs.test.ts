import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { systems } from './systems.ts'
import { systemPage } from './systems-docs.ts'

test.each(systems())('docs/systems/%s.md lists its parts', async (system) => {
  await expect(await systemPage(system)).toMatchFileSnapshot(`../docs/systems/${system}.md`)
})

test('there is a page for each system, and no other', () => {
  const pages = readdirSync(`${import.meta.dirname}/../docs/systems`)
  expect(pages.toSorted()).toEqual(systems().map((system) => `${system}.md`))
})
