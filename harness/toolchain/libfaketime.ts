import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { settings } from '../settings.ts'

const NAME = 'libfaketimeMT.so.1'

/** Folders where Debian, Fedora, Arch, Alpine and a build by hand put it. */
function folders(): string[] {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
  return [
    `/usr/lib/${machine}-linux-gnu/faketime`,
    '/usr/lib64/faketime',
    '/usr/lib/faketime',
    '/usr/local/lib/faketime',
    '/run/current-system/sw/lib',
  ]
}

interface LibfaketimeSettings {
  libfaketime?: string
  /** For tests. */
  libfaketimeFolders?: readonly string[]
}

/** Path of the library that gives programs on libc another time, or undefined where this machine has none. */
export function findLibfaketime(options: LibfaketimeSettings = settings()): string | undefined {
  const { libfaketime, libfaketimeFolders = folders() } = options
  const paths = libfaketime === undefined ? libfaketimeFolders.map((folder) => join(folder, NAME)) : [libfaketime]
  return process.platform === 'linux' ? paths.find((path) => existsSync(path)) : undefined
}

/** Why the clocks of programs cannot be moved on this machine, with the way out; undefined when they can. */
export function clockMissing(options: LibfaketimeSettings = settings()): string | undefined {
  if (findLibfaketime(options) !== undefined) return undefined
  if (process.platform !== 'linux') return 'clocks of programs can be moved on Linux only'
  if (options.libfaketime !== undefined) {
    return `HOLDFAST_LIBFAKETIME names ${options.libfaketime}, which is not there; correct it, or unset it`
  }
  return 'libfaketime is missing (Debian: apt-get install libfaketime; or set HOLDFAST_LIBFAKETIME to the path of libfaketimeMT.so.1)'
}
