import { lstat, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { kindOf, readCreds } from '../shared/nats/creds-text.ts'
import { MANIFEST_FILE } from '../shared/nats/manifest.ts'
import { HandoverUnclean } from './failures.ts'

// What leaves this host: credentials of users, and nothing by which others could be made.

const SEED = /S[A-Z][A-Z2-7]{56}/g
const JWT = /eyJ[\w-]+\.[\w-]+\.[\w-]*/g

/** @throws HandoverUnclean unless the text holds the credentials of one user, or public keys only */
export function scanText(path: string, text: string): void {
  for (const [seed] of text.matchAll(SEED)) {
    if (!seed.startsWith('SU')) throw new HandoverUnclean(path, `holds a seed that is no user's (${seed.slice(0, 2)}…)`)
  }
  for (const [jwt] of text.matchAll(JWT)) {
    const kind = kindOf(jwt)
    if (kind !== 'user') throw new HandoverUnclean(path, `holds a JWT that is no user's (${kind ?? 'unreadable'})`)
  }
}

/** Of what is about to be handed over. */
export function scanCreds(path: string, text: string): void {
  scanText(path, text)
  if (readCreds(text) === undefined) throw new HandoverUnclean(path, 'is no credentials file of a user')
}

/**
 * Of a folder that is handed over: plain files with one name each, of those that are expected. What somebody was stopped writing was
 * removed before.
 *
 * @throws HandoverUnclean
 */
export async function scanFolder(folder: string, expected: readonly string[]): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const found = await lstat(path)
    if (found.isDirectory()) throw new HandoverUnclean(path, 'is a folder, where only files are handed over')
    if (!found.isFile()) throw new HandoverUnclean(path, 'is no plain file')
    const text = await readFile(path, 'utf8')
    scanText(path, text)
    if (!expected.includes(name)) throw new HandoverUnclean(path, 'is none of the files that are handed over')
    if (found.nlink > 1)
      throw new HandoverUnclean(path, `has ${found.nlink} names, so that it can be changed from elsewhere`)
    if (name !== MANIFEST_FILE) scanCreds(path, text)
  }
}
