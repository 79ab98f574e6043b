import { createHash, X509Certificate } from 'node:crypto'

/** Ways in which whoever ends TLS writes a certificate into a header. */
export const certificateEncodings = ['rfc9440', 'url-pem', 'base64', 'xfcc'] as const

export type CertificateEncoding = (typeof certificateEncodings)[number]

/** The header in which whoever ends TLS hands on the certificate of the caller. */
export interface CertificateHeader {
  readonly name: string
  readonly encoding: CertificateEncoding
}

const writers: Readonly<Record<CertificateEncoding, (certificate: X509Certificate) => string>> = {
  // RFC 9440 section 2.2: a byte sequence (RFC 8941 section 3.3.5) of the DER.
  rfc9440: ({ raw }) => `:${raw.toString('base64')}:`,
  // nginx: $ssl_client_escaped_cert
  'url-pem': (certificate) => encodeURIComponent(certificate.toString()),
  // Traefik: PEM without its first and last line and without breaks
  base64: ({ raw }) => raw.toString('base64'),
  // Envoy: x-forwarded-client-cert
  xfcc: (certificate) => `Hash=${hashOf(certificate)};Cert="${encodeURIComponent(certificate.toString())}"`,
}

/** The first certificate of a PEM text as the value of such a header. */
export function inHeader(pem: string | Uint8Array, encoding: CertificateEncoding): string {
  return writers[encoding](new X509Certificate(pem))
}

/** Lower-case hex, as Envoy writes it. */
function hashOf({ raw }: X509Certificate): string {
  return createHash('sha256').update(raw).digest('hex')
}
