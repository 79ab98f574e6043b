import type { Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Client } from '../nats/client.ts'

/** What a baseline server gets from the bench that started it: PEM texts of the very node that it stands in for. */
export interface BaselineConfig {
  cert: string
  key: string
  ca: string
  /** The issuer's public keys, as its JWKS says. */
  jwks?: { keys: object[] }
  /** What to answer, as text. */
  body?: string
  /** As whom to log in at a broker. */
  client?: Client
  /** What lenders have, when they say it, and by which name they never do. */
  lends?: { rows: number; afterMs: number; silent: string }
  /** Where a database is, and what it is asked. */
  database?: { url: string; statement: { text: string; values: readonly unknown[] } }
}

/** Runs in a child process: takes the configuration, listens on loopback, and tells the port. */
export function serve(start: (config: BaselineConfig) => Promise<Server>): void {
  process.once('message', async (config) => {
    const server = await start(config as BaselineConfig)
    server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
  })
  // The bench is gone: nobody needs this server any more.
  process.once('disconnect', () => process.exit(0))
}
