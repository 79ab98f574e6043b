import { createHash, type X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { TlsMaterial } from './tls-material.ts'

/** The certificate that a caller proved to hold in the TLS handshake. */
export interface PeerCertificate {
  /** RFC 8705 section 3.1: base64url SHA-256 of the DER bytes, 43 characters. */
  readonly x5t: string
  /** DNS SANs in lower case; other kinds of names are never an identity here. */
  readonly sans: readonly string[]
  readonly notBefore: Date
  readonly notAfter: Date
  readonly raw: Buffer
  readonly x509: X509Certificate
  /** The trust domain whose anchor ends the chain, each link's signature verified; undefined when there is a `problem`. */
  readonly domain: string | undefined
  /** Thumbprint of that anchor. */
  readonly anchor: string | undefined
  /** Why it is no good: `cert_untrusted`, `cert_expired`, `cert_not_yet_valid`, `cert_eku_invalid` or `cert_weak`. */
  readonly problem: CertificateProblem | undefined
}

export type CertificateProblem =
  | 'cert_untrusted'
  | 'cert_expired'
  | 'cert_not_yet_valid'
  | 'cert_eku_invalid'
  | 'cert_weak'

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1'])
const LONGEST_CHAIN = 8

/** Codes of OpenSSL's verification as Node names them; every other one means that the chain ends at no anchor. */
const PROBLEM_OF: Readonly<Record<string, CertificateProblem>> = {
  CERT_HAS_EXPIRED: 'cert_expired',
  CERT_NOT_YET_VALID: 'cert_not_yet_valid',
  INVALID_PURPOSE: 'cert_eku_invalid',
}

const thumbprints = new WeakMap<X509Certificate, string>()

export function thumbprint(certificate: X509Certificate): string {
  const known = thumbprints.get(certificate)
  if (known !== undefined) return known
  const made = createHash('sha256').update(certificate.raw).digest('base64url')
  thumbprints.set(certificate, made)
  return made
}

/** Reads what the handshake proved. Undefined when the caller sent no certificate. */
export function peerCertificateOf(socket: TLSSocket, material: TlsMaterial): PeerCertificate | undefined {
  const leaf = socket.getPeerX509Certificate()
  if (leaf === undefined) return undefined
  const end = socket.authorized ? anchorOf(leaf, material) : undefined
  const problem = problemOf(socket, leaf, material) ?? (end === undefined ? 'cert_untrusted' : undefined)
  return {
    x5t: thumbprint(leaf),
    sans: dnsNames(leaf),
    notBefore: leaf.validFromDate,
    notAfter: leaf.validToDate,
    raw: leaf.raw,
    x509: leaf,
    domain: problem === undefined ? end?.domain : undefined,
    anchor: problem === undefined ? end?.anchor : undefined,
    problem,
  }
}

/** Whether the anchor behind a live connection is still configured for the same trust domain. */
export function anchorStillTrusted(certificate: PeerCertificate, material: TlsMaterial): boolean {
  if (certificate.domain === undefined) return false
  return (material.anchors.get(certificate.domain) ?? []).some((anchor) => thumbprint(anchor) === certificate.anchor)
}

/** DNS names of the subject alternative name, lower case. Quoted entries hold bytes that no DNS name has, so they are left out. */
export function dnsNames(certificate: X509Certificate): string[] {
  const names = certificate.subjectAltName?.split(', ') ?? []
  return names.flatMap((name) => /^DNS:([^",]+)$/.exec(name)?.[1]?.toLowerCase() ?? [])
}

function problemOf(socket: TLSSocket, leaf: X509Certificate, material: TlsMaterial): CertificateProblem | undefined {
  const now = Date.now()
  if (!socket.authorized) {
    const code = String((socket.authorizationError as { code?: string } | undefined)?.code ?? socket.authorizationError)
    // OpenSSL tells the last of the problems that it found, and a chain that leads nowhere is the first to look for.
    if (anchorBySignature(leaf, material) === undefined) return 'cert_untrusted'
    // Node has no name for "key too small" and "digest too weak": it says UNSPECIFIED.
    if (code === 'UNSPECIFIED' && !chainOf(leaf).every(isStrong)) return 'cert_weak'
    return PROBLEM_OF[code] ?? 'cert_untrusted'
  }
  // OpenSSL judged the chain at the handshake; these hold at this moment, and are what it does not demand.
  if (leaf.validToDate.getTime() <= now) return 'cert_expired'
  if (leaf.validFromDate.getTime() > now) return 'cert_not_yet_valid'
  if (leaf.ca) return 'cert_untrusted'
  if (!(leaf.keyUsage ?? []).includes(CLIENT_AUTH)) return 'cert_eku_invalid'
  return isStrong(leaf) ? undefined : 'cert_weak'
}

/** RFC 9325 section 4.2 and 4.5: of the key, and of the digest that its issuer signed. */
function isStrong({ publicKey, signatureAlgorithm }: X509Certificate): boolean {
  if (/md[245]|sha-?1(?!\d)/i.test(signatureAlgorithm ?? '')) return false
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey
  if (type === 'rsa' || type === 'rsa-pss') return (details?.modulusLength ?? 0) >= 2048
  return type === 'ed25519' || (type === 'ec' && CURVES.has(details?.namedCurve ?? ''))
}

interface TrustEnd {
  domain: string
  anchor: string
}

/** Where a chain ends that OpenSSL has verified: at the only anchor, where there is one. */
function anchorOf(leaf: X509Certificate, material: TlsMaterial): TrustEnd | undefined {
  const [only, ...others] = material.anchors
  const single = only?.[1].length === 1 ? only[1][0] : undefined
  if (others.length === 0 && only !== undefined && single !== undefined) {
    return { domain: only[0], anchor: thumbprint(single) }
  }
  return anchorBySignature(leaf, material)
}

/** The leaf and everything that the caller sent with it, in the caller's order. */
function chainOf(leaf: X509Certificate): X509Certificate[] {
  const chain = [leaf]
  for (let at: X509Certificate | undefined = leaf.issuerCertificate; at !== undefined; at = at.issuerCertificate) {
    if (chain.length === LONGEST_CHAIN || at.raw.equals(chain[chain.length - 1]!.raw)) break
    chain.push(at)
  }
  return chain
}

/**
 * The anchor decides the trust domain, and a caller may send certificates whose names lie about it, or that have nothing to do with it:
 * so each link is followed by its signature, and no link means no domain.
 */
function anchorBySignature(leaf: X509Certificate, material: TlsMaterial): TrustEnd | undefined {
  const sent = chainOf(leaf)
  let current: X509Certificate | undefined = leaf
  for (let depth = 0; current !== undefined && depth < LONGEST_CHAIN; depth += 1) {
    for (const [domain, anchors] of material.anchors) {
      const anchor = anchors.find((candidate) => isIssuedBy(current as X509Certificate, candidate))
      if (anchor !== undefined) return { domain, anchor: thumbprint(anchor) }
    }
    const below: X509Certificate = current
    current = sent.find((candidate) => candidate !== below && isIssuedBy(below, candidate))
  }
  return undefined
}

/** By its names and its signature; says nothing of whether that one may issue any. */
export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}
