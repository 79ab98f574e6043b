import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { CertificationRequest } from '@peculiar/asn1-csr'
import { AsnConvert } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'
import { guard, type Refusal } from '../../shared/guard.ts'
import { isStrongKey, keyThumbprint } from '../certificates/keys.ts'
import { nameText } from '../certificates/leaf.ts'
import { derInPem } from '../certificates/pem.ts'
import { isSignedBy, isStrongDigest } from '../certificates/signature.ts'
import { refused } from '../wire/errors.ts'

/** A request for a certificate (RFC 2986) that is well-formed: its key, and the names that it asks for. Nothing else in it is looked at. */
export interface Csr {
  readonly der: Buffer
  readonly publicKey: KeyObject
  /** RFC 7638 thumbprint of the key. */
  readonly keyThumbprint: string
  /** `cnf["x5rt#S256"]` of a one-time token: base64url SHA-256 of the DER. */
  readonly x5rt: string
  /** Attributes of the subject, each with its type: `2.5.4.3:b.example`. */
  readonly subject: readonly string[]
  /** Subject alternative names that it asks for, each with its type: `dNSName:b.example`. */
  readonly names: readonly string[]
}

export type CsrProblem = 'csr_malformed' | 'csr_signature' | 'csr_key' | 'csr_digest'

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14'
const COMMON_NAME = '2.5.4.3'

/** Reads a CSR: one PEM block, a key and a digest that are strong, signed by that key. Or why not. */
export function readCsr(pem: string): Csr | CsrProblem {
  const der = derInPem(pem, 'CERTIFICATE REQUEST')
  const request = der && attempt(() => parsed(der))
  if (der === undefined || request === undefined) return 'csr_malformed'
  const { content, key, subject, names, algorithm, signature } = request
  if (!isStrongKey(key)) return 'csr_key'
  if (!isStrongDigest(algorithm)) return 'csr_digest'
  if (!isSignedBy(key, { content, algorithm, signature })) return 'csr_signature'
  const x5rt = createHash('sha256').update(der).digest('base64url')
  return { der, publicKey: key, keyThumbprint: keyThumbprint(key), x5rt, subject, names }
}

function parsed(der: Buffer) {
  const request = AsnConvert.parse(der, CertificationRequest)
  const { subject, subjectPKInfo, attributes = [] } = request.certificationRequestInfo
  const key = createPublicKey({ key: Buffer.from(AsnConvert.serialize(subjectPKInfo)), format: 'der', type: 'spki' })
  return {
    content: new Uint8Array(request.certificationRequestInfoRaw!),
    key,
    subject: [...subject].flatMap((relative) => [...relative].map(({ type, value }) => `${type}:${value}`)),
    names: requestedNames(attributes as readonly asn1.Attribute[]),
    algorithm: request.signatureAlgorithm.algorithm,
    signature: new Uint8Array(request.signature),
  }
}

/** All names of all requests for extensions: two of them are not one. */
function requestedNames(attributes: readonly asn1.Attribute[]): string[] {
  return attributes
    .filter(({ type }) => type === EXTENSION_REQUEST)
    .flatMap(({ values }) => values.flatMap((value) => [...AsnConvert.parse(value, asn1.Extensions)]))
    .filter(({ extnID }) => extnID === asn1.id_ce_subjectAltName)
    .flatMap(({ extnValue }) => [...AsnConvert.parse(extnValue, asn1.SubjectAlternativeName)].map(nameText))
}

function attempt<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** Subject exactly `CN=<common name>`, SAN exactly that one dNSName. */
export function isForName({ subject, names }: Csr, commonName: string): boolean {
  const isSubject = subject.length === 1 && subject[0] === `${COMMON_NAME}:${commonName}`
  return isSubject && names.length === 1 && names[0] === `dNSName:${commonName}`
}

/** A CSR on its way to a certificate. */
export interface CsrAttempt {
  readonly csrPem: string
  /** Common name of the peer that asks. */
  readonly commonName: string
  /** Whether a certificate was ever registered for this key. */
  readonly isKeyKnown: (thumbprint: string) => Promise<boolean>
  csr?: Csr | CsrProblem
}

/** The CSR, read once; undefined where it cannot be used. */
export function csrIn(attempt: Pick<CsrAttempt, 'csrPem' | 'csr'>): Csr | undefined {
  attempt.csr ??= readCsr(attempt.csrPem)
  return typeof attempt.csr === 'string' ? undefined : attempt.csr
}

const invalid = (reason: string) => refused('invalid_csr', reason)

export const enrCsr = guard<CsrAttempt>(
  'enr.csr',
  ['csr_malformed', 'csr_signature', 'csr_key', 'csr_digest'],
  (attempt) => (csrIn(attempt) === undefined ? invalid(attempt.csr as CsrProblem) : undefined),
)

export const enrCsrName = guard<CsrAttempt>('enr.csr-name', ['csr_name_mismatch'], (attempt) => {
  const csr = csrIn(attempt)
  return csr !== undefined && isForName(csr, attempt.commonName) ? undefined : invalid('csr_name_mismatch')
})

export const enrCsrFresh = guard<CsrAttempt>('enr.csr-fresh', ['csr_key_reused'], async (attempt) => {
  const csr = csrIn(attempt)
  const isReused = csr === undefined || (await attempt.isKeyKnown(csr.keyThumbprint))
  return isReused ? invalid('csr_key_reused') : undefined
})

/** All three as one, for somebody who has a certificate already. */
export const renewCsr = guard<CsrAttempt>(
  'renew.csr',
  ['renew_csr_rejected'],
  async (attempt): Promise<Refusal | undefined> => {
    const csr = csrIn(attempt)
    const isGood =
      csr !== undefined && isForName(csr, attempt.commonName) && !(await attempt.isKeyKnown(csr.keyThumbprint))
    return isGood ? undefined : invalid('renew_csr_rejected')
  },
)
