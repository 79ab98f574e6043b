import type { CertificateEncoding } from '../../../pki/certificate-header.ts'
import type { FrontProxy } from './proxy.ts'

// In a format a percent sign stands twice.
const pem = '-----BEGIN%%20CERTIFICATE-----%%0A%[ssl_c_der,base64,url_enc]%%0A-----END%%20CERTIFICATE-----%%0A'

const formats: Readonly<Record<CertificateEncoding, string>> = {
  rfc9440: ':%[ssl_c_der,base64]:',
  'url-pem': pem,
  base64: '%[ssl_c_der,base64]',
  // Without the subject, in which a caller could close the quotes.
  xfcc: `Hash=%[ssl_c_der,sha2(256),hex,lower];Cert=\\"${pem}\\"`,
}

export const haproxy: FrontProxy = {
  command: 'exec haproxy -db -f "$1"',
  configuration: ({ address, port, cert, ca, program_port }, { name, encoding }, clientCertificate) => `
global
  log stdout format raw local0
  nbthread 1

defaults
  mode http
  log global
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout http-request 5s
  # By itself it changes to HTTP/2 when a connection begins like that, whatever was agreed in the handshake (RFC 9113 section 3.3).
  option disable-h2-upgrade

frontend callers
  # Without the target of the request, in which somebody may have put a token.
  log-format '%ci:%cp %ST %TR/%Tw/%Tc/%Tr/%Ta %tsc'
  bind "${address}:${port}" ssl crt "${cert}" ca-file "${ca}" verify ${clientCertificate === 'required' ? 'required' : 'optional'} ssl-min-ver TLSv1.2
  http-request del-header ${name}
  http-request set-header ${name} "${formats[encoding]}" if { ssl_c_used }
  default_backend program

backend program
  # From the address of this node: by that the program knows its proxy.
  server program "${address}:${program_port}" source "${address}"
`,
}
