import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { networkOf } from './network-of.ts'

/** Half-open handshakes of a listener: so many at once, and so many of one remote address, or of one network of IPv6. */
export interface HandshakeLimits {
  readonly most: number
  readonly mostPerAddress: number
}

/** The sockets that hold a place, by remote address; the oldest of each address first. */
export class HandshakePlaces {
  readonly #limits: HandshakeLimits
  readonly #held = new Map<string, Map<string, Pick<Socket, 'destroy'>>>()
  #count = 0

  constructor(limits: HandshakeLimits) {
    this.#limits = limits
  }

  /**
   * Gives a place away, if there is one. When all are taken, the address that holds the most gives up its oldest one for a caller
   * whose address holds less: so a few hosts that do nothing cannot keep out all others.
   */
  take(address: string, port: number, socket: Pick<Socket, 'destroy'>): boolean {
    const network = networkOf(address)
    const own = this.#held.get(network)?.size ?? 0
    if (own >= this.#limits.mostPerAddress) return false
    if (this.#count >= this.#limits.most && !this.#makeRoom(own)) return false
    const callers = this.#held.get(network) ?? new Map()
    this.#held.set(network, callers.set(`${address} ${port}`, socket))
    this.#count += 1
    return true
  }

  /** The handshake is over, one way or another. */
  free(address: string, port: number): void {
    this.#free(networkOf(address), `${address} ${port}`)
  }

  /** Ends every handshake that is not over: nobody can have asked for anything over these connections yet. */
  endAll(): void {
    for (const callers of this.#held.values()) for (const socket of callers.values()) socket.destroy()
  }

  #free(network: string, caller: string): void {
    const callers = this.#held.get(network)
    if (callers?.delete(caller)) this.#count -= 1
    if (callers?.size === 0) this.#held.delete(network)
  }

  #makeRoom(own: number): boolean {
    let most = own + 1
    let greediest: string | undefined
    for (const [network, { size }] of this.#held) {
      if (size <= most) continue
      most = size
      greediest = network
    }
    if (greediest === undefined) return false
    const [oldest] = this.#held.get(greediest) ?? []
    if (oldest === undefined) return false
    const [caller, socket] = oldest
    this.#free(greediest, caller)
    socket.destroy()
    return true
  }
}

/** Closes connections unread that find no place. A handshake that is over counts no more, whatever became of it. */
export function limitHandshakes(server: Server, limits: HandshakeLimits): HandshakePlaces {
  const places = new HandshakePlaces(limits)
  server.prependListener('connection', (socket: Socket) => {
    const { remoteAddress: address, remotePort: port } = socket
    if (address === undefined || port === undefined || !places.take(address, port, socket)) {
      socket.destroy()
      return
    }
    socket.once('close', () => places.free(address, port))
  })
  server.prependListener('secureConnection', ({ remoteAddress, remotePort }: TLSSocket) => {
    if (remoteAddress !== undefined && remotePort !== undefined) places.free(remoteAddress, remotePort)
  })
  return places
}
