import type { DatabaseSchema } from '../../shared/sqlite.ts'

/**
 * Version 1. Times are whole seconds since 1970; lists are JSON text. No column ever holds a token's text.
 *
 * `phase` says nothing that the other columns do not say: it is there so that lists of one state are found by index, however many
 * tokens of other states lie between them. `store/phases.ts` keeps it.
 */
export const databaseSchema: DatabaseSchema = {
  version: 1,
  statements: [
    `CREATE TABLE clients (
      client_id TEXT PRIMARY KEY,
      method TEXT NOT NULL,
      san_dns TEXT,
      pins TEXT NOT NULL,
      trust_domain TEXT,
      grants TEXT NOT NULL,
      introspects TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE holder_certificates (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      client_id TEXT NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
      x5t TEXT NOT NULL,
      not_before INTEGER NOT NULL,
      not_after INTEGER NOT NULL,
      sans TEXT NOT NULL,
      proven_at INTEGER NOT NULL
    ) STRICT`,
    'CREATE UNIQUE INDEX holder_certificates_by_client ON holder_certificates (client_id, x5t)',
    'CREATE INDEX holder_certificates_by_end ON holder_certificates (not_after)',
    `CREATE TABLE keys (
      kid TEXT PRIMARY KEY,
      alg TEXT NOT NULL,
      jwk TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('active', 'grace', 'retired')),
      created_at INTEGER NOT NULL,
      until INTEGER
    ) STRICT, WITHOUT ROWID`,
    "CREATE UNIQUE INDEX keys_one_active ON keys (state) WHERE state = 'active'",
    `CREATE TABLE tokens (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      jti TEXT NOT NULL UNIQUE,
      use TEXT NOT NULL,
      client_id TEXT NOT NULL,
      aud TEXT NOT NULL,
      scope TEXT NOT NULL,
      x5t TEXT NOT NULL,
      sans TEXT NOT NULL,
      trusted_domains TEXT NOT NULL,
      trusted_nodes TEXT,
      kid TEXT NOT NULL,
      iat INTEGER NOT NULL,
      exp INTEGER NOT NULL,
      revoked_at INTEGER,
      phase INTEGER NOT NULL DEFAULT 0
    ) STRICT`,
    // Each index ends with the row's number, so that what it finds is in the order of lists.
    'CREATE INDEX tokens_by_client ON tokens (client_id, phase)',
    'CREATE INDEX tokens_by_x5t ON tokens (x5t, phase)',
    'CREATE INDEX tokens_by_kid ON tokens (kid, phase)',
    'CREATE INDEX tokens_by_phase ON tokens (phase)',
    'CREATE INDEX tokens_by_end ON tokens (phase, exp)',
    `CREATE TABLE token_sans (
      san TEXT NOT NULL,
      seq INTEGER NOT NULL REFERENCES tokens (seq) ON DELETE CASCADE,
      phase INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (san, phase, seq)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TRIGGER token_sans_follow AFTER UPDATE OF phase ON tokens
      BEGIN UPDATE token_sans SET phase = NEW.phase WHERE seq = NEW.seq; END`,
    'CREATE INDEX token_sans_by_token ON token_sans (seq)',
  ],
}
