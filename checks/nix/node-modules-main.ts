import { execFile } from 'node:child_process'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { userEnvironment } from '../../harness/settings.ts'
import { root } from '../check.ts'
import { evaluated, type Nix, ownNix, shimWith, temporary } from './nix.ts'

// `npm run nix-modules`: what the packages of package-lock.json hash to, for every system, in nix/packages/node-modules.json. A derivation of
// another system cannot be built here, but its phases can be run: npm fetches the packages of any platform.
const run = promisify(execFile)
const file = join(root, 'nix', 'packages', 'node-modules.json')

async function hashFor(one: Nix, system: string): Promise<string> {
  await using folder = await temporary()
  const shim = await shimWith(folder.path, { prebuilt: false })
  const [build, install] = await Promise.all(
    ['buildPhase', 'installPhase'].map((phase) =>
      evaluated(one, [`.#packages.${system}.node-modules.${phase}`], { shim }),
    ),
  )
  const [tree, out] = [join(folder.path, 'tree'), join(folder.path, 'out')]
  await mkdir(tree)
  for (const name of ['package.json', 'package-lock.json', '.npmrc']) await copyFile(join(root, name), join(tree, name))
  const env = { ...userEnvironment(), NIX_BUILD_TOP: folder.path, out }
  await run('bash', ['-euc', `${build}\n${install}`], { cwd: tree, env, maxBuffer: 64 * 1024 * 1024 })
  const { stdout } = await run(one.program, ['--extra-experimental-features', 'nix-command', 'hash', 'path', out])
  return stdout.trim()
}

const own = await ownNix()
if (own.missing !== undefined) throw new Error(own.missing)
const systems = Object.keys((await import(file, { with: { type: 'json' } })).default as object)
const hashes: [string, string][] = []
for (const system of systems) {
  process.stderr.write(`… ${system}\n`)
  hashes.push([system, await hashFor(own, system)])
}
await writeFile(file, `${JSON.stringify(Object.fromEntries(hashes), null, 2)}\n`)
