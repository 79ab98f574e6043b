import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import type { Identity } from '../pki/certificate.ts'

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
  count: number
}

/** Sockets that take up places and say little or nothing. */
export interface Crowd extends AsyncDisposable {
  /** How many of them the far end has not closed yet. */
  readonly open: number
}

const dripEveryMs = 500
/** Of a ClientHello: that it is one, and that more will follow (RFC 8446 sections 4 and 5.1). */
const helloBegins = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])

/**
 * Opens many connections at once: a quarter each are silent, break off in their first record, drip that record byte by byte, and
 * finish the handshake to drip the head of a request. Resolves when each has come so far, or no farther.
 */
export async function openCrowd(options: CrowdOptions): Promise<Crowd> {
  const open = new Set<Socket>()
  const members = Array.from({ length: options.count }, (_, at) => {
    const from = options.from[at % options.from.length]
    return at % 4 === 3 ? secure(options, from) : plain(options, from, at % 4)
  })
  await Promise.all(
    members.map((socket) => {
      open.add(socket)
      socket.on('error', () => {})
      // Whoever does not read hears of no end.
      socket.resume()
      socket.once('close', () => open.delete(socket))
      const connected = socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect'
      // One that fails has come as far as it will.
      return Promise.race([once(socket, connected), once(socket, 'close')]).catch(() => {})
    }),
  )
  return {
    get open() {
      return open.size
    },
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

function secure(options: CrowdOptions, localAddress: string | undefined): Socket {
  const { address: host, port, host: servername, anchorPem: ca, identity } = options
  const { certPem: cert, keyPem: key } = identity
  const local = localAddress === undefined ? {} : { localAddress }
  const socket = tls.connect({ host, port, ...local, servername, ca, cert, key, rejectUnauthorized: true })
  socket.once('secureConnect', () => drip(socket, Buffer.from(`GET / HTTP/1.1\r\nHost: ${servername}\r\n`)))
  return socket
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
