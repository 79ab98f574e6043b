import type { CertificateHeader } from '../../../pki/certificate-header.ts'

/** What a proxy must be told, as templates. Its certificate lies in `cert`, the key beside it in `key`. */
export interface ProxyTold {
  readonly address: string
  readonly port: string
  readonly host: string
  readonly cert: string
  readonly key: string
  readonly ca: string
  /** Where the program listens, at the same address. */
  readonly program_port: string
  readonly dir: string
}

/** A real program that ends TLS in front of another one. */
export interface FrontProxy {
  /** A shell command, in the folder of its unit; `$1` is its configuration. */
  readonly command: string
  /** A configuration that hands the certificate on as it should: sets the header for each request, whatever came. */
  configuration(told: ProxyTold, header: CertificateHeader, clientCertificate: 'required' | 'requested'): string
}
