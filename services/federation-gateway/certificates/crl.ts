import { createHash, type X509Certificate } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'
import type { Serial } from '../serial.ts'
import { certificateForm } from './certificate-form.ts'
import { type CrlForm, readCrlForm } from './crl-form.ts'
import { onlyElement, TAG } from './der.ts'
import { derInPem, pemOf } from './pem.ts'
import { isSignedBy } from './signature.ts'

/** Of one that is fetched, in bytes: one of 100,000 entries has 4 MiB. */
export const LARGEST_LIST = 16 * 1024 * 1024

/** A list of revoked certificates that may be used. */
export interface Crl {
  /** With the label that OpenSSL takes (RFC 7468 section 6). */
  readonly pem: string
  readonly number: bigint
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  readonly serials: ReadonlySet<Serial>
  /** Base64url SHA-256 of the DER. */
  readonly hash: string
}

/** What a list is judged by. */
export interface CrlTrust {
  readonly issuer: X509Certificate
  /** The distribution point of the leaves that it is about; undefined for a list without one, such as a root's. */
  readonly distributionPoint: string | undefined
  /** The list in use, which a new one may not fall behind. */
  readonly previous?: Pick<Crl, 'number' | 'thisUpdate'>
  /** Milliseconds since 1970. */
  readonly now: number
}

export type CrlReason = 'crl_stale' | 'crl_untrusted'

/** A list that must not be used. `reason` is that of the handshakes which fail once nothing better is there. */
export class CrlRefused extends Error {
  readonly reason: CrlReason

  constructor(reason: CrlReason, why: string) {
    super(`the list of revoked certificates is refused: ${why}; the last good one stays in use until it ends`)
    this.name = 'CrlRefused'
    this.reason = reason
  }
}

/** Clocks of the CA and of this machine may differ by so much. */
const MOST_SKEW_MS = 60_000

/** Extensions of a list that are understood here. RFC 5280 section 5.2: a list with another one that is critical must not be used. */
const UNDERSTOOD = new Set([
  asn1.id_ce_cRLNumber,
  asn1.id_ce_authorityKeyIdentifier,
  asn1.id_ce_issuingDistributionPoint,
])

/**
 * Reads a list, DER or PEM, and judges it (RFC 5280 section 6.3.3): of this issuer and signed by it, of this distribution point and whole,
 * neither older nor with a lower number than the one in use, and fresh. @throws CrlRefused
 */
export function readCrl(bytes: Uint8Array, trust: CrlTrust): Crl {
  const isDer = bytes[0] === TAG.sequence
  const der = isDer ? Buffer.from(bytes) : derInPem(Buffer.from(bytes).toString('latin1'), 'X509 CRL')
  const list = der && readCrlForm(der)
  if (list === undefined) throw untrusted('it cannot be read')
  demandIssuer(list, trust.issuer)
  const extensions = uniqueExtensions(list.extensions)
  demandPoint(extensions, trust.distributionPoint)
  const number = numberOf(extensions)
  const { thisUpdate, nextUpdate, serials } = list
  if (nextUpdate === undefined) throw untrusted('it does not say when the next one comes')
  if (trust.previous !== undefined) demandNewer({ number, thisUpdate }, trust.previous)
  if (thisUpdate.getTime() > trust.now + MOST_SKEW_MS)
    throw untrusted(`it is of the future (${thisUpdate.toISOString()})`)
  if (nextUpdate.getTime() <= trust.now) throw new CrlRefused('crl_stale', `it has ended ${nextUpdate.toISOString()}`)
  return {
    pem: pemOf(der!, 'X509 CRL'),
    number,
    thisUpdate,
    nextUpdate,
    serials,
    hash: createHash('sha256').update(der!).digest('base64url'),
  }
}

const untrusted = (why: string) => new CrlRefused('crl_untrusted', why)

function demandIssuer(list: CrlForm, issuer: X509Certificate): void {
  if (!Buffer.from(list.issuer).equals(certificateForm(issuer.raw).subject)) throw untrusted('it is of another issuer')
  // Section 5.1.1.2: the algorithm that is signed is the one that is named outside.
  if (list.innerAlgorithm !== list.algorithm || !isSignedBy(issuer.publicKey, list)) {
    throw untrusted('its signature is not of the issuer')
  }
  if (list.hasStrangeEntry) throw untrusted('an entry has a critical extension, and none is understood')
}

function uniqueExtensions(extensions: readonly asn1.Extension[]): ReadonlyMap<string, asn1.Extension> {
  const byOid = new Map(extensions.map((extension) => [extension.extnID, extension]))
  if (byOid.size < extensions.length) throw untrusted('an extension is there twice')
  const strange = extensions.find(({ critical, extnID }) => critical && !UNDERSTOOD.has(extnID))
  if (strange !== undefined) throw untrusted(`its critical extension ${strange.extnID} is not understood`)
  return byOid
}

/** Section 5.2.5: a list for other certificates, or of some reasons only, would leave out what it does not list. */
function demandPoint(extensions: ReadonlyMap<string, asn1.Extension>, expected: string | undefined): void {
  const extension = extensions.get(asn1.id_ce_issuingDistributionPoint)
  if (extension === undefined) {
    if (expected !== undefined) throw untrusted(`it has no distribution point, and leaves name ${expected}`)
    return
  }
  const point = pointIn(extension)
  const isPartial =
    point.onlyContainsCACerts ||
    point.onlyContainsAttributeCerts ||
    point.indirectCRL ||
    point.onlySomeReasons !== undefined
  if (isPartial) throw untrusted('it is of other certificates, or of some reasons only')
  const names =
    point.distributionPoint?.fullName?.map(({ uniformResourceIdentifier }) => uniformResourceIdentifier) ?? []
  if (expected === undefined || !names.includes(expected)) {
    throw untrusted(`it is of another distribution point than ${expected ?? 'none'}`)
  }
}

function pointIn({ extnValue }: asn1.Extension): asn1.IssuingDistributionPoint {
  try {
    return AsnConvert.parse(extnValue, asn1.IssuingDistributionPoint)
  } catch {
    throw untrusted('its distribution point cannot be read')
  }
}

/** Section 5.2.3. Read from its bytes: such a number may have 20 octets. */
function numberOf(extensions: ReadonlyMap<string, asn1.Extension>): bigint {
  const value = extensions.get(asn1.id_ce_cRLNumber)?.extnValue
  const element = value && onlyElement(new Uint8Array(value.buffer))
  const content = element?.tag === TAG.integer ? element.content : undefined
  if (content === undefined || content.length === 0 || content[0]! >= 0x80) throw untrusted('it has no number')
  return BigInt(`0x${Buffer.from(content).toString('hex')}`)
}

function demandNewer(list: Pick<Crl, 'number' | 'thisUpdate'>, previous: Pick<Crl, 'number' | 'thisUpdate'>): void {
  if (list.number < previous.number)
    throw untrusted(`its number ${list.number} is below ${previous.number}, the one in use`)
  if (list.thisUpdate < previous.thisUpdate) throw untrusted('it is older than the one in use')
}
