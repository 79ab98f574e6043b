import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { settings as readSettings, type Settings } from '../../settings.ts'
import { administratorFolders } from '../../toolchain/administrators.ts'

/** Path of a program of this machine, those of administrators too. */
export function findProgram(name: string, { path }: Pick<Settings, 'path'> = readSettings()): string | undefined {
  return [...path, ...administratorFolders].map((folder) => join(folder, name)).find((place) => canRun(place))
}

/** The emulator for guests of this machine's own kind; one that was named, and cannot be run, is not replaced. */
export function findQemu(settings: Settings = readSettings()): string | undefined {
  const { qemu } = settings
  if (qemu === undefined) return findProgram('qemu-system-x86_64', settings)
  return canRun(qemu) ? qemu : undefined
}

/** Why there is no emulator, and what to type; undefined where there is one. */
export function qemuMissing(settings: Settings = readSettings()): string | undefined {
  const { qemu } = settings
  if (findQemu(settings) !== undefined) return undefined
  if (qemu === undefined) return 'QEMU is not installed: Debian: apt-get install qemu-system-x86'
  return `HOLDFAST_QEMU is ${qemu}, which is no program that this user may run: unset HOLDFAST_QEMU, or set it to the path of a qemu-system-x86_64`
}

/** A BusyBox that needs no library: it is the first program of a guest. */
export function findBusybox(settings: Settings = readSettings()): string | undefined {
  const found = findProgram('busybox', settings)
  return found !== undefined && !needsLibraries(found) ? found : undefined
}

/** Whether an ELF file names an interpreter, which loads its libraries. */
function needsLibraries(path: string): boolean {
  return readFileSync(path).subarray(0, 4_096).includes('/ld-')
}

function canRun(path: string): boolean {
  return isFileFor(constants.X_OK, path)
}

/** Whether it is a file that this user may read, run, or both. */
export function isFileFor(mode: number, path: string): boolean {
  try {
    accessSync(path, mode)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
