import { existsSync } from 'node:fs'
import * as module from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { endAs, endWithNpm, runProgram } from './program.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const wantedMajor = 24
// npm under an older Node chooses an older vitest, which stands in the way of installing anything else.
const wantedVitest = 5

/** The npm package `node` carries a Node of its own: the project's, or the one beside Holdfast. */
function packagedNode() {
  for (const from of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      const node = join(dirname(module.createRequire(from).resolve('node/package.json')), 'bin', 'node')
      if (existsSync(node)) return node
    } catch {
      // Not installed there.
    }
  }
  return undefined
}

async function runHere(compiled) {
  const cache =
    process.env.HOLDFAST_CACHE_DIR || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'holdfast')
  module.enableCompileCache?.(join(cache, 'compile'))
  // `node:sqlite` is announced as experimental; whoever types a command need not know.
  const [print] = process.listeners('warning')
  process.removeAllListeners('warning')
  process.on('warning', (warning) => {
    if (warning.name !== 'ExperimentalWarning') print?.(warning)
  })
  await import(pathToFileURL(compiled).href)
}

/**
 * Starts one of Holdfast's programs: the compiled one where this is an installed package, the sources where it is the repository.
 * `entry` is its file below the package, without extension; `script` is its name in bootstrap.mjs; `program` is the calling file.
 */
export async function launch({ entry, script, program }) {
  const args = process.argv.slice(2)
  endWithNpm()
  if (existsSync(join(root, 'bootstrap.mjs'))) {
    endAs(await runProgram(process.execPath, [join(root, 'bootstrap.mjs'), script, ...args]))
  } else if (Number(process.versions.node.split('.')[0]) >= wantedMajor) {
    await runHere(join(root, 'dist', `${entry}.js`))
  } else {
    const node = packagedNode()
    if (node !== undefined) return endAs(await runProgram(node, [fileURLToPath(program), ...args]))
    process.stderr.write(
      `error: Holdfast needs Node ${wantedMajor} or newer, and this is ${process.version}.\n` +
        `  Install Node ${wantedMajor}, or type: npm install --save-dev node@${wantedMajor} vitest@${wantedVitest}\n`,
    )
    process.exit(1)
  }
}
