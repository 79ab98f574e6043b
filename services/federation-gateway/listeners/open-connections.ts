import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { thumbprint } from '../../shared/peer-certificate.ts'
import { type Serial, serialFromHex } from '../serial.ts'

export interface ConnectionLimits {
  readonly most: number
  readonly mostPerCertificate: number
}

interface Open {
  readonly socket: Pick<TLSSocket, 'destroy' | 'once'>
  readonly x5t: string
  readonly serial: Serial | undefined
  readonly endsAt: number
  requests: number
  isEnding: boolean
}

const LOOK_EVERY_MS = 1_000
/** The longest that a request may take. */
const BUSY_MS = 10_000

/** Connections whose holder has proven a certificate: how many there are, and which must end with a certificate. */
export class OpenConnections {
  readonly #limits: ConnectionLimits
  readonly #open = new Map<object, Open>()
  readonly #perCertificate = new Map<string, number>()
  readonly #now: () => number
  readonly #looking: NodeJS.Timeout
  #revoked: ReadonlySet<Serial> = new Set()

  /** `now`: milliseconds since 1970. */
  constructor(limits: ConnectionLimits, now: () => number = Date.now) {
    this.#limits = limits
    this.#now = now
    // One look for all of them: a timer alone measures what passes, and would be late where the clock was set forward.
    this.#looking = setInterval(() => this.endOver(), LOOK_EVERY_MS).unref()
  }

  get size(): number {
    return this.#open.size
  }

  /** A handshake that began before the lists in use goes by those that it found. */
  isRevoked({ serialNumber }: X509Certificate): boolean {
    const serial = serialFromHex(serialNumber)
    return serial !== undefined && this.#revoked.has(serial)
  }

  /** Keeps a connection, if there is a place for it. */
  admit(socket: Pick<TLSSocket, 'destroy' | 'once'>, certificate: X509Certificate): boolean {
    const x5t = thumbprint(certificate)
    const own = this.#perCertificate.get(x5t) ?? 0
    if (this.#open.size >= this.#limits.most || own >= this.#limits.mostPerCertificate) return false
    this.#perCertificate.set(x5t, own + 1)
    const endsAt = certificate.validToDate.getTime()
    const serial = serialFromHex(certificate.serialNumber)
    this.#open.set(socket, { socket, x5t, serial, endsAt, requests: 0, isEnding: false })
    socket.once('close', () => this.#gone(socket))
    return true
  }

  /** A request begins on a connection; the function that comes back is called once it is over. */
  begin(socket: object): () => void {
    const open = this.#open.get(socket)
    if (open === undefined) return () => {}
    open.requests += 1
    return () => {
      open.requests -= 1
      if (open.isEnding && open.requests === 0) open.socket.destroy()
    }
  }

  /** Ends those of revoked certificates: at once, and a busy one after its answer. From now on none comes in with one of them. */
  endRevoked(serials: ReadonlySet<Serial>): void {
    this.#revoked = serials
    for (const open of this.#open.values()) if (open.serial !== undefined && serials.has(open.serial)) this.#end(open)
  }

  /** Ends those whose certificate has ended. */
  endOver(): void {
    const now = this.#now()
    for (const open of this.#open.values()) if (open.endsAt <= now) this.#end(open)
  }

  close(): void {
    clearInterval(this.#looking)
  }

  #end(open: Open): void {
    if (open.isEnding) return
    open.isEnding = true
    if (open.requests === 0) open.socket.destroy()
    else setTimeout(() => open.socket.destroy(), BUSY_MS).unref()
  }

  #gone(socket: object): void {
    const open = this.#open.get(socket)
    if (open === undefined) return
    this.#open.delete(socket)
    const left = (this.#perCertificate.get(open.x5t) ?? 1) - 1
    if (left === 0) this.#perCertificate.delete(open.x5t)
    else this.#perCertificate.set(open.x5t, left)
  }
}
