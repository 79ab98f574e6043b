import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', 'scenarios')
const systems = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory())
const claims = systems.flatMap(({ name: system }) =>
  readdirSync(join(root, system), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(root, system, name)),
)
const parts = [/^- \*\*Claim\*\*: \S/m, /^- \*\*Clause\*\*: \S/m, /^- \*\*Without it an attacker gains\*\*: \S/m]

test('there are claims', () => {
  expect(claims.length).toBeGreaterThan(0)
})

// A folder without a scenario would be a claim that nobody checks; a file elsewhere would be found by no report.
test.for(claims.map((folder) => [relative(root, folder), folder] as const))('%s', ([path, folder]) => {
  const claim = path.split('/').at(-1) ?? ''
  const files = readdirSync(folder)
  expect(files).toEqual(expect.arrayContaining(['README.md', `${claim}.scenario.ts`]))
  // A topology of its own, with its kinds and programs, lies beside it; a second claim does not.
  expect(files.filter((file) => /\.(scenario|test)\.|\.md$/.test(file))).toHaveLength(2)

  const readme = readFileSync(join(folder, 'README.md'), 'utf8')
  for (const part of parts) expect(readme).toMatch(part)

  const imports = [...readFileSync(join(folder, `${claim}.scenario.ts`), 'utf8').matchAll(/ from '([^']+)'/g)]
  // Claims of one system may share what they expect, in a file beside their folders; a claim with a topology of its own knows what stands there.
  const isShared = (name: string) => name.startsWith('node:') || /^\.\.?\/[a-z-]+\.ts$/.test(name)
  const names = imports.map(([, name]) => name ?? '').filter((name) => !isShared(name))
  expect([...new Set(names)]).toEqual(['holdfast/vitest'])
})
