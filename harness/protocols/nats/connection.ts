import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { Kind, MsgImpl, Parser, type ParserEvent } from '@nats-io/nats-core/internal'
import { type Endpoint, patience } from '../endpoint.ts'
import type { Frame } from '../session.ts'
import { connectPlain, secure, timedOut } from '../tls/connect.ts'

/** What a server says of itself before anything else, as far as it is looked at. */
export interface ServerInfo {
  readonly nonce?: string
  readonly tls_required?: boolean
}

/**
 * One connection to a broker. What comes is read by the parser of the NATS client; what is sent is written here, line by line: a client
 * library makes each login its own way, connects again by itself and answers errors apart from what they were about, while here a
 * refused call and its control must differ in one line, and each is one connection.
 */
export class Connection {
  readonly info: ServerInfo
  readonly conn: string
  /** Texts of `-ERR`, in the order in which they came. */
  readonly errors: string[] = []
  /** What was delivered, in the order in which it came. */
  readonly frames: Frame[] = []
  /** Both directions as they stood on the wire. */
  sent = ''
  came = ''
  /** Why nothing more can come; undefined while it is open. */
  failure: Error | undefined
  readonly closed: Promise<void>
  readonly #stream: Duplex
  readonly #waiting: (() => void)[] = []
  #pongs = 0

  constructor(stream: Duplex, { info, conn }: { info: ServerInfo; conn: string }) {
    this.#stream = stream
    this.info = info
    this.conn = conn
    const parser = new Parser({ push: (event) => this.#heard(event as ParserEvent) })
    const end = (why: Error) => {
      this.failure ??= why
      this.#wake()
    }
    this.closed = new Promise((resolve) => {
      stream.once('close', () => {
        end(Object.assign(new Error('the far end closed the connection'), { code: 'closed' }))
        resolve()
      })
    })
    stream.on('error', end)
    stream.on('data', (bytes: Buffer) => {
      this.came += bytes.toString('latin1')
      try {
        parser.parse(bytes)
      } catch (failure) {
        end(failure as Error)
        stream.destroy()
      }
      this.#wake()
    })
  }

  get isOpen(): boolean {
    return this.failure === undefined
  }

  write(...segments: readonly (string | Uint8Array)[]): void {
    for (const segment of segments) {
      const bytes = typeof segment === 'string' ? Buffer.from(segment) : segment
      this.sent += Buffer.from(bytes).toString('latin1')
      if (this.isOpen) this.#stream.write(bytes)
    }
  }

  /** Waits until everything sent so far was answered or the connection has ended: errors come before the `PONG` that is asked for behind them. */
  async answered(signal: AbortSignal): Promise<void> {
    const wanted = this.#pongs + 1
    this.write('PING\r\n')
    await this.until(() => this.#pongs >= wanted, signal)
  }

  /** Waits until it is so or the connection has ended. Rejects with the reason of `signal`. */
  async until(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    while (!isSo() && this.isOpen) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.push(resolve)
      await Promise.race([promise, timedOut(signal)])
    }
  }

  close(): void {
    this.#stream.destroy()
  }

  #heard({ kind, msg, data }: ParserEvent): void {
    if (kind === Kind.PING) this.write('PONG\r\n')
    if (kind === Kind.PONG) this.#pongs += 1
    if (kind === Kind.ERR)
      this.errors.push(
        Buffer.from(data ?? [])
          .toString()
          .replace(/^'|'$/g, ''),
      )
    if (kind === Kind.MSG) this.frames.push(frameOf(new MsgImpl(msg!, data!, undefined as never)))
  }

  #wake(): void {
    for (const waiting of this.#waiting.splice(0)) waiting()
  }
}

/** Headers only where there are some, a status (`503`: nobody listens there) likewise. */
function frameOf({ subject, reply, headers, data }: MsgImpl): Frame {
  const status = headers?.code || undefined
  const fields = headers && Object.fromEntries(headers.keys().map((name) => [name, headers.values(name).join(', ')]))
  return {
    subject,
    data: Buffer.from(data).toString(),
    ...(reply && { reply }),
    ...(fields && Object.keys(fields).length > 0 && { headers: fields }),
    ...(status !== undefined && { status }),
  }
}

/**
 * Opens one from the seat of an endpoint. The server speaks first, in the clear, and proves itself in the handshake that follows: what it
 * said before that is believed no further than its nonce. `isPlain`: no handshake follows.
 */
export async function open(endpoint: Endpoint, { isPlain = false } = {}): Promise<Connection> {
  const signal = AbortSignal.timeout(patience(endpoint))
  const connected = await connectPlain(endpoint, signal)
  const { conn, stream } = connected
  const info = await greeting(stream, signal).catch((failure) => {
    stream.destroy()
    throw failure
  })
  if (isPlain) return new Connection(stream, { info, conn })
  return new Connection(await secure(endpoint, connected, signal), { info, conn })
}

/** The first line of the server, and not a byte more: what follows is of the handshake. */
async function greeting(stream: Duplex, signal: AbortSignal): Promise<ServerInfo> {
  let text = ''
  while (!text.includes('\r\n')) {
    const [bytes] = (await Promise.race([once(stream, 'data', { signal }), ended(stream)])) as [Buffer]
    text += bytes.toString('latin1')
  }
  stream.pause()
  const [, json = '', rest] = /^INFO (.*?)\s*\r\n([\s\S]*)$/.exec(text) ?? []
  if (json === '' || rest !== '')
    throw Object.assign(new Error(`the server did not begin with INFO`), { code: 'no INFO' })
  return JSON.parse(json) as ServerInfo
}

async function ended(stream: Duplex): Promise<never> {
  await once(stream, 'close')
  throw Object.assign(new Error('the far end closed the connection'), { code: 'closed' })
}
