import type { X509Certificate } from 'node:crypto'
import { type Guard, guard } from '../../shared/guard.ts'
import { refused } from '../wire/errors.ts'
import { readProvisioner, readUuid } from './extension-values.ts'
import { type Leaf, readLeaf } from './leaf.ts'

/** What these guards ask of a connection. A `TLSSocket` is one. */
export interface ProvenConnection {
  readonly authorized: boolean
  isSessionReused(): boolean
  getPeerX509Certificate(): X509Certificate | undefined
}

/** Whom a gateway lets name its grants. */
export interface CertificatePolicy {
  readonly provisioner: { readonly name: string; readonly kids: ReadonlySet<string> }
  readonly oids: { readonly grant: string; readonly subject: string }
}

/** A request on the federation listener, as far as its certificate tells. Nothing is taken from headers. */
export interface CertificateContext {
  readonly connection: ProvenConnection
  readonly policy: CertificatePolicy
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** The certificate of this connection, once somebody has read it; null where it cannot be read. */
  leaf?: Leaf | null
}

export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const unauthorized = (reason: string) => refused('unauthorized', reason)

/** The certificate of this very connection. It is read once for a context, so keep it with the connection. */
export function leafIn(context: CertificateContext): Leaf | undefined {
  if (context.leaf === undefined) {
    const certificate = context.connection.getPeerX509Certificate()
    context.leaf = (certificate && readLeaf(certificate)) ?? null
  }
  return context.leaf ?? undefined
}

/** A resumed session was proven in another handshake (RFC 8446 section 2.2), perhaps before the certificate was revoked. */
export const certProven = guard<CertificateContext>('cert.proven', ['cert_not_proven'], ({ connection }) => {
  const isProven = connection.authorized && !connection.isSessionReused()
  return isProven && connection.getPeerX509Certificate() !== undefined ? undefined : unauthorized('cert_not_proven')
})

/** A connection outlives its handshake, and may outlive the certificate. Whoever answers `cert_ended` closes the connection. */
export const certLive = guard<CertificateContext>('cert.live', ['cert_ended'], ({ connection, now }) => {
  const notAfter = connection.getPeerX509Certificate()?.validToDate.getTime() ?? 0
  return now() < notAfter ? undefined : unauthorized('cert_ended')
})

export const certProfile = guard<CertificateContext>('cert.profile', ['cert_profile'], (context) => {
  const leaf = leafIn(context)
  return leaf !== undefined && isClientLeaf(leaf) ? undefined : unauthorized('cert_profile')
})

/**
 * RFC 5280 section 4.2.1: no CA, for signing, for clients and nothing else, and of one name. OpenSSL lets a certificate pass that says
 * nothing of its purpose.
 */
export function isClientLeaf({ isCa, maySign, extendedKeyUsage, commonNames, names, hasStrongKey }: Leaf): boolean {
  const isForClients = extendedKeyUsage?.length === 1 && extendedKeyUsage[0] === CLIENT_AUTH
  const isOfOneName = commonNames.length === 1 && names.length === 1 && names[0] === `dNSName:${commonNames[0]}`
  return !isCa && maySign && isForClients && isOfOneName && hasStrongKey
}

/** A CA has more provisioners than the one that knows grants, and another one's template may write any OID. */
export const certProvisioner = guard<CertificateContext>('cert.provisioner', ['cert_provisioner'], (context) => {
  const named = readProvisioner(leafIn(context)?.extensions ?? [])
  const { name, kids } = context.policy.provisioner
  return named?.name === name && kids.has(named.kid) ? undefined : unauthorized('cert_provisioner')
})

export const certOidGrant = oidGuard('grant')
export const certOidSubject = oidGuard('subject')

function oidGuard(of: 'grant' | 'subject'): Guard<CertificateContext> {
  const reasons = { missing: `oid_${of}_missing`, repeated: `oid_${of}_repeated`, malformed: `oid_${of}_malformed` }
  return guard(`cert.oid-${of}`, Object.values(reasons), (context) => {
    const { problem } = readUuid(leafIn(context)?.extensions ?? [], context.policy.oids[of])
    return problem && unauthorized(reasons[problem])
  })
}

/** All that can be said of a caller by its certificate, in the order of evaluation. */
export const CERTIFICATE_GUARDS: readonly Guard<CertificateContext>[] = [
  certProven,
  certLive,
  certProfile,
  certProvisioner,
  certOidGrant,
  certOidSubject,
]

/** Whom a certificate names that all of these guards have passed. */
export interface CertificateIdentity {
  readonly x5t: string
  readonly serial: string
  readonly commonName: string
  readonly grantId: string
  readonly subjectUserId: string
}

/** Undefined where something in it cannot be read, which no guard has let pass. */
export function identityIn(context: CertificateContext): CertificateIdentity | undefined {
  const leaf = leafIn(context)
  const { grant, subject } = context.policy.oids
  const [grantId, subjectUserId] = [grant, subject].map((oid) => readUuid(leaf?.extensions ?? [], oid).value)
  const commonName = leaf?.commonNames[0]
  if (leaf === undefined || commonName === undefined || grantId === undefined || subjectUserId === undefined)
    return undefined
  return { x5t: leaf.x5t, serial: leaf.serial, commonName, grantId, subjectUserId }
}
