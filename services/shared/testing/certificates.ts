import 'reflect-metadata'
import { createPrivateKey, createPublicKey, type webcrypto } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'

// Certificates for unit tests. The real ones come from a real CA; here it matters that every wrong one can be made, too.

export interface TestAuthority {
  /** PEM of the root. */
  pem: string
  /** Path of that PEM. */
  file: string
  issue(options: TestLeaf): Promise<TestIdentity>
}

export interface TestLeaf {
  /** DNS SANs. */
  sans?: string[]
  /** Default: the first SAN. */
  commonName?: string
  notBefore?: Date
  /** Default: in ten minutes. */
  notAfter?: Date
  /** Default: serverAuth and clientAuth. */
  extendedKeyUsage?: string[]
  /** An RSA key of this many bits. Default: a P-256 key. */
  rsaBits?: number
  /** Digest that is signed. Default: SHA-256. */
  digest?: 'SHA-1'
  /** For the key of this one, instead of a new key. */
  renews?: TestIdentity
}

export interface TestIdentity {
  cert: string
  key: string
  certFile: string
  keyFile: string
  /** RFC 8705 thumbprint. */
  x5t: string
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const BOTH = [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]
const MINUTE = 60_000

/** A folder (0700) for one test file; remove it when the tests are over. */
export function testFolder(): string {
  return mkdtempSync(join(tmpdir(), 'holdfast-test-'))
}

export async function testAuthority(folder: string, name: string): Promise<TestAuthority> {
  const keys = await generate()
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    notBefore: new Date(Date.now() - MINUTE),
    notAfter: new Date(Date.now() + 60 * MINUTE),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  })
  const pem = root.toString('pem')
  const file = join(folder, `${name}-root.pem`)
  writeFileSync(file, pem, { mode: 0o600 })
  let made = 0
  return {
    pem,
    file,
    async issue(options) {
      made += 1
      const number = made
      const leafKeys = options.renews === undefined ? await generate(options.rsaBits) : await keysOf(options.renews)
      const certificate = await x509.X509CertificateGenerator.create({
        ...leafOf(options),
        issuer: root.subject,
        signingKey: keys.privateKey,
        publicKey: leafKeys.publicKey,
      })
      return identityOf(folder, `${name}-${number}`, certificate, leafKeys)
    },
  }
}

let selfSigned = 0

export async function selfSignedIdentity(folder: string, options: TestLeaf): Promise<TestIdentity> {
  selfSigned += 1
  const keys = await generate()
  const { subject, ...rest } = leafOf(options)
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({ ...rest, name: subject, keys })
  return identityOf(folder, `self-signed-${selfSigned}`, certificate, keys)
}

function leafOf(options: TestLeaf) {
  const sans = options.sans ?? []
  return {
    subject: `CN=${options.commonName ?? sans[0] ?? 'leaf'}`,
    notBefore: options.notBefore ?? new Date(Date.now() - MINUTE),
    notAfter: options.notAfter ?? new Date(Date.now() + 10 * MINUTE),
    signingAlgorithm: options.digest === undefined ? ALGORITHM : { ...ALGORITHM, hash: options.digest },
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.ExtendedKeyUsageExtension(options.extendedKeyUsage ?? BOTH),
      ...(sans.length === 0
        ? []
        : [new x509.SubjectAlternativeNameExtension(sans.map((value) => ({ type: 'dns' as const, value })))]),
    ],
  }
}

function generate(rsaBits?: number): Promise<webcrypto.CryptoKeyPair> {
  const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]) }
  const algorithm = rsaBits === undefined ? ALGORITHM : { ...rsa, modulusLength: rsaBits }
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>
}

async function keysOf({ key }: TestIdentity): Promise<webcrypto.CryptoKeyPair> {
  const pkcs8 = createPrivateKey(key).export({ format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return {
    privateKey: await crypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, true, ['sign']),
    publicKey: await crypto.subtle.importKey('spki', spki, ALGORITHM, true, ['verify']),
  }
}

async function identityOf(
  folder: string,
  name: string,
  certificate: x509.X509Certificate,
  keys: webcrypto.CryptoKeyPair,
): Promise<TestIdentity> {
  const cert = certificate.toString('pem')
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  const certFile = join(folder, `${name}.pem`)
  const keyFile = join(folder, `${name}.key`)
  writeFileSync(certFile, cert, { mode: 0o600 })
  writeFileSync(keyFile, key, { mode: 0o600 })
  const x5t = Buffer.from(await certificate.getThumbprint('SHA-256')).toString('base64url')
  return { cert, key, certFile, keyFile, x5t }
}
