// The x509 package does not load without this polyfill, so it comes first.
import 'reflect-metadata'
import { createPrivateKey, generateKeyPairSync, KeyObject, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { chainOf, type Identity } from './certificate.ts'
import type { RawExtension } from './step-extensions.ts'

/** Something that can sign certificates. `anchorPem` is what a verifier would have to trust. */
export interface SigningAuthority {
  readonly anchorPem: string
  /** Certificates that a leaf of this authority sends along, PEM, leaf first; empty below a root. */
  readonly intermediatesPem: string
  readonly certificate: x509.X509Certificate
  readonly key: webcrypto.CryptoKey
}

/** A subject alternative name of another kind than DNS, or of bytes that no DNS name has: characters are bytes. */
export interface OtherName {
  readonly type: 'dns' | 'email' | 'url' | 'ip' | 'dn' | 'upn' | 'id'
  readonly value: string
}

/** RDNs in their order; one with several attributes is multi-valued: `[{ O: ['x'] }, { CN: ['a'], OU: ['b'] }]`. */
export type DistinguishedName = readonly Readonly<Record<string, string[] | undefined>>[]

export interface LeafOptions {
  authority: SigningAuthority
  /** The CommonName, or the whole name. */
  subject: string | DistinguishedName
  /** DNS SANs, and others; empty: no SAN extension at all. */
  sans: readonly (string | OtherName)[]
  notBefore?: Date
  notAfter?: Date
  /** Extended key usages; empty: no such extension. Default: client and server. */
  eku?: readonly (keyof typeof usageOids)[]
  /** Default: P-256. No listener of today takes any of the others. */
  key?: keyof typeof curves | 'RSA-1024'
  /** It says of itself that it may sign others. */
  isAuthority?: boolean
  /** Further extensions, as they shall stand in the certificate. */
  extensions?: readonly RawExtension[]
}

export type Leaf = Identity & { readonly authority: SigningAuthority }

const p256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
/** Names of OpenSSL. */
const curves = { 'P-256': 'prime256v1', 'P-192': 'prime192v1', 'P-224': 'secp224r1', secp256k1: 'secp256k1' } as const
const usageOids = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
}
const minuteMs = 60_000

/** A new root that nobody trusts: what an attacker has. */
export async function rogueAuthority(name = 'Rogue Root'): Promise<SigningAuthority> {
  const keys = await newKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    keys,
    ...signedFor(60),
    extensions: await authorityExtensions(keys.publicKey),
  })
  return { anchorPem: pemOf(certificate), intermediatesPem: '', certificate, key: keys.privateKey }
}

/**
 * An authority whose key the scenario holds (P-256, P-384, P-521 or RSA), a real CA's intermediate, say: makes certificates that are trusted
 * but spoiled in one named way, which no CA would sign.
 */
export async function authorityFrom(
  options: Identity & { anchorPem: string; passphrase?: string },
): Promise<SigningAuthority> {
  const { anchorPem, certPem, keyPem, passphrase } = options
  const chain = chainOf(certPem).map(({ raw }) => new x509.X509Certificate(raw))
  const key = createPrivateKey({ key: keyPem, passphrase })
  return {
    anchorPem,
    intermediatesPem: certPem.trim() === anchorPem.trim() ? '' : chain.map(pemOf).join(''),
    certificate: chain[0]!,
    key: key.toCryptoKey(algorithmOf(key), true, ['sign']) as webcrypto.CryptoKey,
  }
}

/** How a key signs, in the words of the Web Cryptography API. */
function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject) {
  if (asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const namedCurve = { secp384r1: 'P-384', secp521r1: 'P-521' }[asymmetricKeyDetails?.namedCurve ?? ''] ?? 'P-256'
  return { ...p256, namedCurve }
}

/** A leaf with a key of its own, followed by what its authority sends along. */
export async function issueLeaf(options: LeafOptions): Promise<Leaf> {
  const { publicKey, privateKey } = newKeyPair(options.key ?? 'P-256')
  const certPem = await certify(options, publicKey.export({ type: 'spki', format: 'der' }))
  return { certPem, keyPem: privatePem(privateKey), authority: options.authority }
}

/** A leaf for a public key (its SPKI) that somebody else has the private one of, followed by what its authority sends along. */
export async function certify(options: Omit<LeafOptions, 'key'>, spki: Uint8Array): Promise<string> {
  const { authority, subject } = options
  const publicKey = new Uint8Array(spki)
  const certificate = await x509.X509CertificateGenerator.create({
    subject: typeof subject === 'string' ? [{ CN: [subject] }] : (subject as x509.JsonName),
    issuer: authority.certificate.subjectName,
    ...signedFor(10, options),
    publicKey,
    signingKey: authority.key,
    extensions: await leafExtensions(options, new x509.PublicKey(publicKey)),
  })
  return pemOf(certificate) + authority.intermediatesPem
}

/**
 * An authority that another one vouches for, whatever that one is allowed to. `pathLength`: how many may stand below it, if not
 * any number. `isRsa`: with an RSA key of 2048 bits, not P-256.
 */
export async function subordinate(
  authority: SigningAuthority,
  name: string,
  options: { pathLength?: number; isRsa?: boolean; extensions?: readonly x509.Extension[] } = {},
): Promise<SigningAuthority> {
  const keys = await newKeys(options.isRsa)
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [name] }],
    issuer: authority.certificate.subjectName,
    ...signedFor(60),
    publicKey: keys.publicKey,
    signingKey: authority.key,
    extensions: [
      ...(await authorityExtensions(keys.publicKey, options.pathLength)),
      await x509.AuthorityKeyIdentifierExtension.create(authority.certificate.publicKey),
      ...(options.extensions ?? []),
    ],
  })
  return {
    anchorPem: authority.anchorPem,
    intermediatesPem: pemOf(certificate) + authority.intermediatesPem,
    certificate,
    key: keys.privateKey,
  }
}

/** The leaf taken for an authority: its certificate says CA:FALSE, so whatever it signs must be refused. */
export async function authorityOfLeaf(leaf: Leaf): Promise<SigningAuthority> {
  const authority = await authorityFrom({ ...leaf, anchorPem: leaf.authority.anchorPem })
  return { ...authority, intermediatesPem: leaf.certPem }
}

/** A certificate that vouches for itself. */
export async function issueSelfSigned(subject: string, sans: readonly string[]): Promise<Identity> {
  const keys = await newKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [subject] }],
    keys,
    ...signedFor(10),
    extensions: [
      ...namesOf(sans),
      new x509.ExtendedKeyUsageExtension([usageOids.serverAuth, usageOids.clientAuth]),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    ],
  })
  return { certPem: pemOf(certificate), keyPem: privatePem(KeyObject.from(keys.privateKey)) }
}

function signedFor(minutes: number, { notBefore, notAfter }: Pick<LeafOptions, 'notBefore' | 'notAfter'> = {}) {
  return {
    notBefore: notBefore ?? new Date(Date.now() - minuteMs),
    notAfter: notAfter ?? new Date(Date.now() + minutes * minuteMs),
    signingAlgorithm: p256,
  }
}

async function authorityExtensions(publicKey: x509.PublicKeyType, pathLength?: number): Promise<x509.Extension[]> {
  return [
    new x509.BasicConstraintsExtension(true, pathLength, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
  ]
}

async function leafExtensions(options: Omit<LeafOptions, 'key'>, publicKey: x509.PublicKey): Promise<x509.Extension[]> {
  const eku = options.eku ?? ['serverAuth', 'clientAuth']
  return [
    new x509.BasicConstraintsExtension(options.isAuthority ?? false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
    await x509.AuthorityKeyIdentifierExtension.create(options.authority.certificate.publicKey),
    ...(eku.length > 0 ? [new x509.ExtendedKeyUsageExtension(eku.map((usage) => usageOids[usage]))] : []),
    ...namesOf(options.sans),
    ...(options.extensions ?? []).map(
      ({ oid, critical, der }) => new x509.Extension(oid, critical, new Uint8Array(der)),
    ),
  ]
}

function namesOf(sans: LeafOptions['sans']): x509.Extension[] {
  if (sans.length === 0) return []
  const names = sans.map((name) => (typeof name === 'string' ? { type: 'dns' as const, value: name } : name))
  return [new x509.SubjectAlternativeNameExtension(names)]
}

async function newKeys(isRsa = false): Promise<webcrypto.CryptoKeyPair> {
  const publicExponent = new Uint8Array([1, 0, 1])
  const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent }
  return (await webcrypto.subtle.generateKey(isRsa ? rsa : p256, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
}

/** By OpenSSL, which makes keys that the Web Cryptography API does not know. */
function newKeyPair(kind: NonNullable<LeafOptions['key']>): { publicKey: KeyObject; privateKey: KeyObject } {
  return kind === 'RSA-1024'
    ? generateKeyPairSync('rsa', { modulusLength: 1024 })
    : generateKeyPairSync('ec', { namedCurve: curves[kind] })
}

function privatePem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

// The package writes PEM without a final newline, and two such texts one after the other are not a chain.
function pemOf(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}
