import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { kinds } from '../shipped.ts'
import { evaluateShipped, shippedText } from './generate-shipped.ts'
import { shippedTopologies } from './load.ts'
import { evaluateNix, nixVersion } from './nix.ts'
import { type PackedTopology, unpack } from './packed.ts'
import { type ParameterDeclaration, type ParameterDeclarations, readParameters } from './parameters.ts'

const root = new URL('../../', import.meta.url)
const run = promisify(execFile)
const path = (name: string) => fileURLToPath(new URL(name, root))
const withoutNix = (await nixVersion()) === undefined
const reason = withoutNix ? ' [did not run: no nix-instantiate on PATH]' : ''
const withoutFlakes = withoutNix || !existsSync(path('.git')) || !(await hasNixCommand())
const flakeReason = withoutFlakes ? ' [did not run: no nix command on PATH, or no git checkout]' : ''

/** Flakes are asked for by flag, and the network is not: an input that were touched would fail. */
async function nix(...args: string[]): Promise<unknown> {
  const flags = [
    '--extra-experimental-features',
    'nix-command flakes',
    '--option',
    'build-users-group',
    '',
    '--offline',
  ]
  const limits = { cwd: path('.'), maxBuffer: 64 * 1024 * 1024, timeout: 60_000 }
  return JSON.parse((await run('nix', [...flags, ...args], limits)).stdout)
}

function hasNixCommand(): Promise<boolean> {
  return run('nix', ['--version']).then(
    () => true,
    () => false,
  )
}

test.skipIf(withoutNix)(`topologies.json is what the Nix files evaluate to (npm run topologies)${reason}`, async () => {
  const checkedIn = await readFile(path('nix/topologies/topologies.json'), 'utf8')
  const evaluated = await evaluateShipped()

  expect(JSON.parse(checkedIn)).toEqual(evaluated)
  expect(checkedIn).toBe(shippedText(evaluated))
})

test.skipIf(withoutNix)(`every count of every topology is the same with and without Nix${reason}`, async () => {
  for (const [name, packed] of Object.entries(await shippedTopologies())) {
    await demandSame(name, path(`nix/topologies/${name}.nix`), packed)
  }
})

/** With two shapes, a count, and of each kind what only fills fields. */
const many = path('harness/topology/fixtures/many-parameters.nix')

test.skipIf(withoutNix)(`so is a topology with every sort of parameter, in every combination${reason}`, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-packed-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const library = path('nix/lib/topology.nix')
  await writeFile(join(folder, 'pack.nix'), `let l = import ${library}; in l.pack (l.load ${many})`)
  const packed = (await evaluateNix('many', join(folder, 'pack.nix'))) as PackedTopology

  expect(points(packed.parameters)).toHaveLength(3 + 2 * 4)
  expect(packed).toMatchObject({ variants: { parameter: 'ca', values: { real: { variants: { parameter: 'each' } } } } })
  await demandSame('many', many, packed)
})

test.skipIf(withoutNix)(`a topology that computes with a parameter that only fills is refused${reason}`, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-packed-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const text = (await readFile(many, 'utf8')).replace('{ default = false; shape = true;', '{ default = false;')
  await writeFile(join(folder, 'many.nix'), text)
  await writeFile(
    join(folder, 'pack.nix'),
    `let l = import ${path('nix/lib/topology.nix')}; in l.pack (l.load ./many.nix)`,
  )

  await expect(evaluateNix('many', join(folder, 'pack.nix'))).rejects.toMatchObject({ code: 'HOLDFAST_NIX_FAILED' })
})

/** What is unpacked is what Nix evaluates. */
async function demandSame(name: string, file: string, packed: PackedTopology): Promise<void> {
  for (const set of points(packed.parameters)) {
    const parameters = readParameters(name, packed.parameters, set)
    const texts = JSON.stringify(Object.fromEntries(Object.entries(set).map(([key, value]) => [key, String(value)])))
    const answer = await evaluateNix(name, path('nix/lib/topology.nix'), [
      ...['-A', 'evaluate', '--argstr', 'file', file, '--argstr', 'parameters', texts],
    ])

    expect((answer as { value: unknown }).value, `${name} ${texts}`).toEqual(unpack(packed, parameters))
  }
}

test.skipIf(withoutNix)(`Nix knows the kinds that the harness has${reason}`, async () => {
  const names = await evaluateNix('kinds', path('nix/lib/topology.nix'), ['-A', 'kindNames'])

  expect(names).toEqual([...kinds.keys()].sort())
})

test.skipIf(withoutFlakes)(
  `the flake's topologies need no nixpkgs, and are the checked-in ones${flakeReason}`,
  async () => {
    const evaluated = await nix('eval', '--json', '.#topologies')
    const names = await nix('eval', '--json', '--apply', 'builtins.attrNames', '.#lib.topologies')

    expect(evaluated).toEqual(await shippedTopologies())
    expect(names).toEqual(Object.keys(await shippedTopologies()))
  },
)

test('every topology file is in topologies.json', async () => {
  const files = (await readdir(path('nix/topologies'))).filter(
    (file) => file.endsWith('.nix') && file !== 'default.nix',
  )

  expect(Object.keys(await shippedTopologies()).map((name) => `${name}.nix`)).toEqual(files.sort())
})

/** The smallest, a middle and the largest count, with other parameters away from their defaults too. */
function points(declarations: ParameterDeclarations): Record<string, string | number | boolean>[] {
  const fields = Object.entries(declarations).flatMap<[string, string | number | boolean]>(([name, declaration]) => {
    if ('oneOf' in declaration) return [[name, declaration.oneOf.at(0)!]]
    if ('duration' in declaration) return [[name, '7m']]
    if ('min' in declaration) return declaration.fills ? [[name, declaration.max]] : []
    return [[name, !declaration.default]]
  })
  const valuesOf = (declaration: ParameterDeclaration) =>
    'oneOf' in declaration ? declaration.oneOf : ([true, false] as const)
  const shapes = Object.entries(declarations)
    .filter(([, declaration]) => 'shape' in declaration && declaration.shape)
    .reduce<Record<string, string | boolean>[]>(
      (sets, [name, declaration]) =>
        sets.flatMap((set) => valuesOf(declaration).map((value) => ({ ...set, [name]: value }))),
      [{}],
    )
    .filter((set) => Object.keys(set).length > 0)
  return Object.entries(declarations).flatMap(([name, declaration]) => {
    if (!('min' in declaration) || declaration.fills) return []
    const most = { ...Object.fromEntries(fields), [name]: declaration.max }
    return [{}, { [name]: 3 }, most, ...shapes.flatMap((shape) => [shape, { ...most, ...shape }])]
  })
}
