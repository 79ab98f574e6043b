import { connect, type Socket } from 'node:net'
import { until } from '../../shared/testing/service-process.ts'

/** An answer, as it came over the wire. */
export interface RawAnswer {
  readonly status: number
  /** By lower-case name; the values of each in their order. */
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly body: string
  readonly text: string
}

const WITHIN_MS = 10_000

/** Writes bytes to a port, and reads what comes until the other end closes. Rejects where it does not within 10 s. */
export function exchange(port: number, bytes: string | Buffer): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port })
    const chunks: Buffer[] = []
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`not closed within ${WITHIN_MS} ms, after ${JSON.stringify(String(Buffer.concat(chunks)))}`))
    }, WITHIN_MS)
    socket.on('data', (chunk) => void chunks.push(chunk))
    // What is closed while we still write is reset: what had come by then is the answer.
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(parsed(Buffer.concat(chunks).toString('latin1')))
    })
    socket.write(bytes)
  })
}

/** A request in one text; header values may hold any byte, as Latin-1. The connection ends with its answer. */
export function requestOf(
  method: string,
  path: string,
  headers: readonly (readonly [name: string, value: string])[] = [],
  body = '',
): Buffer {
  const own: readonly (readonly [string, string])[] = [
    ['Host', 'node.test'],
    ['Connection', 'close'],
    ...headers,
    ...(body === '' ? [] : [['Content-Length', String(Buffer.byteLength(body))] as const]),
  ]
  const lines = own.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines}\r\n`, 'latin1'), Buffer.from(body)])
}

/** A stream of events that is read while it lasts. */
export class RawStream {
  readonly #socket: Socket
  #text = ''
  #isClosed = false

  constructor(port: number, bytes: Buffer) {
    this.#socket = connect({ host: '127.0.0.1', port })
    this.#socket.on('data', (chunk) => {
      this.#text += chunk.toString('latin1')
    })
    this.#socket.on('error', () => {})
    this.#socket.once('close', () => {
      this.#isClosed = true
    })
    this.#socket.write(bytes)
  }

  get text(): string {
    return this.#text
  }

  /** Resolves once the other end has closed it; rejects where it does not within 10 s. */
  closed(): Promise<void> {
    return until(() => this.#isClosed, 'the end of the stream')
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

function parsed(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...lines] = text.slice(0, Math.max(end, 0)).split('\r\n')
  const headers: Record<string, string[]> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    headers[name] = [...(headers[name] ?? []), line.slice(colon + 1).trim()]
  }
  return { status: Number(first.split(' ')[1] ?? 0), headers, body: end < 0 ? '' : text.slice(end + 4), text }
}
