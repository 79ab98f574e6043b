import type { X509Certificate } from 'node:crypto'
import { leadsTo } from '../certificates/chain.ts'
import { type Crl, CrlRefused, readCrl } from '../certificates/crl.ts'
import { serialFromHex } from '../serial.ts'

export interface OwnCertificate {
  /** Leaf first. */
  readonly chain: readonly X509Certificate[]
  /** The pinned root of the peer. */
  readonly root: X509Certificate
  /** What the leaf says of where the list is. */
  readonly distributionPoint: string
}

/** Where a list may come from, the nearest first: the lender's mirror, then the CA. Each may fail. */
export type ListSource = () => Promise<Uint8Array>

/**
 * Whether our own certificate is in a list that its CA has signed and that is fresh. Nothing else says that we are revoked: a refusal at TLS
 * looks like bad weather, and bad weather must not revoke.
 */
export class OwnRevocation {
  readonly #sources: readonly ListSource[]
  readonly #now: () => number
  #previous: Crl | undefined
  #asking: Promise<boolean> | undefined

  /** `now`: milliseconds since 1970. */
  constructor(sources: readonly ListSource[], now: () => number = Date.now) {
    this.#sources = sources
    this.#now = now
  }

  /** Those who ask together ask once. Never rejects: a list that cannot be had says nothing. */
  isListed(own: OwnCertificate): Promise<boolean> {
    this.#asking ??= this.#look(own).finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #look({ chain, root, distributionPoint }: OwnCertificate): Promise<boolean> {
    const [leaf, below] = chain
    const now = this.#now()
    const serial = leaf && serialFromHex(leaf.serialNumber)
    if (serial === undefined || !leadsTo(root, chain, now)) return false
    const trust = { issuer: below ?? root, distributionPoint, now }
    for (const source of this.#sources) {
      const bytes = await source().catch(() => undefined)
      if (bytes === undefined) continue
      try {
        this.#previous = readCrl(bytes, this.#previous === undefined ? trust : { ...trust, previous: this.#previous })
        return this.#previous.serials.has(serial)
      } catch (failure) {
        // The next source may have a better one.
        if (!(failure instanceof CrlRefused)) throw failure
      }
    }
    return false
  }
}
