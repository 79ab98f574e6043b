import type { WebSocket } from 'ws'
import type { Guard, Refusal } from '../shared/guard.ts'
import { parseStrictJson } from '../shared/http-json.ts'
import { ending, type MessageContext, messageForm, messageOpen, messagePace, messageScope } from './guards/message.ts'
import {
  CLOSE_CODES,
  type CloseCode,
  type Message,
  messageSchema,
  OPEN_WITHIN_MS,
  type OpenMessage,
  type UpdateMessage,
} from './wire.ts'

export interface ChannelOptions {
  readonly side: 'acceptor' | 'dialer'
  readonly node: string
  readonly expectedNode: string
  /** Scope of the token behind the session, on the accepting side. */
  readonly scope?: string
  readonly holdTimeMs: number
  /** Entries of the peer that were not installed so far. */
  refused(): number
  onOpen(open: OpenMessage): void
  /** Answers a refusal where the update must end the session. */
  onUpdate(update: UpdateMessage): { guard: string; refusal: Refusal } | undefined
  /** Once, when the session is over, whoever ended it. */
  onEnd(end: SessionEnd): void
}

export interface SessionEnd {
  /** `lost`: the transport went away without a word. */
  readonly code: CloseCode | 'lost'
  readonly by: 'us' | 'peer'
  readonly guard?: string
  readonly reason?: string
}

const LONGEST_FAREWELL_MS = 1_000
/** Bytes that wait for the peer to read them. */
const MOST_UNREAD_FOR_PONG = 64 * 1024

/** One session on one WebSocket: messages in order, keepalives, hold timer, one end. */
export class SessionChannel {
  readonly id = crypto.randomUUID()
  readonly #socket: WebSocket
  readonly #options: ChannelOptions
  #sent = 0
  #received = 0
  #hasOpened = false
  #holdTimeMs: number
  #hold: NodeJS.Timeout
  #keepalive: NodeJS.Timeout | undefined
  /** When the pings of the last second came; at most one more than are allowed. */
  #pings: number[] = []
  #ended = false
  #heardClose: CloseCode | undefined

  constructor(socket: WebSocket, options: ChannelOptions) {
    this.#socket = socket
    this.#options = options
    this.#holdTimeMs = options.holdTimeMs
    // Whoever says nothing is judged as whoever says something else first.
    this.#hold = setTimeout(() => {
      this.end('protocol_error', { guard: messageForm.id, reason: 'message_out_of_order' })
    }, OPEN_WITHIN_MS)
    socket.on('ping', (data) => this.#answerPing(data))
    socket.on('message', (data, isBinary) => this.#receive(data as Buffer, isBinary))
    socket.on('close', (code) => this.#finish({ code: this.#heardClose ?? codeOf(code), by: 'peer' }))
    // Oversized and broken frames: ws answers them with the right close code itself.
    socket.on('error', (failure) => {
      const isLarge = (failure as { code?: string }).code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
      if ((failure as { code?: string }).code?.startsWith('WS_ERR')) {
        const code = isLarge ? 'too_large' : 'protocol_error'
        this.#finish({ code, by: 'us', guard: messageForm.id, reason: 'message_malformed' })
      }
    })
    this.#send({ type: 'open', version: 1, node: options.node, holdTimeMs: options.holdTimeMs, session: this.id })
  }

  get hasOpened(): boolean {
    return this.#hasOpened && !this.#ended
  }

  get holdTimeMs(): number {
    return this.#holdTimeMs
  }

  /** Resolves when the update has left this process: nothing piles up behind a peer that reads slowly. */
  async update(update: Omit<UpdateMessage, 'type' | 'seq'>): Promise<void> {
    if (this.#ended) return
    const slow = setTimeout(() => this.end('hold_expired'), this.#holdTimeMs)
    await new Promise<void>((resolve) => {
      this.#send({ type: 'update', seq: this.#next(), ...update }, () => resolve())
    })
    clearTimeout(slow)
  }

  /** Says why, closes, and makes sure that the socket is gone soon after. */
  end(code: CloseCode, cause: { guard?: string; reason?: string } = {}): void {
    if (this.#ended) return
    this.#send({ type: 'close', code })
    this.#close(CLOSE_CODES[code], code)
    this.#finish({ code, by: 'us', ...cause })
  }

  #close(status?: number, reason?: string): void {
    this.#socket.close(status, reason)
    const farewell = setTimeout(() => this.#socket.terminate(), LONGEST_FAREWELL_MS)
    this.#socket.once('close', () => clearTimeout(farewell))
  }

  /** The peer's last word: whatever it sends after it counts for nothing, and keeps no session alive. */
  #hearClose(code: string): void {
    this.#heardClose = Object.hasOwn(CLOSE_CODES, code) ? (code as CloseCode) : 'protocol_error'
    this.#close()
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#ended || this.#heardClose !== undefined) return
    const context: MessageContext = {
      side: this.#options.side,
      message: isBinary ? undefined : messageIn(data),
      hasOpened: this.#hasOpened,
      expectedSeq: this.#received + 1,
      expectedNode: this.#options.expectedNode,
      scope: this.#options.scope,
    }
    const refused = firstRefusalNow([messageForm, messageOpen, messageScope], context)
    // A guard that was taken out must not let an unreadable frame through to here.
    if (refused !== undefined) this.#endFor(refused)
    else if (context.message === undefined) this.end('protocol_error')
    else {
      this.#hold.refresh()
      this.#take(context.message)
    }
  }

  #take(message: Message): void {
    if (message.type === 'open') this.#open(message)
    if (message.type === 'close') this.#hearClose(message.code)
    if (message.type === 'open' || message.type === 'close') return
    this.#received = message.seq
    if (message.type !== 'update') return
    const refused = this.#options.onUpdate(message)
    if (refused !== undefined) this.#endFor(refused)
  }

  /** A peer that does not read is not answered, for its answers would pile up here (RFC 6455 section 5.5.3 allows to skip some). */
  #answerPing(data: Buffer): void {
    if (this.#ended || this.#heardClose !== undefined) return
    const now = performance.now()
    this.#pings = [...this.#pings.filter((at) => now - at < 1_000), now]
    const refused = firstRefusalNow([messagePace], { pings: this.#pings.length })
    if (refused !== undefined) this.#endFor(refused)
    else if (this.#socket.bufferedAmount < MOST_UNREAD_FOR_PONG) this.#socket.pong(data)
  }

  #open(open: OpenMessage): void {
    this.#hasOpened = true
    this.#holdTimeMs = Math.min(open.holdTimeMs, this.#options.holdTimeMs)
    clearTimeout(this.#hold)
    this.#hold = setTimeout(() => this.end('hold_expired'), this.#holdTimeMs)
    this.#keepalive = setInterval(() => {
      this.#send({ type: 'keepalive', seq: this.#next(), refused: this.#options.refused() })
    }, this.#holdTimeMs / 3)
    this.#options.onOpen(open)
  }

  #endFor({ guard, refusal }: { guard: string; refusal: Refusal }): void {
    this.end((refusal.error ?? 'protocol_error') as CloseCode, { guard, reason: refusal.reason })
  }

  #next(): number {
    this.#sent += 1
    return this.#sent
  }

  #send(message: Message, onSent?: () => void): void {
    this.#socket.send(JSON.stringify(message), () => onSent?.())
  }

  #finish(end: SessionEnd): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#hold)
    clearInterval(this.#keepalive)
    this.#options.onEnd(end)
  }
}

/** Guards of a session are synchronous: messages must be judged in the order in which they came. */
export function firstRefusalNow<Context>(
  order: readonly Guard<Context>[],
  context: Context,
): { guard: string; refusal: Refusal } | undefined {
  for (const { id, check } of order) {
    const refusal = check(context)
    if (refusal instanceof Promise) return { guard: id, refusal: ending('message_malformed', 'protocol_error') }
    if (refusal !== undefined) return { guard: id, refusal }
  }
  return undefined
}

function messageIn(data: Buffer): Message | undefined {
  try {
    return messageSchema.safeParse(parseStrictJson(data.toString('utf8'))).data
  } catch {
    return undefined
  }
}

function codeOf(code: number): CloseCode | 'lost' {
  const entry = Object.entries(CLOSE_CODES).find(([, number]) => number === code)
  return entry === undefined ? 'lost' : (entry[0] as CloseCode)
}
