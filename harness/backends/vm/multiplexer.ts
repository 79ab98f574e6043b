import { Duplex, type Readable, type Writable } from 'node:stream'
import type { Ending } from '../../agent/seat-server.ts'
import { HoldfastError } from '../../errors.ts'

/** Type, number of the stream, length of what follows. */
const HEAD = 9
const LONGEST_PIECE = 32_768
/** So much of a stream may be under way before its other end has taken any of it. */
const WINDOW = 262_144

const OPEN = 1
const DATA = 2
const END = 3
const RESET = 4
const TAKEN = 5

/** What came over a line is not what its other end sends. Code `HOLDFAST_LINE_BROKEN`. */
export class LineBroken extends HoldfastError {
  constructor(what: string) {
    super('HOLDFAST_LINE_BROKEN', `the line to a machine broke: ${what}; launch the site again`)
  }
}

/**
 * Many streams over one line between two processes that share nothing else. Each stream has its own backpressure and its own ends, as a
 * connection has: to end one way leaves the other open, to destroy one destroys it at the far end.
 */
export class Multiplexer {
  readonly #output: Writable
  readonly #streams = new Map<number, Stream>()
  readonly #opened: (name: string, stream: Duplex) => void
  #next: number
  #failure: Error | undefined

  /**
   * @param side the two ends of a line number their streams apart
   * @param opened called with each stream that the other end opens, and the name that it gave
   */
  constructor(
    side: 'host' | 'guest',
    input: Readable,
    output: Writable,
    opened: (name: string, stream: Duplex) => void = (_, stream) => stream.destroy(),
  ) {
    this.#next = side === 'host' ? 1 : 2
    this.#output = output
    this.#opened = opened
    let rest: Buffer = Buffer.alloc(0)
    input.on('data', (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      while (rest.length >= HEAD && this.#failure === undefined) {
        const length = rest.readUInt32BE(5)
        if (length > LONGEST_PIECE) return this.#break(`a piece of ${length} bytes`)
        if (rest.length < HEAD + length) break
        this.#hear(rest.readUInt8(0), rest.readUInt32BE(1), rest.subarray(HEAD, HEAD + length))
        rest = rest.subarray(HEAD + length)
      }
    })
    for (const event of ['end', 'close', 'error']) input.on(event, () => this.#break('it ended'))
    output.on('error', () => this.#break('it ended'))
  }

  /** A new stream to the other end, who learns its name. */
  open(name: string): Ending {
    const id = this.#next
    this.#next += 2
    const stream = this.#add(id)
    this.#say(OPEN, id, Buffer.from(name))
    return stream
  }

  #add(id: number): Stream {
    const stream = new Stream((type, content) => this.#say(type, id, content))
    this.#streams.set(id, stream)
    stream.once('close', () => this.#streams.delete(id))
    if (this.#failure !== undefined) stream.destroy(this.#failure)
    return stream
  }

  #say(type: number, id: number, content: Uint8Array = Buffer.alloc(0)): void {
    if (this.#failure !== undefined || !this.#output.writable) return
    const head = Buffer.alloc(HEAD)
    head.writeUInt8(type, 0)
    head.writeUInt32BE(id, 1)
    head.writeUInt32BE(content.length, 5)
    this.#output.write(Buffer.concat([head, content]))
  }

  #hear(type: number, id: number, content: Buffer): void {
    if (type === OPEN) {
      const isTheirs = !this.#streams.has(id) && id % 2 !== this.#next % 2
      if (isTheirs) this.#opened(content.toString(), this.#add(id))
      else this.#break(`stream ${id} was opened twice`)
    } else if (type >= DATA && type <= TAKEN) {
      // One that is closed here may still be spoken of.
      const stream = this.#streams.get(id)
      if (stream?.heard(type, content) === false) this.#break(`more of stream ${id} than was asked for`)
    } else this.#break(`a piece of type ${type}`)
  }

  #break(what: string): void {
    if (this.#failure !== undefined) return
    this.#failure = new LineBroken(what)
    for (const stream of this.#streams.values()) stream.destroy(this.#failure)
  }
}

class Stream extends Duplex {
  readonly #say: (type: number, content?: Uint8Array) => void
  /** How many bytes may still be sent. */
  #window = WINDOW
  #waiting: (() => void) | undefined
  /** Bytes that came and were not yet read. */
  #held = 0
  #ended = false

  constructor(say: (type: number, content?: Uint8Array) => void) {
    super({ allowHalfOpen: true, readableHighWaterMark: LONGEST_PIECE, writableHighWaterMark: LONGEST_PIECE })
    this.#say = say
    // A stream that nobody listens to any more ends no process.
    this.on('error', () => {})
  }

  /** False where the other end does not keep to what was agreed. */
  heard(type: number, content: Buffer): boolean {
    if (type === DATA) {
      this.#held += content.length
      if (this.#held > WINDOW || this.#ended) return false
      // Copied: what it is cut out of is larger, and would be held with it.
      this.push(Buffer.from(content))
      // Where somebody listens it was passed on at once, and is not read again.
      this.#taken()
    } else if (type === END) {
      if (!this.#ended) this.push(null)
      this.#ended = true
    } else if (type === RESET) {
      this.#ended = true
      this.destroy()
    } else {
      if (content.length !== 4) return false
      this.#window += content.readUInt32BE(0)
      this.#waiting?.()
    }
    return true
  }

  override _read(): void {}

  override read(size?: number): unknown {
    const chunk: unknown = super.read(size)
    this.#taken()
    return chunk
  }

  /** Lets the other end send as much again as was read here. What was put back counts as not read. */
  #taken(): void {
    const taken = this.#held - this.readableLength
    if (taken <= 0 || this.#ended) return
    this.#held -= taken
    const content = Buffer.alloc(4)
    content.writeUInt32BE(taken, 0)
    this.#say(TAKEN, content)
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (failure?: Error) => void): void {
    let rest = chunk
    const send = () => {
      this.#waiting = undefined
      while (rest.length > 0 && this.#window > 0) {
        const size = Math.min(rest.length, this.#window, LONGEST_PIECE)
        this.#window -= size
        this.#say(DATA, rest.subarray(0, size))
        rest = rest.subarray(size)
      }
      if (rest.length === 0) done()
      else this.#waiting = send
    }
    send()
  }

  override _final(done: () => void): void {
    this.#say(END)
    done()
  }

  override _destroy(failure: Error | null, done: (failure: Error | null) => void): void {
    if (!this.writableFinished || !this.#ended) this.#say(RESET)
    done(failure)
  }

  /** As of a socket: it is destroyed once all that was written to it has left. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }
}
