import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { settings, userEnvironment } from '../../harness/settings.ts'

const run = promisify(execFile)

/** Suites of Debian with a newer Nix than the machine's, each with what it has of it. */
export const suites = ['trixie', 'sid'] as const

export type Suite = (typeof suites)[number]

/** What of a program that runs on a libc of its own: nothing of them is installed. */
const unneeded =
  /^(perl|libperl|perl-modules|bash-static|debconf|debianutils|passwd|login|base-passwd|libdbi|libdbd|libwww|curl)/

/**
 * The Nix of a suite, unpacked into the cache and started by its own loader. The machine's own settings of apt are read, for they say
 * where its packages come from, and not changed. Resolves with the path of the program; rejects with what is missing.
 */
export async function unpackedNix(suite: Suite): Promise<string> {
  const parent = join(settings().cacheDir, 'nix')
  const folder = join(parent, suite)
  const program = join(folder, 'nix')
  if ((await stat(program).catch(() => undefined)) !== undefined) return program
  await mkdir(parent, { recursive: true })
  const making = await mkdtemp(join(parent, `.${suite}-`))
  try {
    await unpack(suite, making)
    await writeFile(join(making, 'nix'), starter)
    await chmod(join(making, 'nix'), 0o755)
    await run(join(making, 'nix'), ['--version'])
    await rename(making, folder)
  } catch (cause) {
    // Somebody else may have made it meanwhile.
    if ((await stat(program).catch(() => undefined)) === undefined) throw cause
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return program
}

/** By its own name it knows what it is to do; it finds its libraries, and no settings, beside itself. */
const starter = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
export NIX_CONF_DIR="$here/none"
exec "$here/root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$here/root/usr/lib/x86_64-linux-gnu" --argv0 nix "$here/root/usr/bin/nix" "$@"
`

async function unpack(suite: Suite, folder: string): Promise<void> {
  const options = await ownApt(suite, folder)
  const limits = { timeout: 300_000, maxBuffer: 64 * 1024 * 1024, env: userEnvironment() }
  await run('apt-get', [...options, '-qq', 'update'], limits)
  const { stdout } = await run('apt-get', [...options, '-s', '--no-install-recommends', 'install', 'nix-bin'], limits)
  const names = [...stdout.matchAll(/^Inst (\S+)/gm)]
    .map(([, name = '']) => name)
    .filter((name) => !unneeded.test(name))
  await mkdir(join(folder, 'packages'))
  await run('apt-get', [...options, '-qq', 'download', ...names], { ...limits, cwd: join(folder, 'packages') })
  for (const file of await readdir(join(folder, 'packages'))) {
    await run('dpkg-deb', ['-x', join(folder, 'packages', file), join(folder, 'root')])
  }
  for (const done of ['packages', 'apt']) await rm(join(folder, done), { recursive: true })
}

/** Options by which apt has lists, and a machine without packages, of our own. */
async function ownApt(suite: Suite, folder: string): Promise<string[]> {
  const apt = join(folder, 'apt')
  await mkdir(join(apt, 'lists', 'partial'), { recursive: true })
  await mkdir(join(apt, 'archives', 'partial'), { recursive: true })
  await writeFile(join(apt, 'status'), '')
  const source = `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${await ownMirror()} ${suite} main\n`
  await writeFile(join(apt, 'sources.list'), source)
  const values = {
    'Dir::Etc::SourceList': join(apt, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(apt, 'lists'),
    'Dir::State::status': join(apt, 'status'),
    'Dir::Cache': apt,
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    // What is fetched belongs to a folder that only its owner may enter.
    'APT::Sandbox::User': 'root',
  }
  return Object.entries(values).flatMap(([name, value]) => ['-o', `${name}=${value}`])
}

/** Where this machine fetches its Debian packages from. */
async function ownMirror(): Promise<string> {
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(ORIGIN) $(LABEL) $(CREATED_BY)'])
  const [, mirror] = /^(\S+) Debian Debian Packages$/m.exec(stdout) ?? []
  if (mirror !== undefined) return mirror
  throw new Error('apt knows no mirror of Debian; type: apt-get update')
}
