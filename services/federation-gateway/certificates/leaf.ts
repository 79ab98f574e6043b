import type { KeyObject, X509Certificate } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'
import { LRUCache } from 'lru-cache'
import { thumbprint } from '../../shared/peer-certificate.ts'
import { type Serial, serialFromBytes } from '../serial.ts'
import { certificateForm } from './certificate-form.ts'
import type { Extension } from './extension-values.ts'
import { isStrongKey } from './keys.ts'

/** What is in a certificate that a gateway judges, read once. Everything here is as it stands in it, and nothing of it is proven. */
export interface Leaf {
  readonly x509: X509Certificate
  /** RFC 8705 section 3.1: base64url SHA-256 of the DER. */
  readonly x5t: string
  readonly serial: Serial
  readonly publicKey: KeyObject
  /** EC P-256 or P-384, or RSA of 2048 to 4096 bits. */
  readonly hasStrongKey: boolean
  /** All common names of the subject. */
  readonly commonNames: readonly string[]
  /** Subject alternative names, each with its type: `dNSName:b.example`. */
  readonly names: readonly string[]
  readonly isCa: boolean
  /** Undefined where the certificate says nothing of it. */
  readonly extendedKeyUsage: readonly string[] | undefined
  readonly maySign: boolean
  readonly notBefore: Date
  readonly notAfter: Date
  readonly extensions: readonly Extension[]
}

const OID = { commonName: '2.5.4.3' } as const

/**
 * By thumbprint, those that were read last. A peer presents the same certificate in every handshake, and one that was just issued is read by
 * whoever judges it and by whoever registers it. What stands in it depends on its bytes alone; whether it is still good is asked each time.
 */
const known = new LRUCache<string, Leaf>({ max: 1_000 })

/** Reads a certificate; undefined where a part that is judged cannot be read, or is there twice (RFC 5280 section 4.2). */
export function readLeaf(x509: X509Certificate): Leaf | undefined {
  const x5t = thumbprint(x509)
  const before = known.get(x5t)
  if (before !== undefined) return before
  const leaf = attempt(x509)
  if (leaf !== undefined) known.set(x5t, leaf)
  return leaf
}

function attempt(x509: X509Certificate): Leaf | undefined {
  try {
    return leafOf(x509)
  } catch {
    return undefined
  }
}

function leafOf(x509: X509Certificate): Leaf | undefined {
  const { serial: number, subject, extensions } = certificateForm(x509.raw)
  const read = [asn1.id_ce_basicConstraints, asn1.id_ce_keyUsage, asn1.id_ce_extKeyUsage, asn1.id_ce_subjectAltName]
  if (read.some((oid) => extensions.filter((extension) => extension.oid === oid).length > 1)) return undefined
  const serial = serialFromBytes(number)
  if (serial === undefined) return undefined
  const parsedValue = <Value>(oid: string, type: new () => Value): Value | undefined => {
    const value = extensions.find((extension) => extension.oid === oid)?.value
    return value && AsnConvert.parse(value, type)
  }
  const names = parsedValue(asn1.id_ce_subjectAltName, asn1.SubjectAlternativeName) ?? []
  const { publicKey } = x509
  return {
    x509,
    x5t: thumbprint(x509),
    serial,
    publicKey,
    hasStrongKey: isStrongKey(publicKey),
    commonNames: commonNamesOf(AsnConvert.parse(subject, asn1.Name)),
    names: names.map(nameText),
    isCa: parsedValue(asn1.id_ce_basicConstraints, asn1.BasicConstraints)?.cA === true,
    extendedKeyUsage: parsedValue(asn1.id_ce_extKeyUsage, asn1.ExtendedKeyUsage)?.slice(),
    maySign: parsedValue(asn1.id_ce_keyUsage, asn1.KeyUsage)?.toJSON().includes('digitalSignature') === true,
    notBefore: x509.validFromDate,
    notAfter: x509.validToDate,
    extensions,
  }
}

export function commonNamesOf(name: asn1.Name): string[] {
  return [...name].flatMap((relative) =>
    [...relative].filter(({ type }) => type === OID.commonName).map(({ value }) => value.toString()),
  )
}

/** A name with its type, so that no name of one type is taken for one of another. */
export function nameText(name: asn1.GeneralName): string {
  const [type, value] = Object.entries(name).find(([, value]) => value !== undefined) ?? ['', '']
  return `${type}:${typeof value === 'string' ? value : '…'}`
}
