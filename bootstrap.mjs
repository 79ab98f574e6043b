// The first thing that runs in a fresh clone, under whatever Node (20 or newer) the machine has and with nothing installed:
// it installs what package-lock.json says when that is needed, and goes on under the packaged Node 24.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, constants, existsSync, openSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { endAs, endWithNpm, runProgram } from './bin/program.mjs'

const root = fileURLToPath(new URL('.', import.meta.url))
const modules = join(root, 'node_modules')
const stampFile = join(modules, '.holdfast-installed')
const wantedMajor = 24

/** What a script runs, before the arguments that it was given. */
const scripts = {
  start: ['harness/cli/main.ts', 'demo', 'separate-auth'],
  holdfast: ['harness/cli/main.ts'],
  'holdfast-node': ['harness/agent/main.ts'],
  build: ['checks/package/build.ts'],
  test: ['checks/run.ts'],
  unit: ['node_modules/vitest/vitest.mjs', 'run', '--project', 'unit'],
  nix: ['node_modules/vitest/vitest.mjs', 'run', '--project', 'nix'],
  vm: ['node_modules/vitest/vitest.mjs', 'run', '--project', 'vm'],
  scenarios: ['node_modules/vitest/vitest.mjs', 'run', '--project', 'scenarios', '--project', 'waiting'],
  // The parity set of the scenarios that are named, on the process backend and then on another ground.
  parity: ['checks/parity-main.ts'],
  sabotage: ['harness/cli/main.ts', 'sabotage'],
  bench: ['bench/main.ts'],
  churn: ['bench/churn.ts'],
  endings: ['bench/endings.ts'],
  fuzz: ['bench/fuzz/main.ts'],
  // Long tests that are none of the claims: broken inputs, runs that are killed, clocks a year ahead.
  soak: ['node_modules/vitest/vitest.mjs', 'run', '--project', 'soak'],
  // The tests that compare documents with what they describe; with --update they write the generated ones anew.
  docs: ['node_modules/vitest/vitest.mjs', 'run', '--project', 'unit', 'checks/docs', 'docs.test'],
  topologies: ['harness/topology/generate-shipped.ts'],
  // Hashes that Nix holds the packages of package-lock.json against.
  'nix-modules': ['checks/nix/node-modules-main.ts'],
}

function fail(message) {
  process.stderr.write(`error: ${message}\n`)
  process.exit(1)
}

function lockedVersions(file) {
  const { packages } = JSON.parse(readFileSync(file, 'utf8'))
  return Object.entries(packages).filter(([path]) => path.startsWith('node_modules/'))
}

/** None while npm is still writing the file: another run is installing, and will be waited for. */
function wholeVersions(file) {
  try {
    return lockedVersions(file)
  } catch (failure) {
    if (failure instanceof SyntaxError) return []
    throw failure
  }
}

/** npm writes what it installed into node_modules/.package-lock.json; optional packages of other platforms are not in it. */
function installedMatchesLock() {
  const hidden = join(modules, '.package-lock.json')
  if (!existsSync(hidden)) return false
  const installed = new Map(wholeVersions(hidden))
  return lockedVersions(join(root, 'package-lock.json')).every(([path, wanted]) => {
    const found = installed.get(path)
    if (found === undefined) return wanted.optional === true
    return found.version === wanted.version && found.integrity === wanted.integrity
  })
}

/** Reading one small file answers this in every run but the first. */
function isInstalled() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return true
  if (!installedMatchesLock()) return false
  try {
    writeFileSync(stampFile, wanted)
  } catch {
    // Somebody else's clone: that costs a look at the next start, nothing else.
  }
  return true
}

/**
 * Two installs at once would destroy each other's node_modules. The lock dies with its process, however that ends: an abstract
 * socket on Linux, a lock on the opened file on macOS. Resolves with what releases it, or undefined when somebody else has it.
 */
function tryLock() {
  const name = `holdfast-install-${createHash('sha256').update(realpathSync(root)).digest('hex').slice(0, 16)}`
  if (process.platform === 'darwin') {
    const exclusiveLock = 0x20 // O_EXLOCK
    try {
      const file = openSync(
        join(tmpdir(), name),
        constants.O_CREAT | constants.O_RDWR | constants.O_NONBLOCK | exclusiveLock,
      )
      return Promise.resolve(() => closeSync(file))
    } catch (failure) {
      if (failure.code === 'EAGAIN') return Promise.resolve(undefined)
      throw failure
    }
  }
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (failure) => (failure.code === 'EADDRINUSE' ? resolve(undefined) : reject(failure)))
    server.listen(`\0${name}`, () => resolve(() => server.close()))
  })
}

async function install() {
  let release = await tryLock()
  if (release === undefined)
    process.stderr.write('… install    another run is installing the packages: waiting for it\n')
  while (release === undefined) {
    await wait(200)
    release = await tryLock()
  }
  try {
    if (isInstalled()) return
    process.stderr.write('… install    packages of package-lock.json: once, some seconds\n')
    // What npm says goes to stderr: stdout belongs to the command that was typed.
    const npm = await runProgram('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 2, 2],
    }).catch(({ message }) =>
      fail(`npm cannot be started (${message}); install Node.js with npm, and type the command again`),
    )
    if (npm.signal !== null) endAs(npm)
    if (npm.code !== 0) fail('npm ci failed, as it says above; when the cause is gone, type the command again')
    isInstalled()
  } finally {
    release()
  }
}

/** The Node that everything else runs under. */
function packagedNode() {
  const packaged = join(modules, 'node', 'bin', 'node')
  const usable = () => spawnSync(packaged, ['--version'], { stdio: 'ignore' }).status === 0
  if (existsSync(packaged)) return packaged
  if (Number(process.versions.node.split('.')[0]) >= wantedMajor) return process.execPath
  // npm can be told to run no install scripts (ignore-scripts); this package's fetches the program for this platform.
  const script = spawnSync(process.execPath, ['installArchSpecificPackage.js'], {
    cwd: join(modules, 'node'),
    stdio: ['ignore', 2, 2],
  })
  if (script.status === 0 && usable()) return packaged
  return fail(
    `Node ${wantedMajor} is not there and could not be fetched; type: npm rebuild node --ignore-scripts=false --foreground-scripts`,
  )
}

function environment(node) {
  const cache =
    process.env.HOLDFAST_CACHE_DIR || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'holdfast')
  return {
    ...process.env,
    // Programs that are started by name find the same Node.
    PATH: [join(node, '..'), process.env.PATH].filter(Boolean).join(delimiter),
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE || join(cache, 'compile'),
  }
}

const [name, ...given] = process.argv.slice(2)
if (!Object.hasOwn(scripts, name ?? '')) fail(`say what to run: node bootstrap.mjs ${Object.keys(scripts).join('|')}`)
endWithNpm()
if (!isInstalled()) await install()
const [file, ...args] = scripts[name]
const node = packagedNode()
const flags = ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning']
const run = runProgram(node, [...flags, join(root, file), ...args, ...given], { env: environment(node) })
endAs(await run.catch(({ message }) => fail(`${node} cannot be started: ${message}`)))
