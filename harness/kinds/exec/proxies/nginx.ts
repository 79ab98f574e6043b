import type { CertificateEncoding } from '../../../pki/certificate-header.ts'
import type { FrontProxy } from './proxy.ts'

/** nginx has a certificate as PEM only: its lines one after the other are the base64 of the DER. */
const longestPem = 80
const lines = Array.from({ length: longestPem }, (_, at) => `l${at}`)
const joined = `map $ssl_client_raw_cert $certificate_base64 {
    default "";
    "~^-----BEGIN CERTIFICATE-----\\n${lines.map((name) => `(?:(?<${name}>[A-Za-z0-9+/=]+)\\n)?`).join('')}-----END" "${lines.map((name) => `$${name}`).join('')}";
  }
  map $certificate_base64 $certificate_sequence {
    default ":$certificate_base64:";
    "" "";
  }
  map $ssl_client_escaped_cert $certificate_element {
    default 'Cert="$ssl_client_escaped_cert"';
    "" "";
  }`

const variables: Readonly<Record<CertificateEncoding, string>> = {
  rfc9440: '$certificate_sequence',
  'url-pem': '$ssl_client_escaped_cert',
  base64: '$certificate_base64',
  // It has no SHA-256 of a certificate.
  xfcc: '$certificate_element',
}

export const nginx: FrontProxy = {
  command: `exec nginx -e stderr -p . -c "$1" -g 'daemon off;'`,
  configuration: ({ address, port, cert, key, ca, program_port, dir }, { name, encoding }, clientCertificate) => `
# One process, of the user that starts it: whatever it keeps lies in the folder of its unit.
master_process off;
pid ${dir}/nginx.pid;
error_log stderr crit;
events {}
http {
  access_log off;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  large_client_header_buffers 4 32k;
  ${joined}
  server {
    listen ${address}:${port} ssl;
    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_client_certificate ${ca};
    ssl_verify_client ${clientCertificate === 'required' ? 'on' : 'optional'};
    ssl_verify_depth 3;
    location / {
      proxy_pass http://${address}:${program_port};
      # From the address of this node: by that the program knows its proxy.
      proxy_bind ${address};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      # An empty value takes the header away.
      proxy_set_header ${name} ${variables[encoding]};
    }
  }
}
`,
}
