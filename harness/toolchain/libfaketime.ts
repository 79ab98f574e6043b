import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { settings } from '../settings.ts'
import { triedOnce } from './tried.ts'

/** Where Debian, Fedora, Arch, Alpine and a build by hand put it. */
const usualFolders = [
  `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime`,
  '/usr/lib64/faketime',
  '/usr/lib/faketime',
  '/usr/local/lib/faketime',
  '/run/current-system/sw/lib',
]

/** Path of the library that gives programs on libc another time, or undefined where this machine has none that works. */
export function findLibfaketime(
  { libfaketime }: { libfaketime?: string } = settings(),
  folders: readonly string[] = usualFolders,
): string | undefined {
  const usual = folders.map((folder) => join(folder, 'libfaketimeMT.so.1'))
  const paths = libfaketime === undefined ? usual : [libfaketime]
  return process.platform === 'linux' ? paths.find((path) => existsSync(path) && isWorking(path)) : undefined
}

/** Why the clocks of programs cannot be moved on this machine, with the way out; undefined when they can. */
export function clockMissing(
  { libfaketime }: { libfaketime?: string } = settings(),
  folders?: readonly string[],
): string | undefined {
  if (findLibfaketime({ libfaketime }, folders) !== undefined) return undefined
  if (process.platform !== 'linux') return 'clocks of programs can be moved on Linux only'
  if (libfaketime !== undefined) {
    return `HOLDFAST_LIBFAKETIME names ${libfaketime}, which does not work; correct it, or unset it`
  }
  return 'libfaketime is missing (Debian: apt-get install libfaketime; or set HOLDFAST_LIBFAKETIME to the path of libfaketimeMT.so.1)'
}

/** A program ignores a library that it cannot load, and its clock would stay where it is without a word. */
const isWorking = triedOnce('libfaketime', (library) => {
  const env = { PATH: settings().path.join(delimiter), LD_PRELOAD: library, FAKETIME: '2001-06-15 12:00:00' }
  return spawnSync('date', ['+%Y'], { env, timeout: 5_000, encoding: 'utf8' }).stdout?.trim() === '2001'
})
