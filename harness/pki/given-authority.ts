// The x509 package does not load without this polyfill, so it comes first.
import 'reflect-metadata'
import type { X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { HoldfastError } from '../errors.ts'
import { demandKey, type GivenFile, type GivenKey, NoCertificate, nameOf, readCertificates, told } from './given.ts'

/** A CA of the user's, by its files: a root, with its key or with an intermediate that signs in its place. */
export interface GivenAuthority {
  readonly root: { readonly cert: GivenFile } & Partial<GivenKey>
  /** `cert`: the one that signs, then those between it and the root. */
  readonly intermediate?: { readonly cert: GivenFile } & GivenKey
}

/** An intermediate is not signed by the root, or the root by itself. Code `HOLDFAST_CA_NOT_BELOW_ROOT`. */
export class NotBelowRoot extends HoldfastError {
  constructor(file: GivenFile, why: string, wayOut: string) {
    super('HOLDFAST_CA_NOT_BELOW_ROOT', told(file, why, wayOut))
  }
}

/** What should sign others says that it may not: RFC 5280 sections 4.2.1.3 and 4.2.1.9. Code `HOLDFAST_CA_MAY_NOT_SIGN`. */
export class MayNotSign extends HoldfastError {
  constructor(file: GivenFile, subject: string) {
    const why = `holds ${nameOf(subject)}, which may sign no certificates (basicConstraints CA, keyUsage keyCertSign)`
    super('HOLDFAST_CA_MAY_NOT_SIGN', told(file, why, 'name the certificate of a CA'))
  }
}

/** More CAs stand below one than it allows: RFC 5280 section 4.2.1.9. Code `HOLDFAST_CA_PATH_LENGTH`. */
export class PathTooLong extends HoldfastError {
  constructor(file: GivenFile, subject: string, { allowed, below }: { allowed: number; below: number }) {
    const why = `holds ${nameOf(subject)}, whose path length allows ${allowed} CAs below it, and there would be ${below}`
    super('HOLDFAST_CA_PATH_LENGTH', told(file, why, 'name a CA that may have as many below it'))
  }
}

/**
 * Looks at all files of a CA as a verifier would look at a leaf of it. `now` in ms.
 * @throws HoldfastError of the first that will not do: one class and code for each reason
 */
export async function demandAuthority({ root, intermediate }: GivenAuthority, now: number): Promise<void> {
  const [anchor, ...others] = await readCertificates(root.cert, now)
  if (others.length > 0) {
    throw new NoCertificate(root.cert, `holds ${others.length + 1} certificates`, 'name the root alone')
  }
  if (!isSignedBy(anchor!, anchor!)) {
    const why = `is no root: ${nameOf(anchor!.issuer)} signed it`
    throw new NotBelowRoot(root.cert, why, 'name the root, and this one as intermediate')
  }
  const chain = intermediate === undefined ? [] : await readCertificates(intermediate.cert, now)
  if (intermediate !== undefined) demandChain(intermediate.cert, [...chain, anchor!])
  // Where there is none, one is made below the root for the run.
  const below = Math.max(1, chain.length)
  demandSigns(root.cert, anchor!, below)
  for (const [place, one] of chain.entries()) demandSigns(intermediate!.cert, one, place)
  if (root.key !== undefined) await demandKey({ ...root, key: root.key }, root.cert, anchor!)
  if (intermediate !== undefined) await demandKey(intermediate, intermediate.cert, chain[0]!)
}

function demandChain(file: GivenFile, chain: readonly X509Certificate[]): void {
  for (const [place, issuer] of chain.slice(1).entries()) {
    const one = chain[place]!
    if (isSignedBy(one, issuer)) continue
    const why = `holds ${nameOf(one.subject)}, which ${nameOf(issuer.subject)} did not sign`
    throw new NotBelowRoot(file, why, 'name the root that did, or all between the two behind it')
  }
}

/** `below`: how many CAs stand between it and a leaf. */
function demandSigns(file: GivenFile, certificate: X509Certificate, below: number): void {
  const parsed = new x509.X509Certificate(certificate.raw)
  const usages = parsed.getExtension(x509.KeyUsagesExtension)?.usages ?? x509.KeyUsageFlags.keyCertSign
  if (!certificate.ca || (usages & x509.KeyUsageFlags.keyCertSign) === 0)
    throw new MayNotSign(file, certificate.subject)
  const allowed = parsed.getExtension(x509.BasicConstraintsExtension)?.pathLength
  if (allowed !== undefined && below > allowed) throw new PathTooLong(file, certificate.subject, { allowed, below })
}

function isSignedBy(one: X509Certificate, issuer: X509Certificate): boolean {
  return one.checkIssued(issuer) && one.verify(issuer.publicKey)
}
