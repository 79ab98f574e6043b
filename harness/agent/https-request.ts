import { readFile } from 'node:fs/promises'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { connect, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { rootsAt } from '../pki/given.ts'
import { lookUp } from './loopback.ts'

/** One request over a connection of its own that is closed after the answer. */
export interface OneRequest {
  method: string
  url: string
  /** Where the host of the URL is; without it the name is looked up. */
  address?: string
  /** The client's own address. */
  localAddress?: string
  /** Connects in another way than from here, where that address says nothing: from a seat, say. */
  connect?: ((signal: AbortSignal) => Promise<Duplex>) | undefined
  /** What reads it is asked when there is a connection. Without `ca` of an https URL the system's roots count. */
  tls?: TlsTexts | (() => Promise<TlsTexts>)
  json?: unknown
  form?: Readonly<Record<string, string>>
  bearer?: string | undefined
  timeoutMs: number
}

/** PEM texts that a request authenticates with. */
interface TlsTexts {
  ca: string
  cert?: string
  key?: string
}

export interface OneAnswer {
  status: number
  text: string
  /** Undefined where the text is none. */
  json: unknown
  /** The server's certificate, for https. */
  certificate?: PeerCertificate
}

/** Rejects when there is no answer in time; an answer of any status resolves. The body may have 1 MiB at most. */
export async function request(options: OneRequest): Promise<OneAnswer> {
  const url = new URL(options.url)
  const { type, body } = bodyOf(options)
  const content = body && { 'content-type': type, 'content-length': Buffer.byteLength(body) }
  const authorization = options.bearer !== undefined && { authorization: `Bearer ${options.bearer}` }
  const headers = { host: url.host, connection: 'close', ...authorization, ...content }
  const signal = AbortSignal.timeout(options.timeoutMs)
  const transport = (await options.connect?.(signal)) ?? (await connected(options, url, signal))
  try {
    const { request: open } = isSecure(url) ? await import('node:https') : await import('node:http')
    const createConnection = isSecure(url) ? await secured(options, url, transport) : () => transport
    const { method } = options
    return await answerTo(open({ method, path: url.pathname + url.search, headers, signal, createConnection }), body)
  } finally {
    transport.destroy()
  }
}

/** What a request carries: a form, JSON, or nothing. */
export function bodyOf({ json, form }: Pick<OneRequest, 'json' | 'form'>): { type: string; body: string | undefined } {
  if (form !== undefined) return { type: 'application/x-www-form-urlencoded', body: String(new URLSearchParams(form)) }
  return { type: 'application/json', body: json === undefined ? undefined : JSON.stringify(json) }
}

function isSecure({ protocol }: URL): boolean {
  return protocol === 'https:'
}

/** First of all, and alone: a probe finds nobody many times over, and that should cost it no key and no TLS. */
function connected({ address, localAddress }: OneRequest, url: URL, signal: AbortSignal): Promise<Socket> {
  const port = Number(url.port) || (isSecure(url) ? 443 : 80)
  return new Promise((resolve, reject) => {
    const transport = connect({ host: address ?? url.hostname, port, localAddress, lookup: lookUp, noDelay: true })
    const giveUp = () => transport.destroy(signal.reason as Error)
    signal.addEventListener('abort', giveUp, { once: true })
    transport.once('close', () => signal.removeEventListener('abort', giveUp))
    // Kept: an end that comes later is told by who uses it then.
    transport.on('error', reject)
    transport.once('connect', () => resolve(transport))
  })
}

async function secured({ address, tls }: OneRequest, { hostname }: URL, socket: Duplex): Promise<() => TLSSocket> {
  const { connect: secure } = await import('node:tls')
  const texts = typeof tls === 'function' ? await tls() : tls
  const names = { host: address ?? hostname, servername: isIP(hostname) ? '' : hostname }
  // Said outright: left out, NODE_TLS_REJECT_UNAUTHORIZED would decide whether the server is proven.
  return () => secure({ socket, ...names, ALPNProtocols: ['http/1.1'], rejectUnauthorized: true, ...texts })
}

function answerTo(outgoing: ClientRequest, body: string | undefined): Promise<OneAnswer> {
  return new Promise((resolve, reject) => {
    outgoing.on('error', reject)
    outgoing.once('response', (response) => {
      // Read now: the connection may be gone when the body has come.
      const certificate = (response.socket as Partial<TLSSocket>).getPeerCertificate?.()
      const status = response.statusCode as number
      readBody(response).then((text) => resolve({ status, text, json: parsed(text), certificate }), reject)
    })
    outgoing.end(body)
  })
}

/** Loads what the first request needs (about 40 ms), while there is nothing else to do. */
export async function warmUp(): Promise<void> {
  await Promise.all([import('node:https'), import('node:tls')])
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

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Reads the PEM files that a request authenticates with. */
export async function readTls(files: { ca: string; cert?: string; key?: string }): Promise<TlsTexts> {
  const read = (file: string | undefined) => (file === undefined ? undefined : readFile(file, 'utf8'))
  const [ca, cert, key] = await Promise.all([rootsAt(files.ca), read(files.cert), read(files.key)])
  return { ca, cert, key }
}
