import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { createSecureContext } from 'node:tls'

/** Who calls the auth server, and what the auth server must prove: PEM texts. */
export interface IssuerClientIdentity {
  readonly ca: readonly string[]
  readonly cert: string
  readonly key: string
}

export interface IssuerAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** Calls to one auth server over mutual TLS: 2 s, 64 KiB, no redirects. Everything but an answer rejects. */
export interface IssuerClient {
  get(url: string): Promise<IssuerAnswer>
  postForm(url: string, form: Readonly<Record<string, string>>): Promise<IssuerAnswer>
  /** Drops idle connections; the next call reads the identity anew. */
  renew(): void
  close(): void
}

const TIMEOUT_MS = 2_000
const LARGEST_BODY = 64 * 1024

/** @param localAddress address that calls come from; default: the system's choice. */
export function createIssuerClient(identity: () => IssuerClientIdentity, localAddress?: string): IssuerClient {
  const newAgent = () =>
    new Agent({ ...tlsOptionsOf(identity()), keepAlive: true, maxSockets: 16, scheduling: 'lifo', localAddress })
  let agent = newAgent()
  const send = (method: 'GET' | 'POST', url: string, body?: string): Promise<IssuerAnswer> =>
    new Promise((resolve, reject) => {
      // A plaintext URL would carry tokens in the open; the agent alone would not stop it.
      if (!url.startsWith('https://')) throw new Error(`${url} is not https`)
      const call = request(url, { agent, method, headers: headersFor(body) }, (response) => {
        const { statusCode: status = 0, headers } = response
        readText(response, (text) => resolve({ status, headers, body: text }), reject)
      })
      // Taken back when all is over: a signal with a timeout would wake the process for every call that was answered long ago.
      const timer = setTimeout(() => {
        const late = new Error(`${url} gave no answer within ${TIMEOUT_MS} ms`)
        reject(late)
        call.destroy(late)
      }, TIMEOUT_MS).unref()
      call.on('close', () => clearTimeout(timer))
      call.on('error', reject)
      call.end(body)
    })
  return {
    get: (url) => send('GET', url),
    postForm: (url, form) => send('POST', url, encoded(form)),
    renew() {
      const before = agent
      agent = newAgent()
      // What is under way is answered still; its connection closes then.
      before.maxFreeSockets = 0
      for (const socket of Object.values(before.freeSockets).flat()) socket?.destroy()
    },
    close: () => agent.destroy(),
  }
}

function tlsOptionsOf({ ca, cert, key }: IssuerClientIdentity) {
  return {
    // Read once: an agent that is given the texts makes a name of all of them for every call, and reads them for every connection.
    secureContext: createSecureContext({ ca: [...ca], cert, key, minVersion: 'TLSv1.2' }),
    // Said outright, for Node's default can be turned off by an environment variable (NODE_TLS_REJECT_UNAUTHORIZED).
    rejectUnauthorized: true,
  }
}

/** Form data, percent-encoded by the engine: `URLSearchParams` walks through a token letter by letter. */
function encoded(form: Readonly<Record<string, string>>): string {
  return Object.entries(form)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&')
}

function headersFor(body: string | undefined): Record<string, string | number> {
  if (body === undefined) return { accept: 'application/json' }
  return {
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': Buffer.byteLength(body),
  }
}

/** Calls back once, with the whole body or with why there is none. */
function readText(response: IncomingMessage, done: (text: string) => void, failed: (failure: Error) => void): void {
  const chunks: Buffer[] = []
  let size = 0
  response.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > LARGEST_BODY) response.destroy(new Error(`the answer is larger than ${LARGEST_BODY} bytes`))
    else chunks.push(chunk)
  })
  response.on('end', () => done(Buffer.concat(chunks).toString('utf8')))
  response.on('error', failed)
  response.on('close', () => response.complete || failed(new Error('the connection ended before the answer did')))
}

/** The JSON object of a 200 answer; throws for any other status, content type or shape. */
export function jsonObjectOf(answer: IssuerAnswer): Record<string, unknown> {
  if (answer.status !== 200) throw new Error(`status ${answer.status} instead of 200`)
  const type = answer.headers['content-type'] ?? ''
  if (!/^application\/([a-z0-9.+-]+\+)?json\b/i.test(type)) throw new Error(`content type "${type}" instead of JSON`)
  const value = parsed(answer.body)
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error('not a JSON object')
  return value as Record<string, unknown>
}

/** The parser's own message quotes the text, which may hold a token. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('not JSON')
  }
}
