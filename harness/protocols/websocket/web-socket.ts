import { once } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { WebSocket } from 'ws'
import { HoldfastError } from '../../errors.ts'
import type { Endpoint } from '../endpoint.ts'
import { type Answer, bodyOf, type HeaderLines, pairs } from '../http/exchange.ts'
import type { Frame, Session, SessionEnd } from '../session.ts'
import { connect, defaultTimeoutMs, describe, HandshakeFailed } from '../tls/connect.ts'

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

interface Failure {
  code: string
  message: string
}

const closeTimeoutMs = 1_000

/** Asks for a WebSocket on a connection of its own. */
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
    const opened = request.first === undefined ? seen.upgraded : seen.firstFrame
    const first = await Promise.race([seen.refused, opened, seen.failed, lost(socket), timedOut(signal)])
    if ('refusal' in first) {
      const { statusCode, rawHeaders } = first.refusal
      return { conn, status: statusCode ?? null, headers: pairs(rawHeaders), body: await bodyOf(first.refusal) }
    }
    const failure = 'failure' in first ? first.failure : openFailure(first.frame, request.first)
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
  let response: IncomingMessage | undefined
  client.on('upgrade', (answer) => {
    response = answer
  })
  const upgraded = new Promise<{ frame: Frame }>((resolve) => {
    client.on('open', () => resolve({ frame: {} }))
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
  return { frames, refused, failed, upgraded, firstFrame, response: () => response }
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
