import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { kinds } from '../kinds/index.ts'
import { evaluateShipped, shippedText } from './generate-shipped.ts'
import { shippedTopologies } from './load.ts'
import { evaluateNix, nixVersion } from './nix.ts'
import { unpack } from './packed.ts'
import { type ParameterDeclarations, readParameters } from './parameters.ts'

const root = new URL('../../', import.meta.url)
const path = (name: string) => fileURLToPath(new URL(name, root))
const withoutNix = (await nixVersion()) === undefined
const reason = withoutNix ? ' [did not run: no nix-instantiate on PATH]' : ''

test.skipIf(withoutNix)(`topologies.json is what the Nix files evaluate to (npm run topologies)${reason}`, async () => {
  const checkedIn = await readFile(path('nix/topologies/topologies.json'), 'utf8')
  const evaluated = await evaluateShipped()

  expect(JSON.parse(checkedIn)).toEqual(evaluated)
  expect(checkedIn).toBe(shippedText(evaluated))
})

test.skipIf(withoutNix)(`every count of every topology is the same with and without Nix${reason}`, async () => {
  for (const [name, packed] of Object.entries(await shippedTopologies())) {
    for (const set of points(packed.parameters)) {
      const parameters = readParameters(name, packed.parameters, set)
      const file = path(`nix/topologies/${name}.nix`)
      const texts = JSON.stringify(Object.fromEntries(Object.entries(set).map(([key, value]) => [key, String(value)])))
      const answer = await evaluateNix(name, path('nix/lib/topology.nix'), [
        ...['-A', 'evaluate', '--argstr', 'file', file, '--argstr', 'parameters', texts],
      ])

      expect((answer as { value: unknown }).value, `${name} ${texts}`).toEqual(unpack(packed, parameters))
    }
  }
})

test.skipIf(withoutNix)(`Nix knows the kinds that the harness has${reason}`, async () => {
  const names = await evaluateNix('kinds', path('nix/lib/topology.nix'), ['-A', 'kindNames'])

  expect(names).toEqual([...kinds.keys()].sort())
})

test('every topology file is in topologies.json', async () => {
  const { readdir } = await import('node:fs/promises')
  const files = (await readdir(path('nix/topologies'))).filter(
    (file) => file.endsWith('.nix') && file !== 'default.nix',
  )

  expect(Object.keys(await shippedTopologies()).map((name) => `${name}.nix`)).toEqual(files.sort())
})

/** The smallest, a middle and the largest count, with other parameters away from their defaults too. */
function points(declarations: ParameterDeclarations): Record<string, string | number>[] {
  const fields = Object.entries(declarations).flatMap(([name, declaration]) =>
    'oneOf' in declaration ? [[name, declaration.oneOf.at(0)!]] : 'duration' in declaration ? [[name, '7m']] : [],
  )
  return Object.entries(declarations).flatMap(([name, declaration]) =>
    'min' in declaration ? [{}, { [name]: 3 }, { [name]: declaration.max, ...Object.fromEntries(fields) }] : [],
  )
}
