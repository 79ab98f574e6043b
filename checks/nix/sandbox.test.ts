import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { shippedTopologies } from '../../harness/topology/load.ts'
import { root } from '../check.ts'
import { copyOfRepository, nix, ownNix, reasonOf, sandboxOptions, shimWith, temporary } from './nix.ts'

const own = await ownNix()
const missing = own.missing ?? (process.platform === 'linux' ? undefined : 'the sandbox of Nix takes Linux')
const withSandbox = test.skipIf(missing !== undefined)
const reason = reasonOf(missing)
const topologies = Object.keys(await shippedTopologies())

/**
 * What is run inside the sandbox here, each narrowed to the claim that says most: a whole topology takes minutes. All other scenarios, and those
 * of the other topologies, run outside of it, in this same test run.
 */
const narrowed = {
  'holdfast-scenarios-transit': 'transit-refuses-the-rest',
  'holdfast-netns-separate-auth': 'separate-auth-refuses-the-rest',
}
const run = Object.keys(narrowed)
const rendered = ['scenarios', 'netns']
  .flatMap((family) => topologies.map((name) => `holdfast-${family}-${name}`))
  .filter((name) => !run.includes(name))

withSandbox(
  `nix flake check holds in the sandbox, with nothing of an earlier run${reason}`,
  { timeout: 400_000 },
  async () => {
    await using folder = await temporary()
    // Formatting and lint are asked of programs of their own, where there are any.
    const left = ['holdfast-format', 'holdfast-lint', ...rendered]
    const shim = await shimWith(folder.path, { salt: randomBytes(8).toString('hex'), rendered: left, narrowed })
    const began = performance.now()
    const { stderr } = await nix(own, ['flake check', '-L', ...sandboxOptions(join(folder.path, 'store'))], {
      shim,
      timeout: 390_000,
    })
    const seconds = (performance.now() - began) / 1000

    for (const [name, claim] of Object.entries(narrowed)) {
      expect(stderr).toMatch(new RegExp(`building '/nix/store/[0-9a-z]+-${name}.drv'`))
      expect(stderr).toContain(`${name}> narrowed to ${claim}: no other scenario of `)
      expect(stderr).toContain(`${name}> ✓ ${claim}`)
      // The verdict is a part of the log.
      expect(stderr).toMatch(new RegExp(`${name}> \\d+ passed · 0 failed`))
    }
    process.stderr.write(`nix flake check in the sandbox: ${seconds.toFixed(1)} s\n`)
  },
)

for (const name of rendered)
  test.skip(`${name} in the sandbox of Nix [did not run: it takes minutes; its scenarios run outside of it]`, () => {})
for (const [name, claim] of Object.entries(narrowed))
  test.skip(`${name} in the sandbox of Nix, beyond ${claim} [did not run: it takes minutes; its scenarios run outside of it]`, () => {})

withSandbox(
  `the packages of the lock file are fetched for real, and are what their hash says${reason}`,
  { timeout: 400_000 },
  async () => {
    await using folder = await temporary()
    const shim = await shimWith(folder.path, { prebuilt: false })
    await nix(
      own,
      [
        'build',
        '--no-link',
        '-L',
        ...sandboxOptions(join(folder.path, 'store')),
        '.#packages.x86_64-linux.node-modules',
      ],
      { shim, timeout: 390_000 },
    )
  },
)

withSandbox(
  `packages that are not what their hash says fail, with the hash that they have${reason}`,
  { timeout: 400_000 },
  async () => {
    await using folder = await temporary()
    const copy = join(folder.path, 'repository')
    await mkdir(copy)
    await copyOfRepository(copy, ['flake.nix', 'flake.lock', 'nix', '.npmrc'])
    // One small package of the lock file.
    const { packages, ...lock } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'))
    const only = { name: 'holdfast', version: '0.1.0', dependencies: { jose: packages[''].dependencies.jose } }
    await writeFile(join(copy, 'package.json'), JSON.stringify(only))
    const kept = { '': only, 'node_modules/jose': packages['node_modules/jose'] }
    await writeFile(join(copy, 'package-lock.json'), JSON.stringify({ ...lock, packages: kept }))
    const shim = await shimWith(folder.path, { prebuilt: false })
    const built = nix(
      own,
      [
        'build',
        '--no-link',
        ...sandboxOptions(join(folder.path, 'store')),
        `path:${copy}#packages.x86_64-linux.node-modules`,
      ],
      { shim },
    )

    await expect(built).rejects.toMatchObject({
      stderr: expect.stringMatching(
        /hash mismatch in fixed-output derivation[\s\S]*specified: +sha256-[\s\S]*got: +sha256-/,
      ),
    })
  },
)
