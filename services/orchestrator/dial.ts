import { X509Certificate } from 'node:crypto'
import { isIP, type TcpNetConnectOpts } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { WebSocket } from 'ws'
import { addressOrName, type DialContext, dialTarget } from './guards/dial-target.ts'
import { LARGEST_MESSAGE, PATH, SUBPROTOCOL } from './wire.ts'

export interface DialOptions {
  readonly endpoint: string
  readonly token: string
  /** PEM roots of the peer's trust domain, and no others. */
  readonly anchors: readonly string[]
  readonly cert: string
  readonly key: string
  /** Address that the call comes from. */
  readonly localAddress?: string
}

/** Why a peer was not reached. */
export class DialFailed extends Error {
  /** `target`: our own guard refused where the token would have gone. `refused`: the peer answered `status`. */
  readonly kind: 'target' | 'refused' | 'unreachable'
  readonly code: string
  readonly status: number | undefined
  readonly conn: string

  constructor(kind: DialFailed['kind'], code: string, more: { status?: number; conn?: string; cause?: unknown } = {}) {
    super(`${kind}: ${code}`, { cause: more.cause })
    this.name = 'DialFailed'
    this.kind = kind
    this.code = code
    this.status = more.status
    this.conn = more.conn ?? ''
  }
}

const WITHIN_MS = 5_000

/**
 * Connects, proves the server, and only then sends the request with the token. Resolves with an open WebSocket.
 * `onOpen` runs before the first message is read.
 */
export async function dial(options: DialOptions, onOpen: (socket: WebSocket) => void): Promise<void> {
  const endpoint = new URL(options.endpoint)
  await judge({ endpoint }, '')
  const socket = await connectProven(endpoint, options)
  await upgrade(endpoint, socket, options, onOpen)
}

async function judge(context: DialContext, conn: string): Promise<void> {
  const refusal = await dialTarget.check(context)
  if (refusal !== undefined) throw new DialFailed('target', refusal.reason, { conn })
}

function connectProven(endpoint: URL, options: DialOptions): Promise<TLSSocket> {
  let leaf: X509Certificate | undefined
  const host = addressOrName(endpoint)
  return new Promise((resolve, reject) => {
    const target: ConnectionOptions & Pick<TcpNetConnectOpts, 'localAddress'> = {
      host,
      port: Number(endpoint.port || 443),
      // RFC 6066 section 3: an address is no server name.
      servername: isIP(host) > 0 ? '' : host,
      ca: [...options.anchors],
      cert: options.cert,
      key: options.key,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      localAddress: options.localAddress,
      // Said outright, for Node's default can be turned off by an environment variable (NODE_TLS_REJECT_UNAUTHORIZED).
      rejectUnauthorized: true,
      // Called once the chain is good. The name is judged below, before anything is written to the socket.
      checkServerIdentity(_, certificate) {
        leaf = new X509Certificate(certificate.raw)
        return undefined
      },
    }
    const socket = connect(target)
    const deadline = setTimeout(() => socket.destroy(new Error('no handshake within 5 s')), WITHIN_MS)
    const connOf = (): string => (socket.localPort === undefined ? '' : `${socket.localAddress}:${socket.localPort}`)
    socket.once('close', () => clearTimeout(deadline))
    socket.once('error', (failure) => {
      const conn = connOf()
      const chainProblem = socket.authorizationError
      const unreachable = new DialFailed('unreachable', codeOf(failure), { conn, cause: failure })
      if (!chainProblem) return reject(unreachable)
      judge({ endpoint, chainProblem: String(chainProblem) }, conn).then(() => reject(unreachable), reject)
    })
    socket.once('secureConnect', () => {
      clearTimeout(deadline)
      if (leaf === undefined) return socket.destroy(new Error('the server proved no certificate'))
      judge({ endpoint, certificate: leaf }, connOf()).then(
        () => resolve(socket),
        (refused: unknown) => {
          socket.destroy()
          reject(refused)
        },
      )
    })
  })
}

function upgrade(
  endpoint: URL,
  socket: TLSSocket,
  options: DialOptions,
  onOpen: (socket: WebSocket) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const upgraded = new WebSocket(`wss://${endpoint.host}${PATH}`, SUBPROTOCOL, {
      createConnection: () => socket,
      headers: { authorization: `Bearer ${options.token}` },
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: LARGEST_MESSAGE,
      handshakeTimeout: WITHIN_MS,
      followRedirects: false,
    })
    upgraded.once('unexpected-response', (request, response) => {
      response.resume()
      request.destroy()
      const status = response.statusCode ?? 0
      reject(new DialFailed('refused', `http_${status}`, { status }))
    })
    upgraded.once('open', () => {
      onOpen(upgraded)
      resolve()
    })
    upgraded.on('error', (failure) => reject(new DialFailed('unreachable', codeOf(failure), { cause: failure })))
  })
}

function codeOf(failure: Error): string {
  const { code } = failure as NodeJS.ErrnoException
  return code ?? failure.message.slice(0, 80)
}
