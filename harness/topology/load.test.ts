import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compile } from '../shipped.ts'

import { loadTopology, shippedTopologies } from './load.ts'
import { evaluateNix, nixVersion } from './nix.ts'
import type { Packed, PackedValues } from './packed.ts'

const nix = await nixVersion()
const withoutNix = nix === undefined
const reason = withoutNix ? ' [did not run: no nix-instantiate on PATH]' : ''

const library = new URL('../../nix/lib/topology.nix', import.meta.url).pathname

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-load-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

test('a shipped topology comes with the defaults of its parameters', async () => {
  const { parameters, value } = await loadTopology('separate-auth')

  expect(parameters).toEqual({ orgs: 2, validation: 'both', certificateLifetime: '10m', tokenLifetime: null })
  expect(value).toMatchObject({ name: 'separate-auth', credentials: { 'cert-node-a': { lifetime: '10m' } } })
  expect(JSON.stringify(value)).not.toContain('$parameter')
  expect((value as { credentials: object }).credentials).not.toHaveProperty(['node-a', 'lifetime'])
})

test('parameters change it: counts, and what fills fields', async () => {
  const set = { orgs: '3', validation: 'jwks', certificateLifetime: '1h', tokenLifetime: '5m' }
  const plan = compile(await loadTopology('separate-auth', { set }))

  expect(plan.parameters).toEqual({ ...set, orgs: 3 })
  expect(Object.keys(plan.trustDomains)).toEqual(['org-a', 'org-b', 'org-c'])
  expect(plan.credentials['cert-node-c']?.lifetimeSeconds).toBe(3_600)
  expect(plan.credentials['peer-c-to-a']?.lifetimeSeconds).toBe(300)
  expect(plan.nodes['node-a']?.units.map(({ name }) => name)).toContain('peer-a-to-c')
})

test.each([
  ['separate-auth', { orgs: '12' }, 36],
  ['shared-auth', { nodes: '50' }, 52],
  ['shared-auth', { nodes: '27' }, 29],
] as const)('%s with %o compiles, and has %d nodes', async (name, set, count) => {
  const plan = compile(await loadTopology(name, { set }))

  expect(Object.keys(plan.nodes)).toHaveLength(count)
})

test.each([
  [{ orgs: '1' }, 'parameter orgs must be a whole number from 2 to 12, not "1"'],
  [{ orgs: '13' }, 'parameter orgs must be a whole number from 2 to 12, not "13"'],
  [{ orgs: '2.5' }, 'parameter orgs must be a whole number from 2 to 12, not "2.5"'],
  [{ orgs: '' }, 'parameter orgs must be a whole number from 2 to 12, not ""'],
  [{ validation: 'none' }, 'parameter validation must be one of jwks, introspection, both, not "none"'],
  [{ certificateLifetime: '10' }, 'parameter certificateLifetime must be a duration such as 10m, not "10"'],
  [{ constructor: '1' }, /there is no parameter "constructor"; there are: .*orgs/],
  [{ node: '3', orgs: '0' }, /there is no parameter "node"; .*; parameter orgs must be/],
])('parameters %o are refused with what is possible', async (set, message) => {
  await expect(loadTopology('separate-auth', { set: set as unknown as Record<string, string> })).rejects.toMatchObject({
    code: 'HOLDFAST_PARAMETER_INVALID',
    message: expect.stringMatching(message),
  })
})

test('an unknown name is an error that lists the shipped ones', async () => {
  await expect(loadTopology('separate')).rejects.toMatchObject({
    code: 'HOLDFAST_TOPOLOGY_UNKNOWN',
    message: expect.stringContaining('shipped ones are federation, nats-orchestrator, separate-auth, shared-auth'),
  })
})

test('a .json file is read as it is, and has no parameters', async () => {
  const path = await file('lab.json', JSON.stringify((await loadTopology('shared-auth')).value))

  expect(compile(await loadTopology(path)).topology).toBe('shared-auth')
  await expect(loadTopology(path, { set: { nodes: '3' } })).rejects.toThrow(/no parameter "nodes"; there are: none/)
})

test('a .ts file exports a definition, or a plain value', async () => {
  const define = new URL('./define.ts', import.meta.url).href
  const defined = await file(
    'lab.ts',
    `import { defineTopology } from '${define}'
    export default defineTopology({
      name: 'lab', summary: 'Nodes.',
      parameters: { nodes: { default: 1, min: 0, max: 3, summary: 'How many.' } },
      value: ({ nodes }: { nodes: number }) => ({
        trustDomains: { lab: { ca: 'ca' } },
        nodes: Object.fromEntries([['ca', { host: 'ca.test.lan', domain: 'lab', units: { ca: { kind: 'step-ca' } } }],
          ...Array.from({ length: nodes }, (_, i) => ['n' + i, { host: 'n' + i + '.test.lan', domain: 'lab', units: {} }])]),
        credentials: {}, accepts: [],
      }),
    })`,
  )
  const plain = await file(
    'plain.ts',
    `export default { name: 'plain', summary: 'x', trustDomains: {}, nodes: {}, credentials: {}, accepts: [] }`,
  )

  const plan = compile(await loadTopology(defined, { set: { nodes: '3' } }))
  expect(Object.keys(plan.nodes)).toEqual(['ca', 'n0', 'n1', 'n2'])
  expect(compile(await loadTopology(plain)).topology).toBe('plain')
  await expect(loadTopology(defined, { set: { nodes: '4' } })).rejects.toThrow('a whole number from 0 to 3')
})

test.each([
  ['broken.json', '{', /is no JSON/],
  ['empty.ts', '', /has no default export/],
  ['broken.ts', 'export default (', /cannot be loaded/],
])('%s is one clear error', async (name, text, message) => {
  const path = await file(name, text)

  await expect(loadTopology(path)).rejects.toMatchObject({
    code: 'HOLDFAST_TOPOLOGY_UNREADABLE',
    message: expect.stringMatching(message),
  })
})

test.each([`import 'node:fs'\nexport default { name: 'lab' }`, `export default { name: 'lab' }`])(
  'a module in a CommonJS package is told what to write: %s',
  async (text) => {
    await mkdir(join(folder, 'commonjs'), { recursive: true })
    await file('commonjs/package.json', '{ "type": "commonjs" }')
    const path = await file(`commonjs/${text.length}.ts`, text)

    // In a Node of its own, as the test runner reads every file as a module.
    const load = new URL('./load.ts', import.meta.url).href
    const script = `import { loadTopology } from '${load}'; await loadTopology('${path}').catch(({ message }) => console.log(message))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
    expect(stdout).toContain('add "type": "module" to package.json')
  },
)

test('a file that is not there is one clear error', async () => {
  await expect(loadTopology(join(folder, 'nowhere.json'))).rejects.toThrow(/there is no file .*nowhere\.json/)
})

test.skipIf(withoutNix)(`a .nix file is evaluated with its parameters${reason}`, async () => {
  const source = new URL('../../nix/topologies/separate-auth.nix', import.meta.url).pathname
  const set = { orgs: '4', certificateLifetime: '1h' }

  const own = await loadTopology(source, { set })
  const shipped = await loadTopology('separate-auth', { set })
  expect(own.value).toEqual(shipped.value)
  expect(own.parameters).toEqual(shipped.parameters)
  await expect(loadTopology(source, { set: { orgs: '1', depth: '2' } })).rejects.toMatchObject({
    code: 'HOLDFAST_NIX_FAILED',
    message: expect.stringMatching(/no parameter "depth".*orgs must be a whole number from 2 to 12/),
  })
})

test.skipIf(withoutNix)(`mistakes of a .nix file are told like those of any other${reason}`, async () => {
  const wrong = await file(
    'wrong.nix',
    `{ topology, kinds, ... }: topology { name = "wrong"; summary = "x"; value = _: {
      trustDomains.lab = { ca = "cb"; };
      nodes.ca = { host = "ca.test.lan"; units.ca = kinds.step-ca { }; };
      credentials = { }; accepts = [ ]; }; }`,
  )
  const loaded = await loadTopology(wrong)

  expect(() => compile(loaded)).toThrow(
    /trustDomains\.lab\.ca: node "cb" is not declared|nodes\.ca\.domain: is missing/,
  )
})

test.skipIf(withoutNix)(
  `a .nix file that cannot be evaluated is one clear error, without a trace${reason}`,
  async () => {
    const broken = await file('broken.nix', '{ topology, ... }: topology {')
    const missing = await file('missing.nix', '{ kinds, ... }: { name = "x"; units = kinds.no-such { }; }')

    await expect(loadTopology(broken)).rejects.toMatchObject({
      code: 'HOLDFAST_NIX_FAILED',
      message: expect.stringMatching(/broken\.nix: syntax error/),
    })
    await expect(loadTopology(missing)).rejects.toThrow(/missing\.nix: attribute 'no-such' missing$/)
  },
)

test.skipIf(withoutNix)(`Nix by itself finds what is undeclared${reason}`, async () => {
  const expression = await file(
    'check.nix',
    `(import ${library}).check {
      name = "lab"; summary = "x"; trustDomains.lab.ca = "cb"; credentials = { }; accepts = [ ];
      nodes.ca = { host = "ca.test.lan"; domain = "lap"; units = { }; }; }`,
  )

  await expect(evaluateNix('lab', expression)).rejects.toThrow(
    /topology lab: trustDomains\.lab: node "cb" is not declared; nodes\.ca\.domain: trust domain "lap" is not declared$/,
  )
})

test.skipIf(withoutNix)(`Nix by itself finds what does not fit together about networks${reason}`, async () => {
  const check = (name: string, networks: string, nodes: string) =>
    file(
      name,
      `(import ${library}).check { name = "lab"; summary = "x"; credentials = { }; accepts = [ ];
        trustDomains.lab.ca = "ca"; networks = ${networks};
        nodes = builtins.mapAttrs (name: more: { host = "${'${name}'}.test.lan"; domain = "lab"; units = { }; } // more) ${nodes}; }`,
    )
  const good = await check(
    'networks.nix',
    '{ out = { }; yard.summary = "y"; }',
    '{ ca = { networks = [ "out" "yard" ]; units.ca = { kind = "x"; network = "yard"; }; }; }',
  )
  const bad = await check(
    'wrong-networks.nix',
    '{ out.note = 1; yard = { }; attic = { }; }',
    '{ ca = { networks = [ "out" "yerd" "yard" ]; units.ca = { kind = "x"; network = "attic"; }; }; b = { }; }',
  )

  await expect(evaluateNix('lab', good)).resolves.toMatchObject({ networks: { out: {}, yard: { summary: 'y' } } })
  await expect(evaluateNix('lab', bad)).rejects.toThrow(
    new RegExp(
      [
        'networks.attic: no node is in it',
        'networks.out.note: unknown member',
        'nodes.b: says nothing of its networks',
        'nodes.ca.networks: network "yerd" is not declared',
        'nodes.ca.units.ca.network: its node is not in network "attic"',
      ].join('; '),
    ),
  )
})

const shapesOf = (packed: Packed): PackedValues[] =>
  'base' in packed ? [packed] : Object.values(packed.variants.values).flatMap(shapesOf)

test('a count beyond the smallest adds to a topology and changes nothing in it', async () => {
  for (const [name, packed] of Object.entries(await shippedTopologies())) {
    for (const { growth } of shapesOf(packed)) {
      const declaration = packed.parameters[growth!.parameter]!
      expect(declaration, name).toHaveProperty('min')
      if ('min' in declaration) expect(growth!.steps, name).toHaveLength(declaration.max - declaration.min)
    }
  }
})
