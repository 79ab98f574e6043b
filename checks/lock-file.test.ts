import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'

interface Locked {
  resolved?: string
  integrity?: string
  optionalDependencies?: Record<string, string>
}

const text = await readFile(join(import.meta.dirname, '..', 'package-lock.json'), 'utf8')
const packages: [string, Locked][] = Object.entries(JSON.parse(text).packages)
const paths = new Set(packages.map(([path]) => path))

test('npm ci takes the lock file on every platform: each optional package is in it', () => {
  const missing = packages.flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !paths.has(`node_modules/${name}`) && !paths.has(`${path}/node_modules/${name}`),
    ),
  )
  expect(missing).toEqual([])
})

test('each package is locked by its checksum, and by no address of a registry', () => {
  const [, ...dependencies] = packages
  expect(dependencies.length).toBeGreaterThan(100)
  expect(dependencies.filter(([, { integrity }]) => integrity === undefined).map(([path]) => path)).toEqual([])
  expect(dependencies.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([])
})
