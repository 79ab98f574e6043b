import { closeSync, fsyncSync, openSync } from 'node:fs'

/** Names in a folder are on disk when this returns. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
