// The x509 package does not load without this polyfill, so it comes first.
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import * as x509 from '@peculiar/x509'
import type { SigningAuthority } from '../../harness/pki/authority.ts'
import type { Identity } from '../../harness/pki/certificate.ts'
import type { Choices } from '../random.ts'
import { mutateBytes } from './mutate.ts'

export interface CertificateMaterial {
  /** The CA that the nodes trust. */
  readonly authority: SigningAuthority
  /** The host that a good certificate would have. */
  readonly host: string
  readonly keys: webcrypto.CryptoKeyPair
  readonly keyPem: string
}

export interface MutantCertificate extends Identity {
  /** Whether a TLS library here takes it for a client certificate at all. Others can only be handed over as a text. */
  readonly canBeSent: boolean
  /** Its bytes were changed after the CA had signed them. */
  readonly isForged: boolean
}

const p256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMs = 86_400_000

export async function certificateMaterial(authority: SigningAuthority, host: string): Promise<CertificateMaterial> {
  const keys = (await webcrypto.subtle.generateKey(p256, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { authority, host, keys, keyPem: `${x509.PemConverter.encode(der, 'PRIVATE KEY')}\n` }
}

/** A certificate that the real CA signed with odd contents, and in every third case broken after that. */
export async function mutantCertificate(choices: Choices, material: CertificateMaterial): Promise<MutantCertificate> {
  const good = await signed(choices, material)
  const isForged = choices.chance(1 / 3)
  const der = isForged ? mutateBytes(choices, Buffer.from(good.rawData)) : Buffer.from(good.rawData)
  const certPem = `${x509.PemConverter.encode(new Uint8Array(der), 'CERTIFICATE')}\n`
  const { keyPem } = material
  return {
    certPem,
    keyPem,
    canBeSent: isUsable({ certPem, keyPem }),
    isForged: isForged && !der.equals(Buffer.from(good.rawData)),
  }
}

async function signed(choices: Choices, material: CertificateMaterial): Promise<x509.X509Certificate> {
  const { authority, keys } = material
  const [notBefore, notAfter] = choices.pick(VALIDITIES)
  return x509.X509CertificateGenerator.create({
    serialNumber: choices.bytes(choices.pick([1, 8, 20, 60])).toString('hex'),
    subject: choices.pick(NAMES)(choices, material.host) as x509.JsonName,
    issuer: authority.certificate.subjectName,
    notBefore: new Date(Date.now() + notBefore),
    notAfter: new Date(Date.now() + notAfter),
    publicKey: keys.publicKey,
    signingKey: authority.key,
    signingAlgorithm: p256,
    extensions: extensions(choices, material.host),
  })
}

const VALIDITIES = [
  [-60_000, 600_000],
  [-60_000, 600_000],
  [-60_000, 600_000],
  [600_000, -600_000],
  [-40_000 * dayMs, -20_000 * dayMs],
  [-60_000, 2_000_000 * dayMs],
  [60_000, 600_000],
] as const

type Name = (choices: Choices, host: string) => Partial<Record<string, string[]>>[]

const NAMES: readonly Name[] = [
  (_, host) => [{ CN: [host] }],
  (_, host) => [{ CN: [host, 'second'] }, { O: ['org'] }],
  () => [],
  (choices) => [{ CN: [`x${choices.bytes(20).toString('latin1')}`] }],
  (choices) => [{ CN: ['x'.repeat(1 + choices.below(2_000))] }],
  () => [{ CN: ['a,CN=b+O=c\\'] }, { '2.5.4.45': ['unusual'] }],
]

function extensions(choices: Choices, host: string): x509.Extension[] {
  const made: x509.Extension[] = [
    new x509.SubjectAlternativeNameExtension(subjectNames(choices, host)),
    new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']),
  ]
  if (choices.chance(0.5)) made.push(new x509.BasicConstraintsExtension(choices.chance(0.1), choices.below(3), true))
  for (let left = choices.below(4); left > 0; left -= 1) {
    const value = choices.chance(0.5)
      ? mutateBytes(choices, Buffer.from(made[0]!.value))
      : choices.bytes(choices.below(64))
    made.push(new x509.Extension(choices.pick(OIDS), choices.chance(0.2), new Uint8Array(value)))
  }
  if (choices.chance(0.2)) made.splice(choices.below(made.length), 1)
  return made
}

const OIDS = [
  '2.5.29.17',
  '2.5.29.19',
  '2.5.29.15',
  '2.5.29.37',
  '2.5.29.30',
  '2.5.29.14',
  '2.5.29.32',
  '1.3.6.1.4.1.99999.1',
  '1.2.3',
]

function subjectNames(choices: Choices, host: string): x509.JsonGeneralNames {
  const kind = choices.below(8)
  if (kind === 0)
    return Array.from({ length: choices.below(800) }, (_, at) => ({ type: 'dns', value: `n${at}.${host}` }))
  if (kind === 1)
    return [
      {
        type: 'dns',
        value: choices
          .bytes(1 + choices.below(60))
          .toString('latin1')
          .replaceAll(/[^\x20-\x7f]/g, 'x'),
      },
    ]
  if (kind === 2) return [{ type: 'dns', value: `${host}, DNS:other.test` }]
  if (kind === 3)
    return [
      { type: 'url', value: 'spiffe://x/y' },
      { type: 'email', value: 'a@b.test' },
      { type: 'ip', value: '127.0.0.1' },
    ]
  if (kind === 4)
    return [
      { type: 'dns', value: host.toUpperCase() },
      { type: 'dns', value: `*.${host}` },
    ]
  return [{ type: 'dns', value: host }]
}

function isUsable({ certPem, keyPem }: Identity): boolean {
  try {
    createSecureContext({ cert: certPem, key: keyPem })
    return true
  } catch {
    return false
  }
}
