import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { WebSocket } from 'ws'
import { type Endpoint, patience } from '../endpoint.ts'
import { jsonOf } from '../http/answer.ts'
import { type Answer, bodyOf, type HeaderLines, noAnswer, pairs } from '../http/exchange.ts'
import type { Frame, Session, SessionEnd } from '../session.ts'
import { connect, describe, type Failure, timedOut, tried } from '../tls/connect.ts'

export interface Upgrade {
  path: string
  protocol: string
  headers: HeaderLines
  /** Members of the first frame, with which the far end opens the session. Absent: being upgraded is enough. */
  first?: Readonly<Record<string, unknown>>
}

/** What the caller saw of an upgrade; `session` only where it was opened as asked for. */
export interface UpgradeAnswer extends Answer {
  session?: Session
}

/** RFC 6455 section 4.1; the key proves nothing, so any 16 bytes do. */
export const upgrading = (protocol: string): HeaderLines => [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', 'aG9sZGZhc3QgYnkgaGFuZA=='],
  ['Sec-WebSocket-Protocol', protocol],
]

const closeTimeoutMs = 1_000

export function upgrade(endpoint: Endpoint, request: Upgrade): Promise<UpgradeAnswer> {
  return tried({ ...noAnswer }, async (seen: Omit<UpgradeAnswer, 'ms'>) => {
    const signal = AbortSignal.timeout(patience(endpoint))
    const { socket, conn } = await connect(endpoint)
    seen.conn = conn
    const client = openOn(socket, endpoint, request)
    const frames: Frame[] = []
    try {
      const outcome = outcomeOf(client, socket, frames, request.first)
      const { response, isRefused, failure } = await Promise.race([outcome, timedOut(signal)])
      const body = isRefused ? await bodyOf(response!) : ''
      Object.assign(seen, { status: response?.statusCode ?? null, headers: pairs(response?.rawHeaders ?? []), body })
      if (failure !== undefined) seen.failure = failure
      else if (!isRefused) seen.session = sessionOf(client, frames)
    } finally {
      if (seen.session === undefined) client.terminate()
      if (client.readyState !== WebSocket.OPEN) socket.destroy()
    }
  })
}

function openOn(socket: TLSSocket, endpoint: Endpoint, request: Upgrade): WebSocket {
  return new WebSocket(`ws://${endpoint.host}:${endpoint.port}/`, request.protocol ? [request.protocol] : [], {
    createConnection: () => socket,
    perMessageDeflate: false,
    // Set here, so that neither the path nor repeated header lines are made tidy on the way.
    finishRequest: (client) => {
      client.path = request.path
      for (const same of Map.groupBy(request.headers, ([name]) => name.toLowerCase()).values()) {
        const values = same.map(([, value]) => value)
        client.setHeader(same[0]![0], values)
      }
      client.end()
    },
  })
}

interface Outcome {
  readonly response?: IncomingMessage
  readonly isRefused?: boolean
  readonly failure?: Failure
}

/** Whatever comes first. Frames are kept, also those that come later. */
function outcomeOf(client: WebSocket, socket: TLSSocket, frames: Frame[], first: Upgrade['first']): Promise<Outcome> {
  return new Promise((resolve) => {
    let response: IncomingMessage | undefined
    const failed = (failure: Failure) => resolve({ response, failure })
    client.on('upgrade', (answer) => {
      response = answer
    })
    client.on('unexpected-response', (_, refusal) => resolve({ response: refusal, isRefused: true }))
    client.on('open', () => {
      if (first === undefined) resolve({ response })
    })
    client.on('message', (data) => {
      const frame = parsed(data.toString())
      frames.push(frame)
      resolve({ response, failure: openFailure(frame, first) })
    })
    client.on('error', (error) => failed(describe(error)))
    client.on('close', (code, reason) => failed({ code: `closed ${code}`, message: reason.toString() }))
    // An error comes before the close and says more; without one the far end just closed.
    socket.once('error', (error) => failed(describe(error)))
    socket.once('close', () => setImmediate(failed, { code: 'closed', message: 'the far end closed the connection' }))
  })
}

function openFailure(frame: Frame, first: Upgrade['first'] = {}): Failure | undefined {
  if (Object.entries(first).every(([name, value]) => isDeepStrictEqual(frame[name], value))) return undefined
  return { code: 'not opened', message: `the first frame was ${JSON.stringify(frame)}` }
}

function sessionOf(client: WebSocket, frames: readonly Frame[]): Session {
  const ended = new Promise<SessionEnd>((resolve) => {
    client.once('close', (code, reason) => resolve({ code, reason: reason.toString(), at: Date.now() }))
  })
  return {
    frames,
    ended,
    send: (frame) => client.send(frame instanceof Uint8Array ? frame : JSON.stringify(frame)),
    ping: () => client.ping(),
    close: async () => {
      if (client.readyState === WebSocket.OPEN) client.close(1001)
      const late = setTimeout(() => client.terminate(), closeTimeoutMs)
      await ended
      clearTimeout(late)
    },
  }
}

/** A frame as it is told of, whatever it holds. */
export function parsed(text: string): Frame {
  const value = jsonOf(text)
  if (value === undefined) return { text }
  return typeof value === 'object' && value !== null ? (value as Frame) : { value }
}
