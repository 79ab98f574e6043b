import type { X509Certificate } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type ServerOptions as HttpsOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import {
  type Keys,
  type LeafChanges,
  makeKeys,
  namesExtension,
  POINT,
  rootCa,
  type TestCa,
  x509,
} from './certificates.ts'

// The same certificates for real handshakes, which go by the clock of this machine; and servers that answer as a test says.

const MINUTE = 60_000

/** What TLS wants: PEM texts. */
export interface Held {
  readonly cert: string
  readonly key: string
  readonly certificate: X509Certificate
}

export function liveRoot(name: string): Promise<TestCa> {
  return rootCa(name, around())
}

export function liveSub(root: TestCa, name: string): Promise<TestCa> {
  return root.sub(name, around())
}

function around() {
  return { notBefore: new Date(Date.now() - MINUTE), notAfter: new Date(Date.now() + 60 * MINUTE) }
}

export async function keyPem({ privateKey }: Keys): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', privateKey), 'PRIVATE KEY')}\n`
}

/** `below`: the CAs between the issuer's root and the leaf, the lowest first. `point`: where it says that the list is. */
export async function hold(
  issuer: TestCa,
  { point: at = POINT, ...changes }: LeafChanges & { point?: string } = {},
  below: readonly TestCa[] = [],
): Promise<Held> {
  const keys = changes.keys ?? (await makeKeys())
  // OpenSSL applies a list with a distribution point to certificates that name it.
  const point = new x509.CRLDistributionPointsExtension([at])
  const [notBefore, notAfter] = [new Date(Date.now() - MINUTE), new Date(Date.now() + 5 * MINUTE)]
  const certificate = await issuer.issue({
    notBefore,
    notAfter,
    ...changes,
    keys,
    more: [point, ...(changes.more ?? [])],
  })
  const cert = [certificate, ...below.map((ca) => ca.certificate)].map(String).join('')
  return { cert, key: await keyPem(keys), certificate }
}

/** A certificate of a server; `names` may be empty. */
export function holdServer(issuer: TestCa, names: readonly string[], changes: LeafChanges = {}): Promise<Held> {
  const purpose = new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth])
  const san = names.length === 0 ? undefined : namesExtension(...names.map((name) => ['dns', name] as ['dns', string]))
  const bare = { provisioner: undefined, grant: undefined, subject: undefined }
  return hold(issuer, {
    subject: `CN=${names[0] ?? 'localhost'}`,
    extensions: { ...bare, purpose, names: san },
    ...changes,
  })
}

export interface LiveServer extends AsyncDisposable {
  readonly port: number
  /** `https://localhost:PORT` */
  readonly url: string
  /** Requests that came. */
  readonly heard: { method: string; url: string; body: string; socket: Socket }[]
}

export type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void

export async function liveServer(tls: HttpsOptions, answer: Answer, port = 0): Promise<LiveServer> {
  const heard: LiveServer['heard'] = []
  const server = createServer(tls, async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    heard.push({ method: request.method ?? '', url: request.url ?? '', body, socket: request.socket })
    answer(request, response, body)
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const at = (server.address() as AddressInfo).port
  return {
    port: at,
    url: `https://localhost:${at}`,
    heard,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
