import { renameSync, writeFileSync } from 'node:fs'

/** Replaces a file (0600) at once: whoever reads it sees the old text or the new one, never a part. */
export function replaceFile(path: string, text: string): void {
  const next = `${path}.${crypto.randomUUID().slice(0, 8)}`
  writeFileSync(next, text, { mode: 0o600, flag: 'wx' })
  renameSync(next, path)
}
