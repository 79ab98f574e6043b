import { once } from 'node:events'
import http from 'node:http'
import { type Endpoint, patience } from '../endpoint.ts'
import { type Failure, reach, tried } from '../tls/connect.ts'

/** Header lines exactly as they are sent, in order; a name may stand twice. */
export type HeaderLines = readonly (readonly [name: string, value: string])[]

export interface Request {
  method: string
  path: string
  headers: HeaderLines
  body?: string
}

/** What the caller saw. `status` is null where the connection ended before any HTTP answer. */
export interface Answer {
  /** `<local address>:<local port>` of our end: the far end's `conn`. */
  conn: string
  status: number | null
  headers: HeaderLines
  body: string
  /** Why there is no (whole) answer. */
  failure?: Failure
  ms: number
}

export const noAnswer: Omit<Answer, 'ms'> = { conn: '', status: null, headers: [], body: '' }

const bodyLimit = 1_048_576

/** One HTTP/1.1 request on a connection of its own, with header lines as given: nothing is added but `Host` and the body's length. */
export function exchange(endpoint: Endpoint, request: Request): Promise<Answer> {
  const timeoutMs = patience(endpoint)
  return tried({ ...noAnswer }, async (answer) => {
    const { socket, conn } = await reach(endpoint)
    answer.conn = conn
    try {
      const how = { createConnection: () => socket, signal: AbortSignal.timeout(timeoutMs) }
      const response = await asked(request, rawLines(endpoint, request), how)
      Object.assign(answer, { status: response.statusCode ?? null, headers: pairs(response.rawHeaders) })
      answer.body = await bodyOf(response)
    } finally {
      socket.destroy()
    }
  })
}

/** Resolves with the head of the answer. */
export async function asked(
  { method, path, body }: Omit<Request, 'headers'>,
  headers: readonly string[],
  how: http.RequestOptions,
): Promise<http.IncomingMessage> {
  const client = http.request({ ...how, method, path, headers })
  // Kept: the far end may cut the connection after its answer, too.
  client.on('error', () => {})
  client.end(body)
  const [response] = (await once(client, 'response')) as [http.IncomingMessage]
  return response
}

/** The values of a header, by name without regard to case. */
export function headerValues(headers: HeaderLines, name: string): string[] {
  return headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
}

/** Name, value, name, value … as Node keeps raw headers. */
export function pairs(raw: readonly string[]): [string, string][] {
  return raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? ''] as [string, string]] : []))
}

/** The body, as far as a megabyte: an answer is read by people and by checks, never trusted to be short. */
export async function bodyOf(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length > bodyLimit) break
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Name, value, name, value … of a request: the lines that are given, and before them what is missing. */
export function rawLines({ host, port }: Pick<Endpoint, 'host' | 'port'>, { headers, body }: Request): string[] {
  const given = new Set(headers.map(([name]) => name.toLowerCase()))
  const length: HeaderLines = body === undefined ? [] : [['Content-Length', String(Buffer.byteLength(body))]]
  const own: HeaderLines = [['Host', `${host}:${port}`], ...length, ['Connection', 'close']]
  return [...own.filter(([name]) => !given.has(name.toLowerCase())), ...headers].flat()
}

/** A request as it stands on the wire. */
export function requestText(endpoint: Pick<Endpoint, 'host' | 'port'>, request: Request): string {
  const lines = pairs(rawLines(endpoint, request)).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${request.method} ${request.path} HTTP/1.1\r\n${lines.join('')}\r\n${request.body ?? ''}`
}
