import 'reflect-metadata'
import { createHash, KeyObject, sign, type webcrypto, X509Certificate } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'
import * as x509 from '@peculiar/x509'
import { PROVISIONER_OID } from '../certificates/extension-values.ts'

/** By way of this module, so that it never loads before the polyfill. */
export * as x509 from '@peculiar/x509'

// Certificates, requests and lists for tests, each as step-ca would make it but for what a test changes.

export const OIDS = { grant: '1.3.6.1.4.1.99999.1', subject: '1.3.6.1.4.1.99999.2' }
export const GRANT = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
export const SUBJECT = 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
export const PEER = 'gateway-a.example'
export const POINT = 'https://ca.example:9000/1.0/crl'
export const PROVISIONER = { name: 'mosaic-fed', kid: 'k'.repeat(43) }
/** Now, for everything here: certificates begin a minute before. */
export const NOW = Date.parse('2026-01-31T09:00:00Z')

export const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
export const P384 = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }
export const P521 = { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' }
export const rsa = (modulusLength: number, hash = 'SHA-256') => {
  return { name: 'RSASSA-PKCS1-v1_5', hash, modulusLength, publicExponent: new Uint8Array([1, 0, 1]) }
}
export const ED25519 = { name: 'Ed25519' }
type Algorithm = { name: string; hash?: string }

export type Keys = webcrypto.CryptoKeyPair

export function makeKeys(algorithm: Algorithm = P256): Promise<Keys> {
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<Keys>
}

export function publicKeyOf({ publicKey }: Keys): KeyObject {
  return KeyObject.from(publicKey)
}

export async function spkiOf({ publicKey }: Keys): Promise<Buffer> {
  return Buffer.from(await crypto.subtle.exportKey('spki', publicKey))
}

/** One DER element of up to 16 MiB. */
export function tlv(tag: number, ...content: Uint8Array[]): Buffer {
  const bytes = Buffer.concat(content)
  const { length } = bytes
  const octets = [length >> 16, (length >> 8) & 0xff, length & 0xff]
  const shortest = octets.slice(octets.findIndex((octet, at) => octet !== 0 || at === 2))
  return Buffer.concat([Buffer.from(length < 0x80 ? [tag, length] : [tag, 0x80 | shortest.length, ...shortest]), bytes])
}

export function uuidExtension(oid: string, uuid: string): x509.Extension {
  return new x509.Extension(oid, false, tlv(0x0c, Buffer.from(uuid)))
}

export function provisionerExtension({ name, kid } = PROVISIONER, type = 1): x509.Extension {
  const members = [tlv(0x02, Buffer.from([type])), tlv(0x04, Buffer.from(name)), tlv(0x04, Buffer.from(kid))]
  return new x509.Extension(PROVISIONER_OID, false, tlv(0x30, ...members))
}

export function namesExtension(...names: [type: 'dns' | 'ip' | 'email' | 'url', value: string][]): x509.Extension {
  return new x509.SubjectAlternativeNameExtension(names.map(([type, value]) => ({ type, value })))
}

export interface LeafChanges {
  subject?: string
  keys?: Keys
  notBefore?: Date
  notAfter?: Date
  serial?: string
  /** By name; `undefined` leaves one out. */
  extensions?: Partial<
    Record<
      'constraints' | 'usage' | 'purpose' | 'names' | 'provisioner' | 'grant' | 'subject',
      x509.Extension | undefined
    >
  >
  more?: x509.Extension[]
}

export interface TestCa {
  readonly certificate: X509Certificate
  readonly keys: Keys
  readonly name: string
  issue(changes?: LeafChanges): Promise<X509Certificate>
  /** A CA below this one. */
  sub(name: string, changes?: CaChanges): Promise<TestCa>
  crl(changes?: CrlChanges): Promise<Buffer>
}

export interface CaChanges {
  isCa?: boolean
  pathLength?: number
  notBefore?: Date
  notAfter?: Date
  keys?: Keys
}

export interface CrlChanges {
  serials?: string[]
  /** Undefined: no number. */
  number?: number | undefined
  /** Undefined: no distribution point. */
  point?: Partial<asn1.IssuingDistributionPoint> | undefined
  /** Where it says that it is. */
  at?: string
  thisUpdate?: Date
  nextUpdate?: Date | undefined
  signedBy?: Keys
  issuer?: string
  more?: x509.Extension[]
}

const MINUTE = 60_000

export function rootCa(name: string, changes: CaChanges = {}): Promise<TestCa> {
  return makeCa(name, undefined, changes)
}

async function makeCa(name: string, above: TestCa | undefined, changes: CaChanges): Promise<TestCa> {
  const keys = changes.keys ?? (await makeKeys())
  const made = await x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: `CN=${above?.name ?? name}`,
    notBefore: changes.notBefore ?? new Date(NOW - 60 * MINUTE),
    notAfter: changes.notAfter ?? new Date(NOW + 600 * MINUTE),
    signingAlgorithm: P256,
    publicKey: keys.publicKey,
    signingKey: (above?.keys ?? keys).privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(changes.isCa ?? true, changes.pathLength, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      // step-ca names its lists by it.
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const ca: TestCa = {
    certificate: nodeCertificate(made),
    keys,
    name,
    issue: (leaf) => issue(ca, leaf),
    sub: (below, more = {}) => makeCa(below, ca, more),
    crl: (list) => makeCrl(ca, list),
  }
  return ca
}

async function issue(ca: TestCa, changes: LeafChanges = {}): Promise<X509Certificate> {
  const extensions = {
    constraints: new x509.BasicConstraintsExtension(false, undefined, true),
    usage: new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    purpose: new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
    names: namesExtension(['dns', PEER]),
    provisioner: provisionerExtension(),
    grant: uuidExtension(OIDS.grant, GRANT),
    subject: uuidExtension(OIDS.subject, SUBJECT),
    ...changes.extensions,
  }
  const made = await x509.X509CertificateGenerator.create({
    subject: changes.subject ?? `CN=${PEER}`,
    issuer: `CN=${ca.name}`,
    serialNumber: changes.serial,
    notBefore: changes.notBefore ?? new Date(NOW - MINUTE),
    notAfter: changes.notAfter ?? new Date(NOW + 5 * MINUTE),
    signingAlgorithm: P256,
    publicKey: (changes.keys ?? (await makeKeys())).publicKey,
    signingKey: ca.keys.privateKey,
    extensions: [...Object.values(extensions), ...(changes.more ?? [])].filter((extension) => extension !== undefined),
  })
  return nodeCertificate(made)
}

function nodeCertificate(made: x509.X509Certificate): X509Certificate {
  return new X509Certificate(Buffer.from(made.rawData))
}

async function makeCrl(ca: TestCa, changes: CrlChanges = {}): Promise<Buffer> {
  const given = { number: 1, point: {}, nextUpdate: new Date(NOW + 60 * MINUTE), ...changes }
  const extensions = [...(changes.more ?? [])]
  if (given.number !== undefined) {
    extensions.push(
      new x509.Extension(asn1.id_ce_cRLNumber, false, AsnConvert.serialize(new asn1.CRLNumber(given.number))),
    )
  }
  if (given.point !== undefined) {
    const fullName = [new asn1.GeneralName({ uniformResourceIdentifier: changes.at ?? POINT })]
    const distributionPoint = new asn1.DistributionPointName({ fullName })
    const point = new asn1.IssuingDistributionPoint({ distributionPoint, ...given.point })
    extensions.push(new x509.Extension(asn1.id_ce_issuingDistributionPoint, true, AsnConvert.serialize(point)))
  }
  const list = await x509.X509CrlGenerator.create({
    issuer: `CN=${changes.issuer ?? ca.name}`,
    thisUpdate: changes.thisUpdate ?? new Date(NOW - MINUTE),
    nextUpdate: given.nextUpdate,
    entries: (changes.serials ?? []).map((serialNumber) => ({ serialNumber, revocationDate: new Date(NOW - MINUTE) })),
    extensions,
    signingAlgorithm: P256,
    signingKey: (changes.signedBy ?? ca.keys).privateKey,
  })
  return Buffer.from(list.rawData)
}

const ECDSA_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex')

/** Signs content of its own as a list: what no library would put there. */
export function signedList(ca: TestCa, ...members: Uint8Array[]): Buffer {
  const content = tlv(0x30, ...members)
  const signature = sign('sha256', content, KeyObject.from(ca.keys.privateKey))
  return tlv(0x30, content, ECDSA_SHA256, tlv(0x03, Buffer.alloc(1), signature))
}

export interface CsrChanges {
  subject?: string
  names?: x509.Extension | undefined
  more?: x509.Extension[]
  keys?: Keys
  algorithm?: Algorithm
}

export async function makeCsr(changes: CsrChanges = {}): Promise<string> {
  const algorithm = changes.algorithm ?? P256
  const names = 'names' in changes ? changes.names : namesExtension(['dns', PEER])
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: changes.subject ?? `CN=${PEER}`,
    keys: changes.keys ?? (await makeKeys(algorithm)),
    signingAlgorithm: algorithm,
    extensions: [...(names === undefined ? [] : [names]), ...(changes.more ?? [])],
  })
  return `${request.toString('pem')}\n`
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url')
}
