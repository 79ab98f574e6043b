import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect, type SecureContext, type TLSSocket } from 'node:tls'
import { WebSocket } from 'ws'
import { addressOrName, type DialContext, dialTarget } from './guards/dial-target.ts'
import { LARGEST_MESSAGE, PATH, SUBPROTOCOL } from './wire.ts'

export interface DialOptions {
  readonly endpoint: string
  readonly token: string
  /** The certificate to present, and the roots of the peer's trust domain and no others. */
  readonly identity: SecureContext
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

/** Runs before the first message is read. The certificate is what the server proved to be with. */
type OnOpen = (socket: WebSocket, certificate: X509Certificate) => void

/** Connects, proves the server, and only then sends the request with the token. */
export async function dial(options: DialOptions, onOpen: OnOpen): Promise<void> {
  const endpoint = new URL(options.endpoint)
  await judge({ endpoint }, '')
  const server = await connectProven(endpoint, options)
  await upgrade(endpoint, server, options, onOpen)
}

interface ProvenServer {
  readonly socket: TLSSocket
  readonly certificate: X509Certificate
}

async function judge(context: DialContext, conn: string): Promise<void> {
  const refusal = await dialTarget.check(context)
  if (refusal !== undefined) throw new DialFailed('target', refusal.reason, { conn })
}

async function connectProven(endpoint: URL, { identity, localAddress }: DialOptions): Promise<ProvenServer> {
  // Most attempts in a site that starts find nobody there: TLS costs nothing until somebody is.
  const reached = connectTcp({ host: addressOrName(endpoint), port: Number(endpoint.port || 443), localAddress })
  const deadline = setTimeout(() => reached.destroy(new Error('no handshake within 5 s')), WITHIN_MS)
  try {
    await once(reached, 'connect')
    return await proveServer(reached, endpoint, identity)
  } catch (failure) {
    throw failure instanceof DialFailed ? failure : unreachable(failure as Error)
  } finally {
    clearTimeout(deadline)
  }
}

function proveServer(reached: Socket, endpoint: URL, identity: SecureContext): Promise<ProvenServer> {
  const conn = `${reached.localAddress}:${reached.localPort}`
  let certificate: X509Certificate | undefined
  const host = addressOrName(endpoint)
  return new Promise((resolve, reject) => {
    const socket = connect({
      socket: reached,
      secureContext: identity,
      // RFC 6066 section 3: an address is no server name.
      servername: isIP(host) > 0 ? '' : host,
      ALPNProtocols: ['http/1.1'],
      // Said outright, for Node's default can be turned off by an environment variable (NODE_TLS_REJECT_UNAUTHORIZED).
      rejectUnauthorized: true,
      // Called once the chain is good. The name is judged below, before anything is written to the socket.
      checkServerIdentity(_, { raw }) {
        certificate = new X509Certificate(raw)
        return undefined
      },
    })
    socket.once('error', (failure) => {
      const chainProblem = socket.authorizationError
      const failed = unreachable(failure, conn)
      if (!chainProblem) return reject(failed)
      judge({ endpoint, chainProblem: String(chainProblem) }, conn).then(() => reject(failed), reject)
    })
    socket.once('secureConnect', () => {
      if (certificate === undefined) return socket.destroy(new Error('the server proved no certificate'))
      const proven = { socket, certificate }
      judge({ endpoint, certificate }, conn).then(
        () => resolve(proven),
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
  { socket, certificate }: ProvenServer,
  options: DialOptions,
  onOpen: OnOpen,
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
      onOpen(upgraded, certificate)
      resolve()
    })
    upgraded.on('error', (failure) => reject(unreachable(failure)))
  })
}

function unreachable(failure: NodeJS.ErrnoException, conn = ''): DialFailed {
  return new DialFailed('unreachable', failure.code ?? failure.message.slice(0, 80), { conn, cause: failure })
}
