import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { netnsBackend } from '../../harness/backends/netns/index.ts'
import { processBackend } from '../../harness/backends/process/index.ts'
import type { SiteDescription } from '../../harness/cli/describe-site.ts'
import { userEnvironment } from '../../harness/settings.ts'
import { kinds } from '../../harness/shipped.ts'
import { shippedTopologies } from '../../harness/topology/load.ts'
import { root } from '../check.ts'
import { allNixes, copyOfRepository, evaluated, linkPackages, nix, reasonOf, temporary } from './nix.ts'

const run = promisify(execFile)
const nixes = await allNixes()
const [own] = nixes
const topologies = Object.keys(await shippedTopologies())
const families = ['topology', 'scenarios', 'netns', 'vm', 'container']
const names = '--apply builtins.attrNames'.split(' ')

describe.each(nixes)('Nix $name', (one) => {
  const withNix = test.skipIf(one.missing !== undefined)
  const reason = reasonOf(one.missing)

  withNix(`evaluates every output of the flake, for all systems${reason}`, async () => {
    // Before 2.13 there was no other way.
    const all = one.name.startsWith('2.8.') ? [] : ['--all-systems']
    await nix(one, ['flake check', '--no-build', ...all])
  })

  withNix(`evaluates all topologies within a second of the processor${reason}`, async () => {
    const all = 'builtins.mapAttrs (_: topology: topology.instance { }) (import ./nix/lib).topologies'
    const { stdout, stderr } = await nix(one, ['eval', '--no-flake', '--impure', '--json', '--expr', all], {
      stats: true,
    })
    const [, seconds] = /"cpuTime": *([0-9.]+)/.exec(stderr) ?? []

    expect(Object.keys(JSON.parse(stdout))).toEqual(topologies)
    expect(Number(seconds)).toBeGreaterThan(0)
    expect(Number(seconds)).toBeLessThan(1)
  })
})

const withNix = test.skipIf(own.missing !== undefined)
const reason = reasonOf(own.missing)

withNix(
  `every topology has a check of each family, and there is one NixOS module for each service kind${reason}`,
  async () => {
    const checks = (await evaluated(own, [...names, '.#checks.x86_64-linux'])) as string[]
    const modules = (await evaluated(own, [...names, '.#nixosModules'])) as string[]
    const shells = await evaluated(own, [...names, '.#devShells.aarch64-darwin'])

    expect(checks).toEqual(
      [...families.flatMap((family) => topologies.map((name) => `${family}-${name}`)), 'format', 'lint'].sort(),
    )
    expect(modules).toEqual([...kinds.keys(), 'default', 'holdfast-node'].sort())
    expect(shells).toEqual(['default'])
    expect(await evaluated(own, [...names, '.#packages.aarch64-darwin'])).not.toContain('image')
  },
)

withNix(
  `each kind's module brings its programs to hosts with a unit of that kind, and to no others${reason}`,
  async () => {
    const { nodes } = (await evaluated(own, ['.#checks.x86_64-linux.vm-nats-orchestrator.rendered'])) as Rendered
    const programs = (node: string) => (nodes[node]!['services.holdfast-node.programs'] as string[]).map(named)
    const broker = Object.keys(nodes).find((name) => kindsOn(nodes[name]!).includes('nats-server'))!
    const ca = Object.keys(nodes).find((name) => kindsOn(nodes[name]!).includes('step-ca'))

    expect(programs(broker)).toContain('hollow-nats-server')
    expect(programs(broker)).not.toContain('hollow-step-ca')
    if (ca !== undefined) expect(programs(ca)).toEqual(['hollow-step-ca', 'hollow-step-cli'])
  },
)

type Options = Record<string, unknown>
interface Rendered {
  nodes: Record<string, Options>
}

function kindsOn(options: Options): string[] {
  return (options['services.holdfast-node.kinds'] as string[] | undefined) ?? []
}

const named = (path: string) => path.replace(/^\/nix\/store\/[^-]+-/, '')

withNix(`every machine of a test has what its topology says: rendered as it is checked in${reason}`, async () => {
  const apply =
    'cs: builtins.mapAttrs (_: c: c.rendered) (builtins.removeAttrs cs (builtins.filter (n: !(cs.${n} ? rendered)) (builtins.attrNames cs)))'
  const rendered = (await evaluated(own, ['--apply', apply, '.#checks.x86_64-linux'])) as Record<string, object>
  const script = await readFile(join(root, 'nix', 'lib', 'test-script.py'), 'utf8')

  expect(Object.keys(rendered)).toEqual([
    ...['container', 'vm'].flatMap((family) => topologies.map((name) => `${family}-${name}`)),
  ])
  for (const [name, value] of Object.entries(rendered)) {
    const { testScript, ...test } = value as { testScript: string }
    // The same for all of them, and far from what one environment variable can hold.
    expect(testScript).toBe(script)
    const text = JSON.stringify(test, null, 2).replaceAll(/\/nix\/store\/[0-9a-z]{32}-/g, '/nix/store/…-')
    await expect(`${text}\n`).toMatchFileSnapshot(join(root, 'nix', 'shim', 'golden', `${name}.json`))
  }
  expect(script.length).toBeLessThan(16_384)
})

/** Those that take seconds; on the others the same launch takes minutes, or machines of somebody's. */
const grounds = await Promise.all(
  [processBackend, netnsBackend].map(async ({ name, unavailable }) => ({ name, missing: await unavailable() })),
)
const here = grounds.filter(({ missing }) => missing === undefined)
const told = grounds.map(({ name, missing }) => name + (missing === undefined ? '' : reasonOf(missing))).join(' and ')

withNix(
  `a topology that is added as one file is in every check, in the list, and is launched on ${told}${reason}`,
  async () => {
    await using folder = await temporary()
    await copyOfRepository(folder.path, [
      'flake.nix',
      'flake.lock',
      'nix',
      'harness',
      'scenarios',
      'package.json',
      'package-lock.json',
      'fixtures',
      'services',
      'bin',
      'bootstrap.mjs',
    ])
    await linkPackages(folder.path)
    const text = await readFile(join(root, 'nix', 'topologies', 'shared-auth.nix'), 'utf8')
    await writeFile(
      join(folder.path, 'nix', 'topologies', 'added.nix'),
      text.replace('name = "shared-auth"', 'name = "added"'),
    )
    const git = (...argv: string[]) => run('git', argv, { cwd: folder.path })
    // Files that git does not know are no part of a flake.
    await git('init', '--quiet')
    await git(
      'add',
      '--all',
      '--force',
      '--',
      'flake.nix',
      'flake.lock',
      'nix',
      'package.json',
      'package-lock.json',
      'scenarios',
    )
    const node = (file: string, ...argv: string[]) =>
      run(
        process.execPath,
        ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning', join(folder.path, file), ...argv],
        { cwd: folder.path, env: userEnvironment({ HOLDFAST_RUNTIME_DIR: join(folder.path, 'runs') }) },
      )
    const holdfast = async (...argv: string[]) => (await node('harness/cli/main.ts', ...argv)).stdout

    const checks = (await evaluated(own, [...names, '.#checks.aarch64-linux'], { cwd: folder.path })) as string[]
    expect(checks.filter((name) => name.endsWith('-added'))).toEqual(families.map((family) => `${family}-added`).sort())
    await node('harness/topology/generate-shipped.ts')
    const listed = JSON.parse(await holdfast('list', '--json')) as { name: string }[]
    expect(listed.map(({ name }) => name)).toEqual([...topologies, 'added'].sort())
    for (const { name } of here) {
      const site = JSON.parse(await holdfast('up', 'added', '--backend', name, '--detach', '--json')) as SiteDescription
      try {
        expect(site).toMatchObject({ topology: 'added', backend: name })
        expect(site.nodes.map((one) => one.name).sort()).toEqual(['auth', 'ca', 'node-a', 'node-b'])
      } finally {
        expect(JSON.parse(await holdfast('down', site.run, '--json'))).toEqual({ ended: [site.run] })
      }
    }
  },
)

withNix(`the example flake of the guide evaluates against this one${reason}`, async () => {
  await using folder = await temporary()
  const example = join(root, 'docs', 'guides', 'examples', 'own-flake')
  for (const file of await readdir(example))
    await writeFile(join(folder.path, file), await readFile(join(example, file)))
  const over = [
    '--override-input',
    'holdfast',
    `git+file://${root}`,
    '--override-input',
    'holdfast/nixpkgs',
    `path:${join(root, 'nix', 'shim')}`,
  ]
  const checks = (await evaluated(own, [...over, ...names, `path:${folder.path}#checks.x86_64-linux`], {
    cwd: folder.path,
  })) as string[]
  const test = (await evaluated(own, [...over, `path:${folder.path}#checks.x86_64-linux.lab-vm.rendered`], {
    cwd: folder.path,
  })) as Rendered

  expect(checks).toEqual(['lab', 'lab-vm'])
  expect(Object.keys(test.nodes)).toContain('runner')
})

const newest = nixes.at(-1)!

test.skipIf(newest.missing !== undefined)(
  `the example flake evaluates where it lies, as it stands${reasonOf(newest.missing)}`,
  async () => {
    const shim = ['--override-input', 'holdfast/nixpkgs', `path:${join(root, 'nix', 'shim')}`]
    const cwd = join(root, 'docs', 'guides', 'examples', 'own-flake')

    expect(await evaluated(newest, [...shim, ...names, '.#checks.x86_64-linux'], { cwd })).toEqual(['lab', 'lab-vm'])
  },
)

test('every Nix file has spaces, no blanks at the ends of lines, and a last line that ends', async () => {
  const { stdout } = await run('git', ['ls-files', '-z', '--', '*.nix'], { cwd: root })
  for (const file of stdout.split('\0').filter(Boolean)) {
    const text = await readFile(join(root, file), 'utf8')
    expect(text, file).not.toMatch(/\t| $/m)
    expect(text, file).toMatch(/[^\n]\n$/)
  }
})

/** Programs of Rust that Debian does not have. */
for (const [program, argv] of Object.entries({
  'nixpkgs-fmt': ['--check', 'flake.nix', 'nix'],
  deadnix: ['--fail', '--no-lambda-pattern-names', 'flake.nix', 'nix'],
})) {
  const missing = await run(program, ['--version']).then(
    () => undefined,
    () => `no ${program} on PATH; type: cargo install ${program}`,
  )
  test.skipIf(missing !== undefined)(`${program} has nothing to say of the Nix files${reasonOf(missing)}`, async () => {
    await expect(run(program, argv, { cwd: root })).resolves.toBeDefined()
  })
}
