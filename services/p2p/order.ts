import { randomBytes } from 'node:crypto'
import type { Asked } from './node.ts'

/** Something to be done, once however often it comes: by the key the cluster knows a repeat. */
export function ordered(path: string, body: object, key: string = newKey()): Asked {
  return { method: 'POST', path, body, headers: { 'idempotency-key': key } }
}

export function newKey(): string {
  return randomBytes(18).toString('base64url')
}
