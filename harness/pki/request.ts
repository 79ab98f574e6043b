import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import type { RawExtension } from './step-extensions.ts'

export interface NewRequest {
  /** PKCS#8 PEM of a fresh P-256 key. */
  keyPem: string
  csrPem: string
  /** base64url SHA-256 of the CSR's DER: what a one-time token is bound to. */
  x5rt: string
}

const label = 'CERTIFICATE REQUEST'
/** RFC 2985 section 5.4.2: the extensions that a request asks for. */
const extensionRequest = '1.2.840.113549.1.9.14'
/** RFC 5758 section 3.2, and RFC 3279 section 2.2.3. */
const signatures = { sha256: '1.2.840.10045.4.3.2', sha1: '1.2.840.10045.4.1' }
/** RFC 4055 section 5, and RFC 8410 section 3. */
const otherSignatures = { rsa: '1.2.840.113549.1.1.11', ed25519: '1.3.101.112' }

/** What a request that should be refused has otherwise. */
export interface RequestFaults {
  /** As OpenSSL calls it. */
  readonly curve?: string
  /** In place of an EC key. */
  readonly key?: 'RSA-1024' | 'RSA-2048' | 'Ed25519'
  /** Attributes of the subject behind its common name, by OID. */
  readonly attributes?: readonly (readonly [oid: string, value: string])[]
  /** Alternative names behind the DNS names. */
  readonly uris?: readonly string[]
  /** What else is asked for, as it shall stand in the certificate. */
  readonly extensions?: readonly RawExtension[]
  readonly digest?: keyof typeof signatures
  /** False: the signature is over something else. */
  readonly isSigned?: boolean
}

/**
 * Makes a P-256 key and a certificate request for it, with `subject` as common name and `sans` as DNS names. RFC 2986 section 4, by its
 * schemas: an agent makes nothing else, and all of the x509 package takes twice as long to load.
 */
export async function newRequest(
  named: { subject: string; sans: readonly string[] },
  faults: RequestFaults = {},
): Promise<NewRequest> {
  const { AsnConvert, OctetString } = await import('@peculiar/asn1-schema')
  const csr = await import('@peculiar/asn1-csr')
  const x509 = await import('@peculiar/asn1-x509')
  const { digest = 'sha256', isSigned = true, attributes = [], uris = [] } = faults
  const { privateKey, publicKey } = newKeys(faults)
  const subject = ([['2.5.4.3', named.subject], ...attributes] as const).map(([type, text]) => {
    const value = new x509.AttributeValue({ utf8String: text })
    return new x509.RelativeDistinguishedName([new x509.AttributeTypeAndValue({ type, value })])
  })
  const names = new x509.SubjectAlternativeName([
    ...named.sans.map((dNSName) => new x509.GeneralName({ dNSName })),
    ...uris.map((uniformResourceIdentifier) => new x509.GeneralName({ uniformResourceIdentifier })),
  ])
  const extensionOf = (extnID: string, critical: boolean, der: ArrayBuffer) =>
    new x509.Extension({ extnID, critical, extnValue: new OctetString(der) })
  const asked = (faults.extensions ?? []).map(({ oid, critical, der }) =>
    extensionOf(oid, critical, new Uint8Array(der).buffer),
  )
  // Without a name there is no such extension: RFC 5280 section 4.2.1.6 knows none that is empty.
  const hasNames = named.sans.length + uris.length > 0
  const nameList = hasNames ? [extensionOf(x509.id_ce_subjectAltName, false, AsnConvert.serialize(names))] : []
  const extensions = new x509.Extensions([...nameList, ...asked])
  const info = new csr.CertificationRequestInfo({
    subject: new x509.Name(subject),
    subjectPKInfo: AsnConvert.parse(publicKey.export({ type: 'spki', format: 'der' }), x509.SubjectPublicKeyInfo),
    attributes: new csr.Attributes([
      new x509.Attribute({ type: extensionRequest, values: [AsnConvert.serialize(extensions)] }),
    ]),
  })
  const signed = isSigned ? Buffer.from(AsnConvert.serialize(info)) : Buffer.from('something else')
  const type = privateKey.asymmetricKeyType
  const signature = sign(type === 'ed25519' ? null : digest, signed, privateKey)
  const algorithm = type === 'ec' ? signatures[digest] : otherSignatures[type === 'rsa' ? 'rsa' : 'ed25519']
  // RFC 4055 section 2.1: these have NULL as their parameters.
  const parameters = type === 'rsa' ? new Uint8Array([5, 0]).buffer : undefined
  const request = new csr.CertificationRequest({
    certificationRequestInfo: info,
    signatureAlgorithm: new x509.AlgorithmIdentifier({ algorithm, ...(parameters && { parameters }) }),
    signature: new Uint8Array(signature).buffer,
  })
  const der = Buffer.from(AsnConvert.serialize(request))
  return {
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    csrPem: `-----BEGIN ${label}-----\n${der.toString('base64').replaceAll(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`,
    x5rt: createHash('sha256').update(der).digest('base64url'),
  }
}

function newKeys({ key, curve = 'P-256' }: RequestFaults) {
  if (key === 'Ed25519') return generateKeyPairSync('ed25519')
  if (key !== undefined) return generateKeyPairSync('rsa', { modulusLength: Number(key.slice(4)) })
  return generateKeyPairSync('ec', { namedCurve: curve })
}
