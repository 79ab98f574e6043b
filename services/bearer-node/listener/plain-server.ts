import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Decision } from '../../shared/decision-log.ts'
import { firstRefusal } from '../../shared/guard.ts'
import { httpForm, mayBeUnbounded, type Unbounded, type Unreadable } from '../../shared/unreadable.ts'
import type { Connection } from './callers.ts'

export interface PlainServerOptions {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly requestTimeoutMs: number
  /** What reaches no handler: action and target of its records. */
  readonly action: string
  readonly target: string
  readonly decisions: { record(decision: Decision): void }
  onRequest(request: IncomingMessage, response: ServerResponse, connection: Connection): void
}

/** The longest that a head may take, as of a listener with TLS. */
const HEAD_WITHIN_MS = 5_000

/** A server of plain HTTP that refuses, and puts on record, what a TLS listener of ours does. */
export function createPlainServer(options: PlainServerOptions): Server {
  const server = createServer({
    headersTimeout: HEAD_WITHIN_MS,
    requestTimeout: options.requestTimeoutMs,
    connectionsCheckingInterval: 1_000,
    requireHostHeader: false,
    maxHeaderSize: 16 * 1024,
    noDelay: true,
  })
  const refused = new WeakSet<Duplex>()
  /** What reaches no handler. The connection ends even where no guard objects. */
  const refuse = async (context: Unreadable | Unbounded, socket: Duplex): Promise<boolean> => {
    if (refused.has(socket)) return true
    const { address, conn } = connectionOf(socket as Socket, options.name)
    // A caller that has gone is refused nothing.
    if (address === '' || !socket.writable) return false
    const found = await firstRefusal([httpForm], context)
    if (found === undefined) return false
    refused.add(socket)
    const { reason, status } = found.refusal
    options.decisions.record({
      ...{ conn, listener: options.name, requestId: crypto.randomUUID(), action: options.action, verdict: 'refused' },
      ...{
        layer: 'http',
        status,
        error: null,
        guard: found.guard,
        reason,
        target: options.target,
        principal: {},
        ms: 0,
      },
    })
    const text = status === 431 ? '431 Request Header Fields Too Large' : '400 Bad Request'
    socket.write(`HTTP/1.1 ${text}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    ;(socket as Socket).destroySoon()
    return true
  }
  const end = (context: Unreadable | Unbounded, socket: Duplex): void => {
    refuse(context, socket).then(
      (isRefused) => isRefused || socket.destroy(),
      () => socket.destroy(),
    )
  }
  server.on('request', (request, response) => {
    const connection = connectionOf(request.socket, options.name)
    const context = { request, isUpgrade: false }
    if (!mayBeUnbounded(context)) {
      options.onRequest(request, response, connection)
      return
    }
    refuse(context, request.socket).then(
      (isRefused) => isRefused || options.onRequest(request, response, connection),
      () => request.socket.destroy(),
    )
  })
  server.on('clientError', (failure: NodeJS.ErrnoException, socket) => end({ failure }, socket))
  // Nobody here is a proxy. Node would end the connection without a word.
  server.on('connect', (_, socket) => end({ failure: new Error('CONNECT') }, socket))
  // An expectation that nobody knows may be ignored (RFC 9110 section 10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
  return server
}

function connectionOf(socket: Socket, listener: string): Connection {
  const { remoteAddress: address = '', remotePort } = socket
  return { conn: `${address}:${remotePort}`, listener, address, certificate: undefined, hasOwnRoots: false }
}
