import type { Template } from '../../topology/plan.ts'
import type { Settings } from './settings.ts'

/** Header fields in the order in which they are written. */
type Fields = Readonly<Record<string, string>>

export interface Places {
  readonly ca: Template
  readonly cert: Template
  readonly key: Template
  /** Of the node that calls go on to: the name in its certificate, and where it is. */
  readonly host: string
  readonly address: Template
  readonly port: number
}

type Told = Pick<Settings, 'authorization' | 'headers' | 'locations' | 'port' | 'tls'>

const authorizations: Readonly<Record<Exclude<Settings['authorization'], 'constant'>, Fields>> = {
  forward: { Authorization: '$http_authorization' },
  plain: {},
  strip: { Authorization: '' },
  'no-headers': {},
  cache: { Authorization: '$http_authorization' },
}

/** What it sets for all locations. */
export function fieldsOf({ authorization, headers }: Pick<Told, 'authorization' | 'headers'>): Fields {
  const own = authorization === 'constant' ? {} : authorizations[authorization]
  return { Host: '$http_host', Connection: '', Forwarded: '$forwarded', ...own, ...headers }
}

/** `proxy_set_header` lines of that. */
export function linesOf(fields: Fields): string[] {
  return Object.entries(fields).map(([field, value]) => `proxy_set_header ${field} "${value}";`)
}

export function configurationOf(told: Told, places: Places): Template {
  const { authorization, locations, tls } = told
  const { host, address, port } = places
  const isCaching = authorization === 'cache'
  const pass = `proxy_pass ${tls ? 'https' : 'http'}://${address}:${port};`
  const all = { '/': { headers: {} }, ...locations }
  return `# One process, of the user that starts it: whatever it keeps lies in the folder of its unit.
master_process off;
pid @{unit}/nginx.pid;
error_log stderr crit;
events {}
http {
  # Without the target and the fields of a request: somebody may have put a token there.
  log_format calls '$remote_addr:$remote_port $request_method $status $request_time $upstream_addr $upstream_status $upstream_cache_status';
  access_log @{unit}/access.log calls;
  client_body_temp_path @{unit}/body;
  proxy_temp_path @{unit}/proxy;
  fastcgi_temp_path @{unit}/fastcgi;
  uwsgi_temp_path @{unit}/uwsgi;
  scgi_temp_path @{unit}/scgi;
  large_client_header_buffers 4 32k;
  client_max_body_size 1m;
  # Who called, with his port (RFC 7239 section 6).
  map $remote_addr $forwarded {
    "~^[0-9.]+$" 'for="$remote_addr:$remote_port"';
    default 'for="[$remote_addr]:$remote_port"';
  }
${indented(isCaching ? ['proxy_cache_path @{unit}/cache keys_zone=answers:1m;'] : [])}  server {
${indented([...listening(told, places), ...(tls ? verifying(host, places) : [])], 2)}
    proxy_http_version 1.1;
    proxy_buffering ${isCaching ? 'on' : 'off'};
    proxy_read_timeout 75s;
    # From the address of this node: by that, and by its certificate, the other one knows it.
    proxy_bind @{address};
${indented(isCaching ? caching : [], 2)}${indented(authorization === 'no-headers' ? ['proxy_pass_request_headers off;'] : [], 2)}
    # A location that sets one of these itself inherits none of them.
${indented(linesOf(fieldsOf(told)), 2)}
${Object.entries(all)
  .map(([path, { headers }]) => `    location ${path} {\n${indented([...linesOf(headers), pass], 3)}    }\n`)
  .join('')}  }
}
`
}

function listening({ port, tls }: Told, { cert, key }: Places): string[] {
  if (!tls) return [`listen @{address}:${port};`]
  return [
    `listen @{address}:${port} ssl;`,
    `ssl_certificate ${cert};`,
    `ssl_certificate_key ${key};`,
    'ssl_protocols TLSv1.2 TLSv1.3;',
  ]
}

/** It trusts nobody but the node that is meant, and shows who it is. */
function verifying(host: string, { ca, cert, key }: Places): string[] {
  return [
    'proxy_ssl_verify on;',
    'proxy_ssl_verify_depth 3;',
    `proxy_ssl_trusted_certificate ${ca};`,
    `proxy_ssl_name ${host};`,
    'proxy_ssl_server_name on;',
    'proxy_ssl_protocols TLSv1.2 TLSv1.3;',
    `proxy_ssl_certificate ${cert};`,
    `proxy_ssl_certificate_key ${key};`,
  ]
}

/** For everything, as far as the answers themselves allow it; an answer tells whether it was kept. */
const caching = [
  'proxy_cache answers;',
  'proxy_cache_valid any 10m;',
  'add_header X-Cache-Status $upstream_cache_status always;',
]

function indented(lines: readonly string[], depth = 1): string {
  return lines.map((line) => `${'  '.repeat(depth)}${line}\n`).join('')
}
