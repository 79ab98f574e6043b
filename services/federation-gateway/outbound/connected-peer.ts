import type { X509Certificate } from 'node:crypto'
import { thumbprint } from '../../shared/peer-certificate.ts'
import { type Call, call, createCallAgent } from '../calls/https-call.ts'
import { LARGEST_LIST } from '../certificates/crl.ts'
import { distributionPointOf } from '../certificates/distribution-point.ts'
import { certificatesInPem } from '../certificates/pem.ts'
import type { Keyring } from '../sealing/keyring.ts'
import { serialFromHex } from '../serial.ts'
import type { CallablePeer } from '../storage/outbound-peers.ts'
import type { StoredKey } from '../storage/peer-keys.ts'
import { Breaker, type BreakerLimits } from './breaker.ts'
import type { Caller, CallRecords } from './call-records.ts'
import { Lender, type LenderOptions } from './lender.ts'
import { OwnRevocation } from './own-revocation.ts'
import { type PeerAccess, PeerClient } from './peer-client.ts'
import { openPeerKey } from './peer-key.ts'

export interface ConnectedPeerOptions extends Pick<LenderOptions, 'cache' | 'episodes' | 'log' | 'onRevoked'> {
  readonly keyring: Keyring
  readonly records: CallRecords
  readonly breaker: BreakerLimits
  readonly deadlineMs: number
  /** Where it is called from, and whoever keeps its list. Default: the system's choice. */
  readonly localAddress: string | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** The certificate that calls go out with. Nothing of its key. */
export interface OwnLeaf {
  readonly keyId: string
  readonly serial: string
  readonly x5t: string
  readonly notBefore: Date
  readonly notAfter: Date
}

const LIST_PATH = '/api/federation/crl'
/** Two of them are looked at while a caller waits. */
const LIST_DEADLINE_MS = 2_000

/** One peer with its connections: the only place where its key is not sealed. */
export class ConnectedPeer {
  readonly caller: Caller
  readonly lender: Lender
  readonly breaker: Breaker
  /** The pinned root, of this peer alone. */
  readonly root: X509Certificate
  readonly #options: ConnectedPeerOptions
  readonly #peer: CallablePeer
  readonly #client: PeerClient
  #leaf: OwnLeaf
  #chain: X509Certificate[]

  /** @throws SealFailure */
  constructor(peer: CallablePeer, key: StoredKey, root: X509Certificate, options: ConnectedPeerOptions) {
    const { breaker, deadlineMs, localAddress, records, cache, episodes, log, onRevoked, now } = options
    this.#options = options
    this.#peer = peer
    this.root = root
    this.breaker = new Breaker(breaker)
    this.#client = new PeerClient(this.#accessWith(key), { breaker: this.breaker, deadlineMs, localAddress })
    this.#chain = chainOf(key)
    this.#leaf = leafOf(key, this.#chain[0]!)
    const { id: peerId, tenantId, ownerUserId: ownerId, commonName } = peer
    const [grantId, subjectUserId] = [peer.remoteGrantId!, peer.remoteSubjectUserId!]
    this.caller = { peerId, tenantId, ownerId, commonName, grantId, subjectUserId, serial: () => this.#leaf.serial }
    const revocation = new OwnRevocation(this.#listSources(), now)
    this.lender = new Lender({
      ...{ peerId, ownerId, grantId, cache, episodes, log, onRevoked },
      client: records.of(this.caller, this.#client),
      isRevoked: async () => {
        const distributionPoint = distributionPointOf(this.#chain[0]!)
        if (distributionPoint === undefined) return false
        return revocation.isListed({ chain: this.#chain, root, distributionPoint })
      },
    })
  }

  get leaf(): OwnLeaf {
    return this.#leaf
  }

  /** New calls use another key and its certificate; those under way are answered still. @throws SealFailure */
  use(key: StoredKey): void {
    this.#client.replace(this.#accessWith(key))
    this.#chain = chainOf(key)
    this.#leaf = leafOf(key, this.#chain[0]!)
  }

  close(): void {
    this.lender.forget()
    this.#client.close()
  }

  #accessWith(key: StoredKey): PeerAccess {
    const { federationUrl, commonName } = this.#peer
    const keyPem = openPeerKey(this.#options.keyring, key)
    return { federationUrl: federationUrl!, commonName, anchorPem: String(this.root), certPem: key.chainPem!, keyPem }
  }

  /** The lender's mirror, which we reach where we reach the lender, then the CA. Each proves itself by the root of this peer. */
  #listSources() {
    const { localAddress } = this.#options
    const ca = [String(this.root)]
    const agent = createCallAgent({ ca, minVersion: 'TLSv1.2', maxSockets: 2, keepAlive: false, localAddress })
    const get = async (url: string): Promise<Uint8Array> => {
      const about: Call = {
        agent,
        method: 'GET',
        url,
        connectMs: LIST_DEADLINE_MS,
        deadlineMs: LIST_DEADLINE_MS,
        largest: LARGEST_LIST,
      }
      const { status, body } = await call(about)
      if (status !== 200) throw new Error(`${new URL(url).host} answered a request for a list with ${status}`)
      return body
    }
    return [
      () => get(`${new URL(this.#peer.enrollmentUrl!).origin}${LIST_PATH}`),
      () => get(distributionPointOf(this.#chain[0]!)!),
    ]
  }
}

function chainOf({ chainPem, certPem }: StoredKey): X509Certificate[] {
  const chain = certificatesInPem(chainPem ?? '') ?? certificatesInPem(certPem ?? '')
  if (chain === undefined) throw new Error('a key that is in use has no certificate')
  return chain
}

function leafOf({ id: keyId }: StoredKey, leaf: X509Certificate): OwnLeaf {
  const { validFromDate: notBefore, validToDate: notAfter } = leaf
  return { keyId, serial: serialFromHex(leaf.serialNumber) ?? '', x5t: thumbprint(leaf), notBefore, notAfter }
}
