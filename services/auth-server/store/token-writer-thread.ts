import type { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { commit, openDatabase, StorageUnavailable } from '../../shared/sqlite.ts'
import type { TokenRecord } from '../model.ts'
import { databaseSchema } from './schema.ts'
import type { WriterAnswer, WriterRequest } from './token-writer.ts'

// A thread of its own, because a commit waits for the disk. Rows that come meanwhile share the next commit.

const database = openDatabase((workerData as { path: string }).path, databaseSchema)
const insertRow = tokenInsert(database)
let waiting: { id: number; token: TokenRecord }[] = []

parentPort?.on('message', (request: WriterRequest) => {
  if ('close' in request) {
    if (waiting.length > 0) flush()
    database.close()
    parentPort?.close()
    return
  }
  if (waiting.length === 0) setImmediate(flush)
  waiting.push(...request.rows)
})

function flush(): void {
  const group = waiting
  waiting = []
  if (group.length === 0) return
  const ids = group.map(({ id }) => id)
  try {
    const recorded = commit(database, () => group.map(({ token }) => insertRow(token)))
    answer({ ids, recorded })
  } catch (failure) {
    const cause = failure instanceof StorageUnavailable ? failure.cause : failure
    answer({ ids, failure: cause instanceof Error ? cause.message : String(cause) })
  }
}

function answer(message: WriterAnswer): void {
  parentPort?.postMessage(message)
}

/** Inserts a row, and answers whether its client was still there. */
function tokenInsert(database: DatabaseSync): (token: TokenRecord) => boolean {
  const insert = database.prepare(
    `INSERT INTO tokens (jti, use, client_id, aud, scope, x5t, sans, trusted_domains, trusted_nodes, kid, iat, exp)
     SELECT ?, ?, client_id, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM clients WHERE client_id = ?`,
  )
  const insertSan = database.prepare('INSERT INTO token_sans (san, seq) VALUES (?, ?)')
  return (token) => {
    const { changes, lastInsertRowid } = insert.run(
      token.jti,
      token.use,
      JSON.stringify(token.aud),
      token.scope,
      token.x5t,
      JSON.stringify(token.sans),
      JSON.stringify(token.trustedDomains),
      token.trustedNodes === undefined ? null : JSON.stringify(token.trustedNodes),
      token.kid,
      token.iat,
      token.exp,
      token.clientId,
    )
    if (changes === 0) return false
    for (const san of new Set(token.sans)) insertSan.run(san, lastInsertRowid)
    return true
  }
}
