import { openDatabase, writeProbe } from '../../shared/sqlite.ts'
import { type ClientStore, clientStore } from './clients.ts'
import { type KeyStore, keyStore } from './keys.ts'
import { databaseSchema } from './schema.ts'
import { tokenWriter } from './token-writer.ts'
import { type TokenStore, tokenStore } from './tokens.ts'

export interface Store {
  readonly clients: ClientStore
  readonly tokens: TokenStore
  readonly keys: KeyStore
  /** Writes and answers whether that reached the disk; a good answer is up to a second old. */
  isWritable(): boolean
  /** Starts what the first token would otherwise wait for. */
  warmUp(): void
  close(): Promise<void>
}

/** Opens the database at `path`. Throws `StartFailure`. */
export function openStore(path: string): Store {
  const database = openDatabase(path, databaseSchema)
  const writer = tokenWriter(path)
  return {
    clients: clientStore(database),
    tokens: tokenStore(database, writer),
    keys: keyStore(database),
    isWritable: writeProbe(database),
    warmUp: writer.warmUp,
    async close() {
      await writer.close()
      database.close()
    },
  }
}
