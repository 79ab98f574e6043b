import { createSecureContext, type SecureContext } from 'node:tls'
import { thumbprint } from '../shared/peer-certificate.ts'
import type { TlsMaterial } from '../shared/tls-material.ts'

/**
 * Our certificates. After a renewal the one before stays in use for peers whose token is bound to it (RFC 8705 section 6.3),
 * until nothing needs it any more or it ends.
 */
export class OwnCertificates {
  #newest: TlsMaterial
  #previous: TlsMaterial | undefined
  /** Other material, other contexts: no change of a certificate or an anchor is missed. */
  readonly #outbound = new WeakMap<TlsMaterial, Map<string, SecureContext>>()

  /** @param previous what was in use before the newest when this node stopped */
  constructor(material: TlsMaterial, previous?: TlsMaterial) {
    this.#newest = material
    this.#previous = previous
  }

  get newest(): TlsMaterial {
    return this.#newest
  }

  /** The one before, as long as it is needed and valid. */
  previous(now: number = Date.now()): TlsMaterial | undefined {
    return this.#previous !== undefined && this.#previous.leaf.validToDate.getTime() > now ? this.#previous : undefined
  }

  /** Thumbprints of what can be presented, the newest first. */
  thumbprints(): string[] {
    return [this.#newest, this.previous()].flatMap((material) => (material ? [thumbprint(material.leaf)] : []))
  }

  #of(x5t: string): TlsMaterial {
    const previous = this.previous()
    return previous !== undefined && thumbprint(previous.leaf) === x5t ? previous : this.#newest
  }

  /** To dial with: the certificate of that thumbprint, and the anchors of one trust domain and no others. */
  outbound(x5t: string, trustDomain: string): SecureContext {
    const material = this.#of(x5t)
    const known = this.#outbound.get(material) ?? new Map<string, SecureContext>()
    this.#outbound.set(material, known)
    const context = known.get(trustDomain) ?? outboundContext(material, trustDomain)
    known.set(trustDomain, context)
    return context
  }

  /** PEM of the renewed certificate, for the same key. */
  renewed(renewed: Pick<TlsMaterial, 'certificate' | 'leaf'>): void {
    this.#previous = this.#newest
    this.#newest = { ...this.#newest, ...renewed }
  }

  /** From the files: another certificate than the newest takes the place of all. */
  reloaded(material: TlsMaterial): void {
    const { anchors, trusted } = material
    if (this.thumbprints().includes(thumbprint(material.leaf))) {
      this.#newest = { ...this.#newest, anchors, trusted }
      if (this.#previous !== undefined) this.#previous = { ...this.#previous, anchors, trusted }
    } else {
      this.#newest = material
      this.#previous = undefined
    }
  }

  /** Answers whether there was one to drop. */
  dropPrevious(): boolean {
    const isThere = this.#previous !== undefined
    this.#previous = undefined
    return isThere
  }
}

function outboundContext({ anchors, certificate: cert, key }: TlsMaterial, trustDomain: string): SecureContext {
  const ca = (anchors.get(trustDomain) ?? []).map(String)
  return createSecureContext({ ca, cert, key, minVersion: 'TLSv1.2' })
}

/** When a certificate is to be renewed, in ms since 1970: at two thirds of its life. */
export function renewAt({ leaf }: Pick<TlsMaterial, 'leaf'>): number {
  return atShare(leaf, 2 / 3)
}

/** When a certificate that was not renewed makes its holder unready. */
export function overdueAt({ leaf }: Pick<TlsMaterial, 'leaf'>): number {
  return atShare(leaf, 0.9)
}

function atShare({ validFromDate, validToDate }: TlsMaterial['leaf'], share: number): number {
  const from = validFromDate.getTime()
  return from + (validToDate.getTime() - from) * share
}
