import type { DatabaseSync } from 'node:sqlite'
import { commit } from '../../shared/sqlite.ts'
import type { Client, Grant, Holder } from '../model.ts'
import { PHASE } from './phases.ts'

type Row = Record<string, unknown>

/** Clients and the certificates that they proved to hold. */
export interface ClientStore {
  find(clientId: string): Client | undefined
  list(): Client[]
  /** Registers or replaces; answers whether it is new. Proven certificates that no longer fit the registration are forgotten. */
  put(client: Client): boolean
  /** Removes the client and its holder certificates, and revokes all its tokens. Answers whether there was one. */
  remove(clientId: string, now: number): boolean
  /** Makes this the newest proven certificate of its client. */
  prove(holder: Holder): void
  /** Records a certificate that is not known yet; one that is keeps its place. */
  proveOnce(holder: Holder): void
  holder(clientId: string, x5t: string): Holder | undefined
  newestHolder(clientId: string): Holder | undefined
  /** Newest first. */
  holders(clientId?: string): Holder[]
}

export function clientStore(database: DatabaseSync): ClientStore {
  const byId = database.prepare('SELECT * FROM clients WHERE client_id = ?')
  const all = database.prepare('SELECT * FROM clients ORDER BY client_id')
  const upsert = database.prepare(
    `INSERT INTO clients (client_id, method, san_dns, pins, trust_domain, grants, introspects) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (client_id) DO UPDATE SET method = excluded.method, san_dns = excluded.san_dns, pins = excluded.pins,
       trust_domain = excluded.trust_domain, grants = excluded.grants, introspects = excluded.introspects`,
  )
  const remove = database.prepare('DELETE FROM clients WHERE client_id = ?')
  const revokeTokens = database.prepare(
    `UPDATE tokens SET revoked_at = ?, phase = ${PHASE.revoked} WHERE client_id = ? AND revoked_at IS NULL`,
  )
  const forget = database.prepare('DELETE FROM holder_certificates WHERE client_id = ? AND x5t = ?')
  const prove = database.prepare(
    `INSERT INTO holder_certificates (client_id, x5t, not_before, not_after, sans, proven_at) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (client_id, x5t) DO NOTHING`,
  )
  const holder = database.prepare('SELECT * FROM holder_certificates WHERE client_id = ? AND x5t = ?')
  const newest = database.prepare('SELECT * FROM holder_certificates WHERE client_id = ? ORDER BY seq DESC LIMIT 1')
  const holdersOf = database.prepare('SELECT * FROM holder_certificates WHERE client_id = ? ORDER BY seq DESC')
  const holders = database.prepare('SELECT * FROM holder_certificates ORDER BY seq DESC LIMIT 1000')
  const insertHolder = (proven: Holder) =>
    prove.run(
      proven.clientId,
      proven.x5t,
      proven.notBefore,
      proven.notAfter,
      JSON.stringify(proven.sans),
      proven.provenAt,
    )

  // This process is the only one that writes clients, and every request asks for one.
  const known = new Map<string, Client>()
  const find = (clientId: string): Client | undefined => {
    const client = known.get(clientId) ?? clientOf(byId.get(clientId))
    if (client !== undefined) known.set(clientId, client)
    return client
  }

  // A client asks for one token after another with one certificate: only the first time is there anything to look up.
  const newestRecorded = new Map<string, string>()

  return {
    find,
    list: () => all.all().map((row) => clientOf(row) as Client),
    put: (client) =>
      commit(database, () => {
        const before = byId.get(client.clientId)
        upsert.run(
          client.clientId,
          client.method,
          client.sanDns ?? null,
          JSON.stringify(client.pins),
          client.trustDomain ?? null,
          JSON.stringify(client.grants),
          JSON.stringify(client.introspects),
        )
        for (const row of holdersOf.all(client.clientId)) {
          const proven = holderOf(row) as Holder
          if (!fits(proven, client, clientOf(before))) forget.run(client.clientId, proven.x5t)
        }
        known.delete(client.clientId)
        newestRecorded.delete(client.clientId)
        return before === undefined
      }),
    remove: (clientId, now) =>
      commit(database, () => {
        revokeTokens.run(now, clientId)
        known.delete(clientId)
        newestRecorded.delete(clientId)
        return remove.run(clientId).changes > 0
      }),
    prove: (proven) =>
      commit(database, () => {
        forget.run(proven.clientId, proven.x5t)
        insertHolder(proven)
      }),
    proveOnce(proven) {
      if (newestRecorded.get(proven.clientId) === proven.x5t) return
      if (holder.get(proven.clientId, proven.x5t) === undefined) commit(database, () => insertHolder(proven))
      newestRecorded.set(proven.clientId, proven.x5t)
    },
    holder: (clientId, x5t) => holderOf(holder.get(clientId, x5t)),
    newestHolder: (clientId) => holderOf(newest.get(clientId)),
    holders: (clientId) =>
      (clientId === undefined ? holders.all() : holdersOf.all(clientId)).map((row) => holderOf(row) as Holder),
  }
}

/** Whether a certificate that was proven under one registration would still be taken under the next. */
function fits(proven: Holder, client: Client, before: Client | undefined): boolean {
  if (client.method === 'self_signed_tls_client_auth') return client.pins.some(({ x5t }) => x5t === proven.x5t)
  // Where its chain ended is not kept, so it counts for the trust domain in which it was proven only.
  const isSameDomain = before?.method === client.method && before.trustDomain === client.trustDomain
  return isSameDomain && client.sanDns !== undefined && proven.sans.includes(client.sanDns)
}

function clientOf(row: Row | undefined): Client | undefined {
  if (row === undefined) return undefined
  return {
    clientId: String(row.client_id),
    method: row.method as Client['method'],
    ...(row.san_dns === null ? {} : { sanDns: String(row.san_dns) }),
    pins: JSON.parse(String(row.pins)) as Client['pins'],
    ...(row.trust_domain === null ? {} : { trustDomain: String(row.trust_domain) }),
    grants: JSON.parse(String(row.grants)) as Grant[],
    introspects: JSON.parse(String(row.introspects)) as string[],
  }
}

function holderOf(row: Row | undefined): Holder | undefined {
  if (row === undefined) return undefined
  return {
    clientId: String(row.client_id),
    x5t: String(row.x5t),
    notBefore: Number(row.not_before),
    notAfter: Number(row.not_after),
    sans: JSON.parse(String(row.sans)) as string[],
    provenAt: Number(row.proven_at),
  }
}
