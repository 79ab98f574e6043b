import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { Endpoint } from '../../harness/protocols/endpoint.ts'
import { type RawAnswer, readAnswers } from '../../harness/protocols/http/raw-answers.ts'
import { TargetUnreachable } from '../../harness/protocols/tls/connect.ts'

/** What came of an attempt: an answer; the connection's end without one; nothing in time; or no connection at all. */
export type Outcome = RawAnswer | 'closed' | 'silent' | 'no handshake'

/** A server may wait for more of a request that was broken; so long does an attempt, and then it hangs up. */
const PATIENCE_MS = 250
const HANDSHAKE_MS = 10_000

/** A connection to one listener, which is kept from attempt to attempt for as long as the server keeps it. */
export class Line {
  readonly #endpoint: Endpoint
  #socket: TLSSocket | undefined

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
  }

  /** @throws TargetUnreachable when nobody listens there any more. */
  async send(bytes: Buffer): Promise<Outcome> {
    const socket = await this.open()
    if (socket === undefined) return 'no handshake'
    const outcome = await answerTo(socket, bytes)
    if (typeof outcome === 'string' || endsConnection(outcome)) this.close()
    return outcome
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  /** The connection, a new one where there is none; undefined where the handshake fails. */
  async open(): Promise<TLSSocket | undefined> {
    if (this.#socket !== undefined && !this.#socket.destroyed && !this.#socket.readableEnded) return this.#socket
    const signal = AbortSignal.timeout(HANDSHAKE_MS)
    const stream = await this.#connected(signal)
    if (stream === undefined) return undefined
    const { host: servername } = this.#endpoint
    const socket = connect({ socket: stream, servername, secureContext: contextOf(this.#endpoint) })
    // Kept: a connection that the far end cuts must end the attempt, never the process.
    socket.on('error', () => {})
    try {
      await once(socket, 'secureConnect', { signal })
      this.#socket = socket
      return socket
    } catch {
      socket.destroy()
      return undefined
    }
  }

  async #connected(signal: AbortSignal): Promise<Duplex | undefined> {
    try {
      return (await this.#endpoint.seat.connect(this.#endpoint, signal)).stream
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ECONNREFUSED') throw new TargetUnreachable(this.#endpoint, cause)
      return undefined
    }
  }
}

/** Made once for each identity: reading keys and certificates takes longer than a request. Certificates of one attempt are not kept. */
const contexts = new Map<string, SecureContext>()
const MOST_CONTEXTS = 64

function contextOf({ anchorPem: ca, identity }: Endpoint): SecureContext {
  const { certPem: cert, keyPem: key } = identity ?? {}
  const known = contexts.get(cert ?? '')
  if (known !== undefined) return known
  const made = createSecureContext({ ca, cert, key })
  if (contexts.size >= MOST_CONTEXTS) contexts.clear()
  contexts.set(cert ?? '', made)
  return made
}

/**
 * Has a connection of its own upgraded, sends frames over it, and hangs up when the server has ended the session or had time to. Any
 * answer but 101 is the outcome.
 */
export async function upgradeAndSend(endpoint: Endpoint, request: Buffer, frames: Buffer): Promise<Outcome> {
  const line = new Line(endpoint)
  const socket = await line.open()
  if (socket === undefined) return 'no handshake'
  try {
    const outcome = await answerTo(socket, request)
    if (typeof outcome === 'string' || outcome.status !== 101) return outcome
    const isOver = toldToBeOver(socket)
    socket.write(frames)
    return (await isOver) ? 'closed' : 'silent'
  } finally {
    line.close()
  }
}

/** Whether the server ends a session in time: by its last message, or by the connection's end. */
function toldToBeOver(socket: TLSSocket): Promise<boolean> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(false), PATIENCE_MS / 5)
    const over = (): void => {
      clearTimeout(late)
      resolve(true)
    }
    socket
      .on('data', (chunk) => chunk.includes('"type":"close"') && over())
      .once('end', over)
      .once('close', over)
  })
}

function answerTo(socket: TLSSocket, bytes: Buffer): Promise<Outcome> {
  return new Promise((resolve) => {
    let heard = Buffer.alloc(0)
    const settle = (outcome: Outcome): void => {
      clearTimeout(late)
      socket.off('data', take).off('close', end).off('end', end)
      resolve(outcome)
    }
    const final = (isEnded: boolean): RawAnswer | undefined =>
      readAnswers(heard, isEnded).find(({ status, isWhole }) => status === 101 || (status >= 200 && isWhole))
    const take = (chunk: Buffer): void => {
      heard = Buffer.concat([heard, chunk])
      const answer = final(false)
      if (answer !== undefined) settle(answer)
    }
    const end = (): void => settle(final(true) ?? 'closed')
    // HEAD has a length and no body, so an answer may be there that never becomes whole.
    const late = setTimeout(() => settle(final(true) ?? 'silent'), PATIENCE_MS)
    socket.on('data', take).once('end', end).once('close', end)
    socket.write(bytes)
  })
}

function endsConnection({ status, headers }: RawAnswer): boolean {
  return status === 101 || headers.some(([name, value]) => name.toLowerCase() === 'connection' && /close/i.test(value))
}
