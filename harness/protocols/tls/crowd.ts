import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import type { Identity } from '../../pki/certificate.ts'
import type { Endpoint } from '../endpoint.ts'
import { requestText } from '../http/exchange.ts'
import { OpenStreams, type Seat } from '../seat.ts'
import { upgrading } from '../websocket/web-socket.ts'
import { beginHandshake } from './handshake.ts'

export interface CrowdOptions extends Omit<Endpoint, 'seat'> {
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
  const { seats, count, upgrading: asking } = options
  const open = new OpenStreams()
  const upgradedForMs: number[] = []
  const arrived = (socket: Duplex): void => {
    open.add(socket)
    // Whoever does not read hears of no end.
    socket.resume()
  }
  /** One that fails has come as far as it will. */
  const streamFrom = async (at: number) => {
    const connected = await seats[at % seats.length]!.connect(options).catch(() => undefined)
    return connected?.stream
  }
  const askFor = async (who: Upgrading, at: number) => {
    const stream = await streamFrom(at)
    if (stream === undefined) return
    const socket = beginHandshake({ ...options, identity: who.identity }, stream)
    arrived(socket)
    await ask(socket, options, who, at % 2 === 1, (ms) => upgradedForMs.push(ms))
  }
  const idle = async (_: unknown, at: number) => {
    const stream = await streamFrom(at)
    if (stream === undefined) return
    const kind = at % 4
    if (kind === 1) stream.write(helloBegins)
    if (kind === 2) drip(stream, helloBegins)
    if (kind !== 3) return arrived(stream)
    const socket = beginHandshake(options, stream)
    arrived(socket)
    await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]).catch(() => {})
    drip(socket, Buffer.from(`GET / HTTP/1.1\r\nHost: ${options.host}\r\n`))
  }
  // They go first: later there is no room for them.
  await Promise.all(asking.map(askFor))
  await Promise.all(Array.from({ length: count }, idle))
  return {
    get open() {
      return open.size
    },
    upgradedForMs,
    [Symbol.asyncDispose]: async () => open.drop(),
  }
}

/** Resolves with the answer; tells how long the socket then was left open, if it was upgraded. */
function ask(
  socket: TLSSocket,
  to: CrowdOptions,
  { path, protocol, token }: Upgrading,
  hasBegun: boolean,
  tell: (ms: number) => void,
): Promise<void> {
  const headers = [...upgrading(protocol), ['Authorization', `Bearer ${token}`] as const]
  socket.once('secureConnect', () => socket.write(requestText(to, { method: 'GET', path, headers })))
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

async function drip(socket: Duplex, bytes: Buffer): Promise<void> {
  for (const byte of bytes) {
    await setTimeout(dripEveryMs)
    if (socket.destroyed) return
    socket.write(Buffer.of(byte))
  }
}
