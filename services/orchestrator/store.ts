import { commit, openDatabase, writeProbe } from '../shared/sqlite.ts'
import { type PeerInfo, peerInfoSchema, type RouteInfo, routeSchema } from './config.ts'

/** Peers with their tokens, and local routes: committed when a call returns. Throws `StorageUnavailable`. */
export interface Store {
  peers(): PeerInfo[]
  /** False when a peer of that name is there already. */
  insertPeer(peer: PeerInfo): boolean
  putPeer(peer: PeerInfo): void
  deletePeer(name: string): void
  routes(): RouteInfo[]
  putRoute(route: RouteInfo): void
  deleteRoute(key: { domain: string; name: string }): void
  /** Writes and answers whether that reached the disk; a good answer is up to a second old. */
  isWritable(): boolean
  close(): void
}

export function openStore(path: string): Store {
  const database = openDatabase(path, {
    version: 1,
    statements: [
      'CREATE TABLE peers (name TEXT PRIMARY KEY, info TEXT NOT NULL) STRICT, WITHOUT ROWID',
      'CREATE TABLE routes (domain TEXT NOT NULL, name TEXT NOT NULL, protocol TEXT NOT NULL, endpoint TEXT NOT NULL, PRIMARY KEY (domain, name)) STRICT, WITHOUT ROWID',
    ],
  })
  const insertPeer = database.prepare('INSERT OR IGNORE INTO peers (name, info) VALUES (?, ?)')
  const putPeer = database.prepare('INSERT OR REPLACE INTO peers (name, info) VALUES (?, ?)')
  const deletePeer = database.prepare('DELETE FROM peers WHERE name = ?')
  const putRoute = database.prepare(
    'INSERT OR REPLACE INTO routes (domain, name, protocol, endpoint) VALUES (?, ?, ?, ?)',
  )
  const deleteRoute = database.prepare('DELETE FROM routes WHERE domain = ? AND name = ?')
  return {
    peers: () =>
      database
        .prepare('SELECT info FROM peers ORDER BY name')
        .all()
        .map((row) => peerInfoSchema.parse(JSON.parse(String(row.info)))),
    insertPeer: (peer) => commit(database, () => insertPeer.run(peer.name, JSON.stringify(peer)).changes === 1),
    putPeer: (peer) => commit(database, () => void putPeer.run(peer.name, JSON.stringify(peer))),
    deletePeer: (name) => commit(database, () => void deletePeer.run(name)),
    routes: () =>
      database
        .prepare('SELECT domain, name, protocol, endpoint FROM routes ORDER BY domain, name')
        .all()
        .map((row) => routeSchema.parse({ ...row })),
    putRoute: ({ domain, name, protocol, endpoint }) =>
      commit(database, () => void putRoute.run(domain, name, protocol, endpoint)),
    deleteRoute: ({ domain, name }) => commit(database, () => void deleteRoute.run(domain, name)),
    isWritable: writeProbe(database),
    close: () => database.close(),
  }
}
