import { accessSync, constants, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { settings as readSettings, type Settings } from '../../settings.ts'
import { administratorFolders } from '../../toolchain/administrators.ts'

/** Path of a program of this machine, those of administrators too. */
export function findProgram(name: string, { path }: Pick<Settings, 'path'> = readSettings()): string | undefined {
  return [...path, ...administratorFolders].map((folder) => join(folder, name)).find((place) => canRun(place))
}

/** The emulator for guests of this machine's own kind. */
export function findQemu(settings: Settings = readSettings()): string | undefined {
  return settings.qemu ?? findProgram('qemu-system-x86_64', settings)
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
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
