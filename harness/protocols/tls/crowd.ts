import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import type { Identity } from '../../pki/certificate.ts'

export interface CrowdOptions {
  address: string
  port: number
  /** The name that is sent as SNI. */
  host: string
  anchorPem: string
  /** Presented by those that finish their handshake. */
  identity: Identity
  /** Addresses that they come from, in turn. */
  from: readonly string[]
  /** How many of them ask for nothing. */
  count: number
  /** Beside them: members that ask for a WebSocket. */
  upgrading: readonly Upgrading[]
}

/** Somebody who may have a session, and does nothing with it. */
export interface Upgrading {
  path: string
  protocol: string
  identity: Identity
  token: string
}

/** Sockets that take up places and say little or nothing. */
export interface Crowd extends AsyncDisposable {
  /** How many of them the far end has not closed yet. */
  readonly open: number
  /** Of each that was upgraded and closed since: how long it was left in peace, in ms. */
  readonly upgradedForMs: readonly number[]
}

const dripEveryMs = 500
/** Of a ClientHello: that it is one, and that more will follow (RFC 8446 sections 4 and 5.1). */
const helloBegins = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])

/** Of a text frame: masked, of 256 bytes, and the first of them (RFC 6455 section 5.2). */
const halfAFrame = Buffer.concat([Buffer.from([0x81, 0xfe, 0x01, 0x00]), Buffer.alloc(24)])

/**
 * Opens many connections at once: a quarter each are silent, break off in their first record, drip that record byte by byte, and
 * finish the handshake to drip the head of a request. Of those that are upgraded, one half says nothing more, and the other begins
 * a frame. Resolves when each has come so far, or no farther.
 */
export async function openCrowd(options: CrowdOptions): Promise<Crowd> {
  const open = new Set<Socket>()
  const upgradedForMs: number[] = []
  const arrived = (socket: Socket): Promise<unknown> => {
    open.add(socket)
    socket.on('error', () => {})
    // Whoever does not read hears of no end.
    socket.resume()
    socket.once('close', () => open.delete(socket))
    const connected = socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect'
    // One that fails has come as far as it will.
    return Promise.race([once(socket, connected), once(socket, 'close')]).catch(() => {})
  }
  const addressOf = (at: number): string | undefined => options.from[at % options.from.length]
  // They go first: later there is no room for them.
  const asking = options.upgrading.map((who, at) => {
    const socket = secure(options, who.identity, addressOf(at))
    void arrived(socket)
    return ask(socket, options.host, who, at % 2 === 1, (ms) => upgradedForMs.push(ms))
  })
  await Promise.all(asking)
  const members = Array.from({ length: options.count }, (_, at) => {
    return at % 4 === 3 ? dripping(options, addressOf(at)) : plain(options, addressOf(at), at % 4)
  })
  await Promise.all(members.map(arrived))
  return {
    get open() {
      return open.size
    },
    upgradedForMs,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy()
    },
  }
}

function plain({ address: host, port }: CrowdOptions, localAddress: string | undefined, kind: number): Socket {
  const socket = net.connect({ host, port, localAddress })
  socket.once('connect', () => {
    if (kind === 1) socket.write(helloBegins)
    if (kind === 2) drip(socket, helloBegins)
  })
  return socket
}

function secure(options: CrowdOptions, { certPem: cert, keyPem: key }: Identity, localAddress?: string): Socket {
  const { address: host, port, host: servername, anchorPem: ca } = options
  const local = localAddress === undefined ? {} : { localAddress }
  return tls.connect({ host, port, ...local, servername, ca, cert, key, rejectUnauthorized: true })
}

function dripping(options: CrowdOptions, localAddress: string | undefined): Socket {
  const socket = secure(options, options.identity, localAddress)
  socket.once('secureConnect', () => drip(socket, Buffer.from(`GET / HTTP/1.1\r\nHost: ${options.host}\r\n`)))
  return socket
}

/** Resolves with the answer; tells how long the socket then was left open, if it was upgraded. */
function ask(
  socket: Socket,
  host: string,
  { path, protocol, token }: Upgrading,
  hasBegun: boolean,
  tell: (ms: number) => void,
): Promise<void> {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    `Sec-WebSocket-Protocol: ${protocol}`,
    `Authorization: Bearer ${token}`,
  ]
  socket.once('secureConnect', () => socket.write(`${lines.join('\r\n')}\r\n\r\n`))
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
    socket.once('data', (answer) => {
      resolve()
      if (!String(answer).startsWith('HTTP/1.1 101 ')) return
      const upgradedAt = performance.now()
      socket.once('close', () => tell(performance.now() - upgradedAt))
      if (hasBegun) socket.write(halfAFrame)
    })
  })
}

function drip(socket: Socket, bytes: Buffer): void {
  let at = 0
  const timer = setInterval(() => {
    socket.write(bytes.subarray(at, at + 1))
    at += 1
    if (at >= bytes.length) clearInterval(timer)
  }, dripEveryMs)
  socket.once('close', () => clearInterval(timer))
}
