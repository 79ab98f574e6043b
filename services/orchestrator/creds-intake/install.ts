import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BEING_WRITTEN } from '../../shared/nats/creds-demand.ts'
import type { CredsSet } from '../../shared/nats/creds-set.ts'
import { CURRENT_FILE, type Current } from '../../shared/nats/manifest.ts'
import { syncFolder } from '../../shared/sync-folder.ts'

/**
 * Installs a set (0600): all of it is written beside its place before any of it is renamed, so that a full disk leaves the set before as it
 * was; `current.json` comes last, so that whoever reads that finds the files that it names, or other bytes than it says.
 */
export function installSet(folder: string, { manifest, files }: CredsSet, now: () => number): void {
  removeLeftovers(folder)
  const current: Current = { ...manifest, installedAt: new Date(now()).toISOString() }
  const texts = [
    ...files.map(({ entry, text }) => [entry.name, text] as const),
    [CURRENT_FILE, JSON.stringify(current)] as const,
  ]
  try {
    const written = texts.map(([name, text]) => [write(folder, text), join(folder, name)] as const)
    for (const [from, to] of written) renameSync(from, to)
  } catch (failure) {
    removeLeftovers(folder)
    throw failure
  }
  syncFolder(folder)
}

/** Of an installation that was killed. */
function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder).filter((one) => BEING_WRITTEN.test(one))) rmSync(join(folder, name))
}

/** @returns where it stands until it is renamed */
function write(folder: string, text: string): string {
  const written = join(folder, `.tmp-${crypto.randomUUID()}`)
  const handle = openSync(written, 'wx', 0o600)
  try {
    // Until all of it is written: a single write may end where the disk does, and say nothing.
    writeFileSync(handle, text)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  return written
}
