import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import tls, { type TLSSocket } from 'node:tls'
import type { Identity } from '../../pki/certificate.ts'
import type { Seat } from '../seat.ts'

export interface CrowdOptions {
  address: string
  port: number
  /** The name that is sent as SNI. */
  host: string
  anchorPem: string
  /** Presented by those that finish their handshake. */
  identity: Identity
  /** Where they come from, in turn. */
  seats: readonly Seat[]
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
  const open = new Set<Duplex>()
  const upgradedForMs: number[] = []
  const arrived = (socket: Duplex): void => {
    open.add(socket)
    socket.on('error', () => {})
    // Whoever does not read hears of no end.
    socket.resume()
    socket.once('close', () => open.delete(socket))
  }
  const seatOf = (at: number): Seat => options.seats[at % options.seats.length] as Seat
  // They go first: later there is no room for them.
  const asking = options.upgrading.map(async (who, at) => {
    const stream = await streamFrom(seatOf(at), options)
    if (stream === undefined) return
    const socket = overTls(options, who.identity, stream)
    arrived(socket)
    await ask(socket, options.host, who, at % 2 === 1, (ms) => upgradedForMs.push(ms))
  })
  await Promise.all(asking)
  const members = Array.from({ length: options.count }, async (_, at) => {
    const stream = await streamFrom(seatOf(at), options)
    if (stream === undefined) return
    if (at % 4 !== 3) return arrived(sayingLittle(stream, at % 4))
    const socket = overTls(options, options.identity, stream)
    arrived(socket)
    await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]).catch(() => {})
    if (!socket.destroyed) drip(socket, Buffer.from(`GET / HTTP/1.1\r\nHost: ${options.host}\r\n`))
  })
  await Promise.all(members)
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

function sayingLittle(stream: Duplex, kind: number): Duplex {
  if (kind === 1) stream.write(helloBegins)
  if (kind === 2) drip(stream, helloBegins)
  return stream
}

/** One that fails has come as far as it will. */
async function streamFrom(seat: Seat, to: CrowdOptions): Promise<Duplex | undefined> {
  const connected = await seat.connect(to).catch(() => undefined)
  return connected?.stream
}

function overTls(options: CrowdOptions, { certPem: cert, keyPem: key }: Identity, socket: Duplex): TLSSocket {
  const { host: servername, anchorPem: ca } = options
  return tls.connect({ socket, servername, ca, cert, key, rejectUnauthorized: true })
}

/** Resolves with the answer; tells how long the socket then was left open, if it was upgraded. */
function ask(
  socket: TLSSocket,
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

function drip(socket: Duplex, bytes: Buffer): void {
  let at = 0
  const timer = setInterval(() => {
    socket.write(bytes.subarray(at, at + 1))
    at += 1
    if (at >= bytes.length) clearInterval(timer)
  }, dripEveryMs)
  socket.once('close', () => clearInterval(timer))
}
