import { createHash, generateKeyPairSync, sign } from 'node:crypto'

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

/** What a request that should be refused has otherwise. */
export interface RequestFaults {
  /** As OpenSSL calls it. */
  readonly curve?: string
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
  { curve = 'P-256', digest = 'sha256', isSigned = true }: RequestFaults = {},
): Promise<NewRequest> {
  const { AsnConvert, OctetString } = await import('@peculiar/asn1-schema')
  const csr = await import('@peculiar/asn1-csr')
  const x509 = await import('@peculiar/asn1-x509')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve })
  const value = new x509.AttributeValue({ utf8String: named.subject })
  const commonName = new x509.AttributeTypeAndValue({ type: '2.5.4.3', value })
  const names = new x509.SubjectAlternativeName(named.sans.map((dNSName) => new x509.GeneralName({ dNSName })))
  const extnValue = new OctetString(AsnConvert.serialize(names))
  const extensions = new x509.Extensions([new x509.Extension({ extnID: x509.id_ce_subjectAltName, extnValue })])
  const info = new csr.CertificationRequestInfo({
    subject: new x509.Name([new x509.RelativeDistinguishedName([commonName])]),
    subjectPKInfo: AsnConvert.parse(publicKey.export({ type: 'spki', format: 'der' }), x509.SubjectPublicKeyInfo),
    attributes: new csr.Attributes([
      new x509.Attribute({ type: extensionRequest, values: [AsnConvert.serialize(extensions)] }),
    ]),
  })
  const signed = isSigned ? Buffer.from(AsnConvert.serialize(info)) : Buffer.from('something else')
  const signature = sign(digest, signed, privateKey)
  const request = new csr.CertificationRequest({
    certificationRequestInfo: info,
    signatureAlgorithm: new x509.AlgorithmIdentifier({ algorithm: signatures[digest] }),
    signature: new Uint8Array(signature).buffer,
  })
  const der = Buffer.from(AsnConvert.serialize(request))
  return {
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    csrPem: `-----BEGIN ${label}-----\n${der.toString('base64').replaceAll(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`,
    x5rt: createHash('sha256').update(der).digest('base64url'),
  }
}
