import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { BEING_WRITTEN } from '../../shared/nats/creds-demand.ts'
import type { CredsSet } from '../../shared/nats/creds-set.ts'
import { CURRENT_FILE, type Current } from '../../shared/nats/manifest.ts'

/**
 * Installs a set: each file (0600) is written beside its place and renamed, `current.json` last, so that whoever reads that finds the files
 * that it names, or other bytes than it says.
 */
export function installSet(folder: string, { manifest, files }: CredsSet, now: () => number): void {
  removeLeftovers(folder)
  for (const { entry, text } of files) put(folder, entry.name, text)
  const current: Current = { ...manifest, installedAt: new Date(now()).toISOString() }
  put(folder, CURRENT_FILE, JSON.stringify(current))
  syncFolder(folder)
}

/** Of an installation that was killed. */
function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder).filter((one) => BEING_WRITTEN.test(one))) rmSync(join(folder, name))
}

function put(folder: string, name: string, text: string): void {
  const written = join(folder, `.tmp-${crypto.randomUUID()}`)
  const handle = openSync(written, 'wx', 0o600)
  try {
    writeSync(handle, text)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(written, join(folder, name))
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
