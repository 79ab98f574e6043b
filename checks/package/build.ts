import { spawnSync } from 'node:child_process'
import { copyFile, glob, mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

// Node strips no types below node_modules, so the package carries compiled files.
const root = join(import.meta.dirname, '..', '..')
const dist = join(root, 'dist')

await rm(dist, { recursive: true, force: true })
const { status } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['--project', 'tsconfig.build.json'], {
  cwd: root,
  stdio: ['ignore', 2, 2],
})
if (status !== 0) process.exit(1)
// What the compiler leaves behind, and programs read from beside their own file.
const assets = ['{harness,services}/**/*.{mjs,json,sql,css,html}', 'harness/toolchain/go.{mod,sum}']
for await (const file of glob(assets, { cwd: root, exclude: ['**/fixtures/**'] })) {
  await mkdir(dirname(join(dist, file)), { recursive: true })
  await copyFile(join(root, file), join(dist, file))
}
