import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { PeerCertificate, TLSSocket } from 'node:tls'

/** One request over a connection of its own that is closed after the answer. */
export interface OneRequest {
  method: string
  url: string
  /** Where the host of the URL is; without it the name is looked up. */
  address?: string
  /** The client's own address. */
  localAddress?: string
  /** PEM text. Without `ca` of an https URL the system's roots count. */
  tls?: { ca: string; cert?: string; key?: string }
  json?: unknown
  timeoutMs: number
}

export interface OneAnswer {
  status: number
  text: string
  /** The server's certificate, for https. */
  certificate?: PeerCertificate
}

/** Rejects when there is no answer in time; an answer of any status resolves. The body may have 1 MiB at most. */
export async function request(options: OneRequest): Promise<OneAnswer> {
  const url = new URL(options.url)
  const secure = url.protocol === 'https:'
  const { request: open } = secure ? await import('node:https') : await import('node:http')
  const body = options.json === undefined ? undefined : JSON.stringify(options.json)
  return new Promise((resolve, reject) => {
    const outgoing = open({
      method: options.method,
      host: options.address ?? url.hostname,
      port: url.port === '' ? undefined : Number(url.port),
      path: url.pathname + url.search,
      localAddress: options.localAddress,
      agent: false,
      signal: AbortSignal.timeout(options.timeoutMs),
      headers: { host: url.host, connection: 'close', ...contentHeaders(body) },
      // Said outright: left out, NODE_TLS_REJECT_UNAUTHORIZED would decide whether the server is proven.
      ...(secure
        ? { servername: isIP(url.hostname) ? '' : url.hostname, rejectUnauthorized: true, ...options.tls }
        : {}),
    })
    outgoing.once('error', reject)
    outgoing.once('response', (response) => {
      // Read now: the connection may be gone when the body has come.
      const certificate = secure ? (response.socket as TLSSocket).getPeerCertificate() : undefined
      readBody(response).then((text) => resolve({ status: response.statusCode as number, text, certificate }), reject)
    })
    outgoing.end(body)
  })
}

/**
 * Loads and compiles what the first request needs (about 40 ms), while there is nothing else to do: a request to a port at
 * `address` where nothing listens.
 */
export async function warmUp(address: string): Promise<void> {
  await request({ method: 'GET', url: 'https://warm-up.invalid:1/', address, tls: { ca: '' }, timeoutMs: 1_000 }).catch(
    () => {},
  )
}

function contentHeaders(body: string | undefined): Record<string, string | number> {
  if (body === undefined) return {}
  return { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
}

async function readBody(response: IncomingMessage): Promise<string> {
  let text = ''
  response.setEncoding('utf8')
  for await (const chunk of response) {
    text += chunk
    if (text.length > 1_048_576) throw new Error('the answer is larger than 1 MiB')
  }
  return text
}

/** Reads the PEM files that a request authenticates with. */
export async function readTls(files: { ca: string; cert?: string; key?: string }): Promise<OneRequest['tls']> {
  const read = (file: string | undefined) => (file === undefined ? undefined : readFile(file, 'utf8'))
  const [ca, cert, key] = await Promise.all([readFile(files.ca, 'utf8'), read(files.cert), read(files.key)])
  return { ca, cert, key }
}
