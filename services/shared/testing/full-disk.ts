import { execFileSync, spawnSync } from 'node:child_process'
import { appendFileSync, closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Disks that are full, and files that are read-only: file modes alone do not stop root, under which tests may run.

/** Whether this machine can bound the files of a running process (util-linux). */
export const canBoundFiles = spawnSync('prlimit', ['--fsize=unlimited:', 'true']).status === 0

/** No file of the process may be written beyond so many bytes, as if the disk was full; undefined takes that back. */
export function boundFiles(pid: number, bytes: number | undefined): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes ?? 'unlimited'}:`])
}

/** Whether this machine can take a file that is open already away from those who write it: chattr, as root, on most disks. */
export const canFreezeFiles = triesToFreeze()

/** Makes files read-only for everybody, or writable again. */
export function freezeFiles(files: readonly string[], isFrozen: boolean): void {
  execFileSync('chattr', [isFrozen ? '+i' : '-i', ...files], { stdio: 'pipe' })
}

function triesToFreeze(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-frozen-'))
  const file = join(folder, 'file')
  appendFileSync(file, 'before')
  const handle = openSync(file, 'a')
  try {
    freezeFiles([file], true)
    return !canWrite(handle)
  } catch {
    return false
  } finally {
    spawnSync('chattr', ['-i', file])
    closeSync(handle)
    rmSync(folder, { recursive: true, force: true })
  }
}

function canWrite(handle: number): boolean {
  try {
    writeSync(handle, 'after')
    return true
  } catch {
    return false
  }
}
