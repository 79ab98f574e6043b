import { kernelMissing } from './kernel.ts'
import { findBusybox, findProgram, qemuMissing } from './programs.ts'

/** Why this machine cannot run machines, and what to type; undefined when it can. */
export async function vmMissing(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return `machines are made from the programs of Linux on x86-64, and this is ${process.platform} on ${process.arch}`
  }
  const lacking = [
    qemuMissing() ?? false,
    findBusybox() === undefined && 'a static BusyBox is not installed: Debian: apt-get install busybox-static',
    findProgram('mke2fs') === undefined && 'mke2fs is not installed: Debian: apt-get install e2fsprogs',
    kernelMissing() ?? false,
  ].filter((one) => one !== false)
  return lacking.length === 0 ? undefined : lacking.join('; ')
}
