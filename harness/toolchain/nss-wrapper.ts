import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { settings } from '../settings.ts'
import { triedOnce } from './tried.ts'

/** Where Debian, Fedora, Arch, Alpine and a build by hand put it. */
const usualFolders = [
  `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`,
  ...['/usr/lib64', '/usr/lib', '/usr/local/lib', '/run/current-system/sw/lib'],
]

/**
 * Path of the library by which programs on libc (curl, Python, Java, nginx) find the hosts of a run; undefined where this machine has none
 * that works.
 */
export function findNssWrapper(
  { nssWrapper }: { nssWrapper?: string } = settings(),
  folders: readonly string[] = usualFolders,
): string | undefined {
  const usual = folders.map((folder) => join(folder, 'libnss_wrapper.so'))
  const paths = nssWrapper === undefined ? usual : [nssWrapper]
  return process.platform === 'linux' ? paths.find((path) => existsSync(path) && isWorking(path)) : undefined
}

/** Why programs on libc do not find the hosts of a run on this machine, with the way out; undefined where they do. */
export function namesMissing(given: { nssWrapper?: string } = settings()): string | undefined {
  if (findNssWrapper(given) !== undefined) return undefined
  if (process.platform !== 'linux') return 'programs on libc find the hosts of a run on Linux only'
  const { nssWrapper } = given
  if (nssWrapper !== undefined)
    return `HOLDFAST_NSS_WRAPPER names ${nssWrapper}, which does not work; correct it, or unset it`
  return 'libnss_wrapper is missing (Debian: apt-get install libnss-wrapper; or set HOLDFAST_NSS_WRAPPER to the path of libnss_wrapper.so)'
}

/** What a program needs in its environment. */
export function nssWrapperEnvironment(library: string, hostsFile: string): Record<string, string> {
  return { LD_PRELOAD: library, NSS_WRAPPER_HOSTS: hostsFile }
}

/** A library for another libc, or of an old version, is as good as none. */
const isWorking = triedOnce('libnss_wrapper', (library) => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-names-'))
  const hosts = join(folder, 'hosts')
  try {
    writeFileSync(hosts, '127.0.0.2 tried.holdfast.test\n')
    const env = { PATH: settings().path.join(delimiter), ...nssWrapperEnvironment(library, hosts) }
    const { stdout } = spawnSync('getent', ['ahostsv4', 'tried.holdfast.test'], {
      env,
      timeout: 5_000,
      encoding: 'utf8',
    })
    return stdout?.startsWith('127.0.0.2') ?? false
  } finally {
    rmSync(folder, { recursive: true })
  }
})
