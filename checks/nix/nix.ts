import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { settings, userEnvironment } from '../../harness/settings.ts'
import { root } from '../check.ts'
import { suites, unpackedNix } from './unpacked-nix.ts'

const run = promisify(execFile)

export interface Nix {
  /** `2.8.0`, or the suite where it is not here. */
  readonly name: string
  readonly program: string
  /** Why it does not run here, and what to type. */
  readonly missing?: string
}

/** The machine's own Nix; where there is none, with the reason. */
export function ownNix(): Promise<Nix> {
  return versionOf('nix').then(
    (name): Nix => ({ name, program: 'nix' }),
    (): Nix => ({
      name: 'of this machine',
      program: 'nix',
      missing: 'no nix on PATH; Debian: apt-get install nix-bin',
    }),
  )
}

/** The machine's own Nix, then the current ones: all that there are, and those that are not with the reason. */
export async function allNixes(): Promise<readonly [Nix, ...Nix[]]> {
  const own = await ownNix()
  const others = suites.map(async (suite): Promise<Nix> => {
    try {
      const program = await unpackedNix(suite)
      return { name: await versionOf(program), program }
    } catch (cause) {
      const [first = ''] = String((cause as { stderr?: string }).stderr || (cause as Error).message)
        .trim()
        .split('\n')
      return {
        name: `of ${suite}`,
        program: '',
        missing: `the packages of ${suite} cannot be unpacked: ${first.slice(0, 200)}`,
      }
    }
  })
  return [own, ...(await Promise.all(others))]
}

async function versionOf(program: string): Promise<string> {
  const { stdout } = await run(program, ['--version'], { env: userEnvironment() })
  return /(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? stdout.trim()
}

/** What a test adds to its name where it did not run. */
export function reasonOf(missing: string | undefined): string {
  return missing === undefined ? '' : ` [did not run: ${missing}]`
}

interface Options {
  /** Folder of the flake. Default: the repository. */
  cwd?: string
  /** Folder of the shim. Default: the one of the repository. */
  shim?: string
  timeout?: number
  /** Has Nix tell on stderr what it used. */
  stats?: boolean
}

const lines = [
  'build-users-group =',
  'substituters =',
  'experimental-features = nix-command flakes',
  'warn-dirty = false',
  'flake-registry =',
]

/** Runs a command of Nix with the shim in the place of nixpkgs. Rejects with what Nix said as `stderr`. */
export async function nix(
  { program }: Nix,
  argv: readonly string[],
  { cwd = root, shim, timeout = 300_000, stats }: Options = {},
) {
  const [command = '', ...rest] = argv
  const words = command.split(' ')
  // An unpacked Nix has no program beside it that would build elsewhere.
  const config = program === 'nix' ? lines : [...lines, 'build-hook =']
  const over = ['--no-write-lock-file', '--override-input', 'nixpkgs', `path:${shim ?? join(root, 'nix', 'shim')}`]
  const options = {
    cwd,
    timeout,
    maxBuffer: 256 * 1024 * 1024,
    env: { ...userEnvironment(), NIX_CONFIG: config.join('\n'), ...(stats && { NIX_SHOW_STATS: '1' }) },
  }
  return run(
    program,
    [...words, ...(words[0] === 'eval' && rest[0] === '--no-flake' ? rest.slice(1) : [...over, ...rest])],
    options,
  )
}

/** A value of the flake, as JSON. */
export async function evaluated(one: Nix, argv: readonly string[], options?: Options): Promise<unknown> {
  return JSON.parse((await nix(one, ['eval', '--json', ...argv], options)).stdout)
}

/** A folder that is gone with the test. */
export async function temporary(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-nix-'))
  return {
    path,
    // What Nix put into a store cannot be written in.
    [Symbol.asyncDispose]: async () => {
      await run('chmod', ['-R', 'u+w', path]).catch(() => {})
      await rm(path, { recursive: true, force: true })
    },
  }
}

/** All that git knows of the repository, in `folder`, with packages beside it. */
export async function copyOfRepository(folder: string, below: readonly string[] = ['.']): Promise<void> {
  const { stdout } = await run('git', ['ls-files', '-z', '--', ...below], { cwd: root, maxBuffer: 64 * 1024 * 1024 })
  for (const file of stdout.split('\0').filter(Boolean)) {
    await mkdir(dirname(join(folder, file)), { recursive: true })
    await cp(join(root, file), join(folder, file))
  }
}

export interface ShimSettings {
  salt: string
  prebuilt: boolean
  rendered: readonly string[]
  /** By name of a check, the part of a path that it is narrowed to; it says so itself. */
  narrowed: Readonly<Record<string, string>>
}

/** A copy of the shim with settings of its own. */
export async function shimWith(folder: string, changed: Partial<ShimSettings>): Promise<string> {
  const shim = join(folder, 'shim')
  await cp(join(root, 'nix', 'shim'), shim, { recursive: true })
  const file = join(shim, 'settings.json')
  const before = JSON.parse(await readFile(file, 'utf8')) as ShimSettings
  await writeFile(file, JSON.stringify({ ...before, ...changed }))
  return shim
}

/** What builds in the sandbox find of this machine: its programs, and those that the project fetched or built. */
export function sandboxOptions(store: string): string[] {
  const toolchain = settings().toolchainDir ?? join(settings().cacheDir, 'toolchain')
  const paths = {
    '/bin': '/usr/bin',
    '/host/bin/node': process.execPath,
    '/host/node_modules': join(root, 'node_modules'),
    '/host/toolchain': toolchain,
  }
  const same = ['/usr', '/lib', '/lib64', '/etc/ssl', '/etc/alternatives']
  const mapped = Object.entries(paths).map(([there, here]) => `${there}=${here}`)
  const sandbox = ['--option', 'sandbox', 'true', '--option', 'sandbox-paths', [...mapped, ...same].join(' ')]
  // A store of its own: nothing of an earlier run is found there, and nothing of this one stays.
  return ['--store', store, ...sandbox]
}

export async function linkPackages(folder: string): Promise<void> {
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
}
