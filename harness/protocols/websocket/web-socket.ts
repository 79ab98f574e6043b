import { once } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { WebSocket } from 'ws'
import { HoldfastError } from '../../errors.ts'
import {
  type Answer,
  bodyOf,
  connect,
  defaultTimeoutMs,
  describe,
  type Endpoint,
  HandshakeFailed,
  type HeaderLines,
  pairs,
} from '../http/exchange.ts'

export interface Upgrade {
  path: string
  protocol: string
  headers: HeaderLines
}

/** How a session ended: the close frame's code and text, 1006 where the transport was lost. */
export interface SessionEnd {
  readonly code: number
  readonly reason: string
  /** Epoch ms at which our side saw it. */
  readonly at: number
}

/** An admitted WebSocket session under the test's control. Close it, or let its site do so. */
export interface Session {
  /** JSON frames that came, oldest first. */
  readonly frames: readonly Frame[]
  /** Resolves when the session has ended, whoever ended it. */
  readonly ended: Promise<SessionEnd>
  send(frame: unknown): void
  ping(): void
  close(): Promise<void>
}

/** What the caller saw of an upgrade; `session` only where the first frame came, and it was `open`. */
export interface UpgradeAnswer extends Answer {
  session?: Session
}

/** A JSON frame; one that is no JSON object stands under `value` or `text`. */
export type Frame = Readonly<Record<string, unknown>>

interface Failure {
  code: string
  message: string
}

const closeTimeoutMs = 1_000

/** Asks for a WebSocket on a connection of its own. Being upgraded is not enough: the far end has to send `open`. */
export async function upgrade(endpoint: Endpoint, request: Upgrade): Promise<UpgradeAnswer> {
  const began = performance.now()
  const outcome = await attempt(endpoint, request).catch((failure: unknown) => {
    if (failure instanceof HoldfastError) throw failure
    const conn = failure instanceof HandshakeFailed ? failure.conn : ''
    return { ...nothing, conn, failure: describe(failure) }
  })
  return { ...outcome, ms: performance.now() - began }
}

const nothing = { conn: '', status: null, headers: [] as HeaderLines, body: '' }

async function attempt(endpoint: Endpoint, request: Upgrade): Promise<Omit<UpgradeAnswer, 'ms'>> {
  const signal = AbortSignal.timeout(endpoint.timeoutMs ?? defaultTimeoutMs)
  const { socket, conn } = await connect(endpoint)
  const client = openOn(socket, endpoint, request)
  const seen = watch(client)
  try {
    const first = await Promise.race([seen.refused, seen.firstFrame, seen.failed, lost(socket), timedOut(signal)])
    if ('refusal' in first) {
      const { statusCode, rawHeaders } = first.refusal
      return { conn, status: statusCode ?? null, headers: pairs(rawHeaders), body: await bodyOf(first.refusal) }
    }
    const failure = 'failure' in first ? first.failure : openFailure(first.frame)
    const response = seen.response()
    const answer = { conn, status: response?.statusCode ?? null, headers: pairs(response?.rawHeaders ?? []), body: '' }
    if (failure !== undefined) {
      client.terminate()
      return { ...answer, failure }
    }
    return { ...answer, session: sessionOf(client, seen.frames) }
  } catch (failure) {
    client.terminate()
    return { ...nothing, conn, failure: describe(failure) }
  } finally {
    if (client.readyState !== WebSocket.OPEN) socket.destroy()
  }
}

function openOn(socket: TLSSocket, endpoint: Endpoint, request: Upgrade): WebSocket {
  return new WebSocket(`ws://${endpoint.host}:${endpoint.port}/`, request.protocol ? [request.protocol] : [], {
    createConnection: () => socket,
    perMessageDeflate: false,
    // Set here, so that neither the path nor repeated header lines are made tidy on the way.
    finishRequest: (client) => {
      client.path = request.path
      for (const [name, values] of grouped(request.headers)) client.setHeader(name, values)
      client.end()
    },
  })
}

function watch(client: WebSocket) {
  const frames: Frame[] = []
  let upgraded: IncomingMessage | undefined
  client.on('upgrade', (response) => {
    upgraded = response
  })
  const refused = new Promise<{ refusal: IncomingMessage }>((resolve) => {
    client.on('unexpected-response', (_request: ClientRequest, refusal: IncomingMessage) => resolve({ refusal }))
  })
  const failed = new Promise<{ failure: Failure }>((resolve) => {
    client.on('error', (error) => resolve({ failure: describe(error) }))
    client.on('close', (code, reason) => resolve({ failure: { code: `closed ${code}`, message: reason.toString() } }))
  })
  const firstFrame = new Promise<{ frame: Frame }>((resolve) => {
    client.on('message', (data) => {
      const frame = parsed(data.toString())
      frames.push(frame)
      if (frames.length === 1) resolve({ frame })
    })
  })
  return { frames, refused, failed, firstFrame, response: () => upgraded }
}

function openFailure(frame: Frame): Failure | undefined {
  if (frame.type === 'open') return undefined
  return { code: 'not opened', message: `the first frame was ${JSON.stringify(frame)}` }
}

function sessionOf(client: WebSocket, frames: readonly Frame[]): Session {
  const ended = new Promise<SessionEnd>((resolve) => {
    client.once('close', (code, reason) => resolve({ code, reason: reason.toString(), at: Date.now() }))
  })
  return {
    frames,
    ended,
    send: (frame) => client.send(JSON.stringify(frame)),
    ping: () => client.ping(),
    close: async () => {
      if (client.readyState === WebSocket.OPEN) client.close(1001)
      const late = setTimeout(() => client.terminate(), closeTimeoutMs)
      await ended
      clearTimeout(late)
    },
  }
}

async function lost(socket: TLSSocket): Promise<{ failure: Failure }> {
  // An error comes before the close and says more; without one the far end just closed.
  const error = await new Promise<Error | undefined>((resolve) => {
    socket.once('error', resolve)
    socket.once('close', () => setImmediate(resolve, undefined))
  })
  return { failure: error ? describe(error) : { code: 'closed', message: 'the far end closed the connection' } }
}

async function timedOut(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort')
  throw signal.reason
}

function grouped(headers: HeaderLines): Map<string, string[]> {
  const names = new Map<string, [string, string[]]>()
  for (const [name, value] of headers) {
    const group = names.get(name.toLowerCase())
    if (group) group[1].push(value)
    else names.set(name.toLowerCase(), [name, [value]])
  }
  return new Map(names.values())
}

/** A frame as it is told of, whatever it holds. */
export function parsed(text: string): Frame {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Frame) : { value }
  } catch {
    return { text }
  }
}
