import type { FilePeer, PeerInfo, PeeringConfiguration } from './config.ts'
import type { Store } from './store.ts'

/** A peer as this node works with it. */
export interface Peer {
  readonly name: string
  readonly endpoint: string
  /** Host of the endpoint: the SAN that its certificate must carry, in both directions. */
  readonly host: string
  readonly domains: readonly string[]
  readonly trustDomain: string
  readonly enabled: boolean
  readonly token: PeerTokenOrigin
}

/** Where the token that we present to a peer comes from. */
type PeerTokenOrigin =
  | { kind: 'text'; token: string }
  | { kind: 'file'; path: string }
  | { kind: 'source'; issuer: string; resource: string }
  /** Our own node token, for peers of our own trust domain. */
  | { kind: 'node' }

export type PeerChange = { peer: Peer; before: Peer | undefined } | { peer: undefined; before: Peer }

/** All peers, by name. Changes are on disk before anybody hears of them. */
export class Peers {
  readonly #records = new Map<string, { info: FilePeer; peer: Peer }>()
  readonly #listeners = new Set<(change: PeerChange) => void>()
  readonly #store: Store
  readonly #ownDomain: string
  /** Never stored: a peer that is taken out of the file must be gone after the next start. */
  readonly #ofFile: ReadonlySet<string>

  constructor(store: Store, configuration: Pick<PeeringConfiguration, 'peering' | 'trustDomain'>) {
    this.#store = store
    this.#ownDomain = configuration.trustDomain.name
    this.#ofFile = new Set(configuration.peering.peers.map(({ name }) => name))
    // What the file declares holds over what the API made before.
    for (const info of [...store.peers(), ...configuration.peering.peers]) this.#set(info)
  }

  onChange(listener: (change: PeerChange) => void): void {
    this.#listeners.add(listener)
  }

  get(name: string): Peer | undefined {
    return this.#records.get(name)?.peer
  }

  info(name: string): FilePeer | undefined {
    return this.#records.get(name)?.info
  }

  all(): Peer[] {
    return [...this.#records.values()].map(({ peer }) => peer).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** False when there is one of that name. */
  add(info: PeerInfo): boolean {
    if (this.#records.has(info.name) || !this.#store.insertPeer(info)) return false
    this.#tell({ peer: this.#set(info), before: undefined })
    return true
  }

  replace(info: FilePeer): void {
    const before = this.get(info.name)
    const { peerTokenFile: _, ...stored } = info
    if (!this.#ofFile.has(info.name)) this.#store.putPeer(stored)
    this.#tell({ peer: this.#set(info), before })
  }

  remove(name: string): boolean {
    const before = this.get(name)
    if (before === undefined) return false
    this.#store.deletePeer(name)
    this.#records.delete(name)
    this.#tell({ peer: undefined, before })
    return true
  }

  #set(info: FilePeer): Peer {
    const peer = peerOf(info, this.#ownDomain)
    this.#records.set(info.name, { info, peer })
    return peer
  }

  #tell(change: PeerChange): void {
    for (const listener of this.#listeners) listener(change)
  }
}

export function peerOf(info: FilePeer, ownDomain: string): Peer {
  return {
    name: info.name,
    endpoint: info.endpoint,
    host: new URL(info.endpoint).hostname,
    domains: info.domains,
    trustDomain: info.trustDomain ?? ownDomain,
    enabled: info.enabled,
    token: originOf(info),
  }
}

function originOf(info: FilePeer): PeerTokenOrigin {
  if (info.peerToken !== undefined) return { kind: 'text', token: info.peerToken }
  if (info.peerTokenFile !== undefined) return { kind: 'file', path: info.peerTokenFile }
  if (info.tokenSource !== undefined) return { kind: 'source', ...info.tokenSource }
  return { kind: 'node' }
}
