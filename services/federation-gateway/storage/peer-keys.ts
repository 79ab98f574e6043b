import { type Keyring, SealFailure, type SealFailureCode } from '../sealing/keyring.ts'
import { type Database, one, type Session } from './database.ts'
import { sql } from './statement.ts'

export type Slot = 'pending' | 'current' | 'previous'

/** A key of an outbound peer as it lies in the database, with what belongs to it. */
export interface StoredKey {
  readonly id: string
  readonly peerId: string
  readonly slot: Slot
  readonly sealedKey: string
  readonly csrPem: string
  readonly certPem: string | null
  readonly chainPem: string | null
  readonly serial: string | null
  readonly notAfter: Date | null
}

const MEMBERS = `
  id, peer_id AS "peerId", slot, sealed_key AS "sealedKey", csr_pem AS "csrPem", cert_pem AS "certPem",
  chain_pem AS "chainPem", serial, not_after AS "notAfter"`

export interface KeyPlace {
  readonly tenantId: string
  readonly peerId: string
}

/**
 * Stores a key before its request for a certificate is sent. Where one is waiting already that one is answered, and the new one is not
 * stored: the same request is to be sent again, as its answer may have been lost.
 *
 * @param key its `id` is made by whoever seals: a seal is bound to its row
 */
export async function storePendingKey(
  session: Session,
  { tenantId, peerId }: KeyPlace,
  key: { readonly id: string; readonly sealedKey: string; readonly csrPem: string },
): Promise<StoredKey> {
  await session.query(sql`
    INSERT INTO federation_peer_credentials (id, tenant_id, peer_id, slot, sealed_key, csr_pem)
    VALUES (${key.id}::uuid, ${tenantId}::uuid, ${peerId}::uuid, 'pending', ${key.sealedKey}, ${key.csrPem})
    ON CONFLICT (peer_id, slot) DO NOTHING`)
  const stored = await readKey(session, { tenantId, peerId, slot: 'pending' })
  if (stored === undefined) throw new Error(`the pending key of peer ${peerId} was taken away while it was stored`)
  return stored
}

export function readKey(
  session: Session,
  { tenantId, peerId, slot }: KeyPlace & { readonly slot: Slot },
): Promise<StoredKey | undefined> {
  return one(session, {
    text: `SELECT ${MEMBERS} FROM federation_peer_credentials
      WHERE tenant_id = $1::uuid AND peer_id = $2::uuid AND slot = $3`,
    values: [tenantId, peerId, slot],
  })
}

export interface TakenCertificate {
  readonly certPem: string
  readonly chainPem: string
  readonly serial: string
  readonly notAfter: Date
}

/**
 * Within a transaction: the certificate of the pending key is taken, which becomes the current one. The one before it stays as long as a
 * call may still be under way with it. Undefined: nothing is pending.
 */
export async function promotePending(
  session: Session,
  { tenantId, peerId }: KeyPlace,
  { certPem, chainPem, serial, notAfter }: TakenCertificate,
): Promise<StoredKey | undefined> {
  const pending = await session.query(sql`
    SELECT FROM federation_peer_credentials
    WHERE tenant_id = ${tenantId}::uuid AND peer_id = ${peerId}::uuid AND slot = 'pending' FOR NO KEY UPDATE`)
  if (pending.length === 0) return undefined
  await session.query(sql`
    DELETE FROM federation_peer_credentials
    WHERE tenant_id = ${tenantId}::uuid AND peer_id = ${peerId}::uuid AND slot = 'previous'`)
  await session.query(sql`
    UPDATE federation_peer_credentials SET slot = 'previous'
    WHERE tenant_id = ${tenantId}::uuid AND peer_id = ${peerId}::uuid AND slot = 'current'`)
  await session.query(sql`
    UPDATE federation_peer_credentials SET slot = 'current', cert_pem = ${certPem}, chain_pem = ${chainPem},
      serial = ${serial}, not_after = ${notAfter}::timestamptz
    WHERE tenant_id = ${tenantId}::uuid AND peer_id = ${peerId}::uuid AND slot = 'pending'`)
  return readKey(session, { tenantId, peerId, slot: 'current' })
}

/** What nobody calls with any more: a previous key whose connections are closed, or a pending one that is given up. */
export async function dropKey(
  session: Session,
  { tenantId, peerId, slot }: KeyPlace & { readonly slot: 'pending' | 'previous' },
): Promise<void> {
  await session.query(sql`
    DELETE FROM federation_peer_credentials
    WHERE tenant_id = ${tenantId}::uuid AND peer_id = ${peerId}::uuid AND slot = ${slot}`)
}

/** How many rows were sealed by each key, over all tenants. `malformed`: what is no envelope. */
export async function keysByKid(session: Session): Promise<Record<string, number>> {
  const rows = await session.query<{ kid: string; rows: number }>(sql`
    SELECT coalesce(substring(sealed_key FROM '^fgk1\\.([0-9a-f]{16})\\.'), 'malformed') AS kid, count(*) AS rows
    FROM federation_peer_credentials GROUP BY 1 ORDER BY 1`)
  return Object.fromEntries(rows.map(({ kid, rows: count }) => [kid, count]))
}

/** A row that no key opens: its peer is broken, and no other is disturbed. */
export interface Unopened {
  readonly tenantId: string
  readonly rowId: string
  readonly peerId: string
  readonly code: SealFailureCode
}

export interface Resealed {
  readonly resealed: number
  readonly unopened: readonly Unopened[]
}

const BATCH = 100

/**
 * Seals anew, with the current secret, whatever was sealed with another: a hundred rows at a time, while everything runs. Whoever is killed
 * half-way begins again and finds those that are left; two at once share them.
 */
export async function resealKeys(
  database: Database,
  keyring: Keyring,
  onBatch: (done: number) => void = () => {},
): Promise<Resealed> {
  const unopened: Unopened[] = []
  let resealed = 0
  for (let after: string | undefined = ''; after !== undefined; ) {
    const from: string = after
    const batch = await database.transaction((session) => resealBatch(session, keyring, from))
    unopened.push(...batch.unopened)
    resealed += batch.resealed
    after = batch.last
    if (batch.resealed > 0) onBatch(resealed)
  }
  return { resealed, unopened }
}

interface SealedRow {
  readonly id: string
  readonly tenant_id: string
  readonly peer_id: string
  readonly sealed_key: string
}

async function resealBatch(session: Session, keyring: Keyring, after: string) {
  const rows = await session.query<SealedRow>(sql`
    SELECT id, tenant_id, peer_id, sealed_key FROM federation_peer_credentials
    WHERE split_part(sealed_key, '.', 2) <> ${keyring.kid} AND id::text > ${after}
    ORDER BY id::text LIMIT ${BATCH}::int FOR UPDATE SKIP LOCKED`)
  const unopened: Unopened[] = []
  let resealed = 0
  for (const row of rows) {
    const place = { rowId: row.id, peerId: row.peer_id }
    try {
      const key = keyring.open(row.sealed_key, place)
      const sealed = keyring.seal(key, place)
      key.fill(0)
      await session.query(sql`
        UPDATE federation_peer_credentials SET sealed_key = ${sealed}
        WHERE tenant_id = ${row.tenant_id}::uuid AND id = ${row.id}::uuid`)
      resealed += 1
    } catch (failure) {
      if (!(failure instanceof SealFailure)) throw failure
      unopened.push({ tenantId: row.tenant_id, ...place, code: failure.code })
    }
  }
  return { resealed, unopened, last: rows.at(-1)?.id }
}
