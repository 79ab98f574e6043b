import { createHash, webcrypto } from 'node:crypto'

export interface NewRequest {
  /** PKCS#8 PEM of a fresh P-256 key. */
  keyPem: string
  csrPem: string
  /** base64url SHA-256 of the CSR's DER: what a one-time token is bound to. */
  x5rt: string
}

/** Makes a P-256 key and a certificate request for it, with `subject` as common name and `sans` as DNS names. */
export async function newRequest({ subject, sans }: { subject: string; sans: readonly string[] }): Promise<NewRequest> {
  await import('reflect-metadata')
  const { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } = await import('@peculiar/x509')
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const csr = await Pkcs10CertificateRequestGenerator.create(
    {
      name: [{ CN: [subject] }],
      keys,
      signingAlgorithm: algorithm,
      extensions: [new SubjectAlternativeNameExtension(sans.map((value) => ({ type: 'dns' as const, value })))],
    },
    webcrypto as never,
  )
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return {
    keyPem: pem('PRIVATE KEY', Buffer.from(key)),
    csrPem: csr.toString('pem'),
    x5rt: createHash('sha256').update(new Uint8Array(csr.rawData)).digest('base64url'),
  }
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) as string[]
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
