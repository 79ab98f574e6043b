import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { settings as readSettings, type Settings } from '../../settings.ts'
import { lockFolder } from '../../toolchain/lock.ts'
import { initramfs } from './initramfs.ts'
import { KernelUnfit, neededModules } from './kernel-modules.ts'
import { findProgram, isFileFor } from './programs.ts'
import { folderAside, folderOfMachines, writeWhole } from './set-aside.ts'

const run = promisify(execFile)

/** A kernel, and the folder of its modules. */
export interface Kernel {
  readonly image: string
  readonly modules: string
}

/** Of Debian: small, and with all that a machine without hardware needs. */
const PACKAGE = 'linux-image-cloud-amd64'

/** The kernel of this machine's guests, where it is there already; one that was named, and is not there, is not replaced. */
export function findKernel(settings: Settings = readSettings()): Kernel | undefined {
  const named = namedKernel(settings)
  if (named !== undefined) return namedMissing(named, settings) === undefined ? named : undefined
  return kernelsIn('/', (version) => `/lib/modules/${version}`).at(-1) ?? fetchedKernel(settings)
}

function fetchedKernel({ cacheDir }: Settings): Kernel | undefined {
  const folder = join(folderOfMachines({ cacheDir }), 'kernel')
  return kernelsIn(folder, (version) => join(folder, 'lib/modules', version)).at(-1)
}

/** Those in `boot` that this user may read, and whose modules are there, oldest first. */
function kernelsIn(root: string, modules: (version: string) => string): Kernel[] {
  const boot = join(root, 'boot')
  const names = existsSync(boot) ? readdirSync(boot).sort((a, b) => a.localeCompare(b, 'en', { numeric: true })) : []
  return names.flatMap((name) => {
    const [, version] = /^vmlinuz-(.+)$/.exec(name) ?? []
    if (version === undefined || !isReadable(join(boot, name)) || !hasModules(modules(version))) return []
    return [{ image: join(boot, name), modules: modules(version) }]
  })
}

function isReadable(path: string): boolean {
  return isFileFor(constants.R_OK, path)
}

function hasModules(folder: string): boolean {
  return existsSync(join(folder, 'kernel'))
}

function namedKernel({ vmKernel, vmModules }: Settings): Kernel | undefined {
  return vmKernel === undefined ? undefined : { image: vmKernel, modules: vmModules ?? modulesOf(vmKernel) }
}

/** Why a kernel that somebody named boots no guest, by the variable that is to be set right. */
function namedMissing({ image, modules }: Kernel, { vmModules }: Settings): string | undefined {
  if (!isReadable(image))
    return `HOLDFAST_VM_KERNEL is ${image}, which is no file that this user may read: unset HOLDFAST_VM_KERNEL, or set it to the path of a kernel (vmlinuz-VERSION)`
  if (hasModules(modules)) return undefined
  const where = vmModules === undefined ? `not set, and ${modules}` : `${modules}, which`
  return `HOLDFAST_VM_MODULES is ${where} has no folder "kernel": set HOLDFAST_VM_MODULES to the folder of the modules of ${image}`
}

/** Where modules of a kernel lie that somebody named: beside the system's own. */
function modulesOf(image: string): string {
  const [, version = ''] = /vmlinuz-([^/]+)$/.exec(image) ?? []
  return `/lib/modules/${version}`
}

/** Why there is no kernel for guests, and what to type; undefined where there is one, or where one can be fetched. */
export function kernelMissing(settings: Settings = readSettings()): string | undefined {
  const named = namedKernel(settings)
  if (named !== undefined) return namedMissing(named, settings)
  if (findKernel(settings) !== undefined || canFetch(settings)) return undefined
  return `there is no kernel for guests: /boot has none that this user may read, with its modules; set HOLDFAST_VM_KERNEL and HOLDFAST_VM_MODULES, or on Debian: apt-get install ${PACKAGE}`
}

function canFetch(settings: Settings): boolean {
  const hasPackages =
    existsSync('/var/lib/apt/lists') &&
    readdirSync('/var/lib/apt/lists').some((name) => name.endsWith('_Packages') || name.includes('_Packages.'))
  return hasPackages && ['apt-get', 'apt-cache', 'dpkg-deb'].every((name) => findProgram(name, settings) !== undefined)
}

/** The kernel of guests; one of Debian's packages is fetched into the cache, unpacked and never installed, where there is none. */
export async function ensureKernel(settings: Settings = readSettings()): Promise<Kernel> {
  return findKernel(settings) ?? (await fetchKernel(settings))
}

async function fetchKernel(settings: Settings): Promise<Kernel> {
  const missing = kernelMissing(settings)
  if (missing !== undefined) throw new KernelUnfit(missing)
  const folder = folderOfMachines(settings)
  using _ = await lockFolder(folder)
  const meanwhile = findKernel(settings)
  if (meanwhile !== undefined) return meanwhile
  const making = await folderAside(folder)
  try {
    // What its name stands for now.
    const { stdout } = await run('apt-cache', ['depends', PACKAGE])
    const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1] ?? PACKAGE
    await run('apt-get', ['download', name], { cwd: making, timeout: 300_000 })
    const file = (await readdir(making)).find((entry) => entry.endsWith('.deb')) as string
    await run('dpkg-deb', ['-x', file, join(making, 'kernel')], { cwd: making })
    await rm(join(folder, 'kernel'), { recursive: true, force: true })
    await rename(join(making, 'kernel'), join(folder, 'kernel'))
  } catch (cause) {
    throw new KernelUnfit(`the kernel of ${PACKAGE} could not be fetched: ${(cause as Error).message.trim()}`)
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return fetchedKernel(settings) as Kernel
}

/** Path of the first root of guests with that kernel; made once. */
export async function ensureInitramfs({ image, modules }: Kernel, busybox: string): Promise<string> {
  const folder = folderOfMachines()
  const content = initramfs(await readFile(busybox), await neededModules(modules))
  const hash = createHash('sha256').update(image).update(content).digest('hex').slice(0, 24)
  const path = join(folder, `${hash}.initramfs`)
  if (existsSync(path)) return path
  using _ = await lockFolder(folder)
  await writeWhole(folder, path, content)
  return path
}

/** What tells the kernel of guests, and what it boots on, from another: for what is remembered of it. */
export function fingerprintOf({ image }: Kernel, ...more: string[]): string {
  const cpu = /^model name.*$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[0] ?? ''
  return createHash('sha256')
    .update([image, cpu, ...more].join('\0'))
    .digest('hex')
    .slice(0, 24)
}
