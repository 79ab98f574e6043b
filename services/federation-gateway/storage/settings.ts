import { randomBytes } from 'node:crypto'
import { one, type Session } from './database.ts'
import { sql } from './statement.ts'

// What belongs to the database as a whole, and to no tenant.

/** 32 random bytes that are this database's own, made by whoever asks first. */
export async function databaseSalt(session: Session): Promise<Buffer> {
  const salt = await recorded<string>(session, 'salt', randomBytes(32).toString('base64'))
  return Buffer.from(salt, 'base64')
}

/** The fingerprint of the CA's root that counts: of two that start at once, both get that of the first. */
export function recordedRootPin(session: Session, fingerprint: string): Promise<string> {
  return recorded(session, 'root-pin', fingerprint)
}

export async function rootPin(session: Session): Promise<string | undefined> {
  return setting(session, 'root-pin')
}

/** On purpose: `gateway ca repin`. */
export function changeRootPin(session: Session, fingerprint: string): Promise<void> {
  return setSetting(session, 'root-pin', fingerprint)
}

export async function setting<Value>(session: Session, key: string): Promise<Value | undefined> {
  return (await one<{ value: Value }>(session, sql`SELECT value FROM settings WHERE key = ${key}`))?.value
}

export async function setSetting(session: Session, key: string, value: unknown): Promise<void> {
  await session.query(sql`
    INSERT INTO settings (key, value) VALUES (${key}, ${JSON.stringify(value)}::jsonb)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, changed_at = now()`)
}

/** The first value stays. */
async function recorded<Value>(session: Session, key: string, value: Value): Promise<Value> {
  await session.query(sql`
    INSERT INTO settings (key, value) VALUES (${key}, ${JSON.stringify(value)}::jsonb) ON CONFLICT (key) DO NOTHING`)
  return (await setting<Value>(session, key))!
}
