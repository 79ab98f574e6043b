import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { isUuid } from '../ids.ts'
import { type Instant, isInstant } from './instant.ts'

/** The last row of a page: rows are in the order `created_at DESC, id DESC`, so the next page begins below it. */
export interface Position {
  readonly createdAt: Instant
  readonly id: string
}

/** What a cursor is good for: it continues this query under this grant, and no other. */
export interface CursorBinding {
  readonly queryHash: string
  readonly grantId: string
}

const MAC_LENGTH = 32
const payloadSchema = z.strictObject({
  c: z.string().refine(isInstant),
  i: z.string().refine(isUuid),
  h: z.string(),
  g: z.string(),
})

/** `<base64url of JSON>.<base64url of its HMAC-SHA-256>` (RFC 2104): opaque to callers, and made by nobody else. */
export function writeCursor(key: Buffer, { createdAt, id }: Position, { queryHash, grantId }: CursorBinding): string {
  const payload = Buffer.from(JSON.stringify({ c: createdAt, i: id, h: queryHash, g: grantId })).toString('base64url')
  return `${payload}.${macOf(key, payload).toString('base64url')}`
}

/** Reads a cursor that one of the keys has made for just this query and grant; undefined for every other. */
export function readCursor(keys: readonly Buffer[], cursor: string, binding: CursorBinding): Position | undefined {
  const [payload = '', mac = '', ...more] = cursor.split('.')
  const given = Buffer.from(mac, 'base64url')
  // Base64url has several spellings of the same bytes for readers that are lenient, as Node's is.
  if (more.length > 0 || given.length !== MAC_LENGTH || given.toString('base64url') !== mac) return undefined
  if (!keys.some((key) => timingSafeEqual(macOf(key, payload), given))) return undefined
  const read = payloadSchema.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString()))
  if (!read.success || read.data.h !== binding.queryHash || read.data.g !== binding.grantId) return undefined
  return { createdAt: read.data.c, id: read.data.i }
}

function macOf(key: Buffer, payload: string): Buffer {
  return createHmac('sha256', key).update(payload).digest()
}
