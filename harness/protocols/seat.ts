import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { lookUp } from '../agent/loopback.ts'

/** The place on a node from which a test calls and listens. TLS and whatever is said over it stay in the test's process. */
export interface Seat {
  /** Of the node; where it is undefined, the system chooses with each connection. */
  readonly address: string | undefined
  /** Opens a TCP connection. Rejects with the error of the system, or the reason of `signal`. */
  connect(to: { readonly address: string; readonly port: number }, signal?: AbortSignal): Promise<Connected>
  /** Listens; `port` 0 is any free one. Rejects with the error of the system. */
  listen(onConnection: (stream: Duplex) => void, port?: number): Promise<Listening>
}

export interface Connected {
  readonly stream: Duplex
  /** `address:port` of the node's end: the far end's `conn`. */
  readonly conn: string
}

export interface Listening extends AsyncDisposable {
  readonly address: string
  readonly port: number
  /** Ends all connections that came in, and goes on listening. */
  drop(): void
}

/** A seat on this machine. Without an address it calls from whichever the system takes, and listens on 127.0.0.1. */
export function localSeat(address?: string): Seat {
  return {
    address,
    async connect({ address: host, port }, signal) {
      const stream = net.connect({ host, port, localAddress: address, noDelay: true })
      await untilConnected(stream, signal)
      return { stream, conn: `${stream.localAddress}:${stream.localPort}` }
    },
    async listen(onConnection, wanted = 0) {
      const streams = new OpenStreams()
      const server = net.createServer({ noDelay: true }, (stream) => {
        streams.add(stream)
        onConnection(stream)
      })
      const own = address ?? '127.0.0.1'
      server.listen(wanted, own)
      await once(server, 'listening')
      const { port } = server.address() as net.AddressInfo
      const close = async () => {
        streams.drop()
        server.close()
        await once(server, 'close')
      }
      return { address: own, port, drop: () => streams.drop(), [Symbol.asyncDispose]: close }
    },
  }
}

/** The address at which something of this name listens; the name itself where nothing does. Localhost is ::1 here, 127.0.0.1 there. */
export async function addressOf({ address, port }: { address: string; port: number }): Promise<string> {
  if (net.isIP(address)) return address
  const stream = net.connect({ host: address, port, lookup: lookUp })
  await untilConnected(stream).catch(() => {})
  const { remoteAddress = address } = stream
  stream.destroy()
  return remoteAddress
}

/** A stream that is given up is destroyed. */
export async function untilConnected(stream: Socket, signal?: AbortSignal): Promise<void> {
  // Kept: a connection that the far end cuts must end the call, never the process.
  stream.on('error', () => {})
  try {
    await once(stream, 'connect', { signal })
  } catch (failure) {
    stream.destroy()
    throw failure
  }
}

/** What came in and was not closed yet. */
export class OpenStreams {
  readonly #open = new Set<Duplex>()

  add(stream: Duplex): void {
    this.#open.add(stream)
    stream.on('error', () => {})
    stream.once('close', () => this.#open.delete(stream))
  }

  get size(): number {
    return this.#open.size
  }

  drop(): void {
    for (const stream of this.#open) stream.destroy()
  }
}
