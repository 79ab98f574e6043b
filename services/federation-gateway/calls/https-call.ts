import type { IncomingMessage } from 'node:http'
import { Agent, type RequestOptions, request } from 'node:https'
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls'

/**
 * How a call ended that got no answer. Until `ended` and `late` nothing of a request has left this machine: `unreachable` had no connection,
 * `untrusted` one to somebody who is not who was called, and `unconnected` one that came to no handshake in time.
 */
export type CallFailure =
  | 'unreachable'
  | 'unconnected'
  | 'untrusted'
  | 'ended'
  | 'late'
  | 'too-large'
  | 'encoded'
  | 'aborted'

/** A call that got no answer. Neither text nor cause holds a word that was sent or answered. */
export class CallFailed extends Error {
  readonly kind: CallFailure
  /** Whether a part of an answer came: who was asked had let us in. */
  readonly wasAnswered: boolean

  constructor(kind: CallFailure, host: string, what: string, wasAnswered = false) {
    super(`${host} ${what}`)
    this.name = 'CallFailed'
    this.kind = kind
    this.wasAnswered = wasAnswered
  }
}

/** Who is called, and who calls. PEM texts. */
export interface CallIdentity {
  /** The only anchors: no other root of this machine counts. */
  readonly ca: readonly string[]
  readonly cert?: string
  readonly key?: string
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  /** Connections at once. */
  readonly maxSockets: number
  /** Whether a connection is used again. One that is may have ended by then, and nobody knows what became of the call. */
  readonly keepAlive: boolean
  /** For how long one is kept that nobody uses. Default: until the far end ends it. */
  readonly idleMs?: number
  /** Where connections come from. Default: the system's choice. */
  readonly localAddress?: string | undefined
}

export function createCallAgent({ ca, cert, key, minVersion, idleMs, ...connections }: CallIdentity): Agent {
  const secureContext = createSecureContext({ ca: [...ca], cert, key, minVersion })
  return new Agent({
    secureContext,
    ...connections,
    ...(idleMs !== undefined && { timeout: idleMs }),
    scheduling: 'lifo',
    // A resumed session would be one that was proven by another handshake, perhaps with a certificate that has been renewed since.
    maxCachedSessions: 0,
    ALPNProtocols: ['http/1.1'],
    // Said outright, for Node's default can be turned off by an environment variable.
    rejectUnauthorized: true,
    checkServerIdentity: namedBySan,
  } as ConstructorParameters<typeof Agent>[0])
}

/** RFC 9525 section 6.3: by its SAN. Node falls back to the common name where a certificate has none, so it is shown no subject. */
function namedBySan(host: string, certificate: PeerCertificate): Error | undefined {
  return checkServerIdentity(host, { ...certificate, subject: {} as PeerCertificate['subject'] })
}

export interface Call {
  readonly agent: Agent
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Must be https. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Until the handshake is over. */
  readonly connectMs: number
  /** Until the last byte of the answer. */
  readonly deadlineMs: number
  /** Bytes of the answer's body. */
  readonly largest: number
  readonly signal?: AbortSignal
}

export interface CallAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** One call: no redirect is followed, and no answer unpacked. @throws CallFailed */
export function call(given: Call): Promise<CallAnswer> {
  const url = new URL(given.url)
  // A plaintext URL would carry all of it in the open; the agent alone would not stop it.
  if (url.protocol !== 'https:') throw new Error(`${url.host} is to be called by https`)
  return new Promise((resolve, reject) => new Attempt(given, url, resolve, reject).start())
}

/** From the first packet to the one end that it has, whichever comes first. */
class Attempt {
  readonly #call: Call
  readonly #url: URL
  readonly #resolve: (answer: CallAnswer) => void
  readonly #reject: (failure: CallFailed) => void
  #stage: 'nothing' | 'connected' | 'sent' | 'answering' = 'nothing'
  #stop: (failure: Error) => void = () => {}
  #isOver = false

  constructor(call: Call, url: URL, resolve: (answer: CallAnswer) => void, reject: (failure: CallFailed) => void) {
    this.#call = call
    this.#url = url
    this.#resolve = resolve
    this.#reject = reject
  }

  start(): void {
    const { agent, method, headers = {}, body, connectMs, deadlineMs, signal } = this.#call
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const options: RequestOptions = { agent, method, headers: { 'accept-encoding': 'identity', ...headers, ...length } }
    const sending = request(this.#url, options, (response) => this.#read(response))
    this.#stop = (failure) => sending.destroy(failure)
    const connecting = setTimeout(() => this.#tooSlow(connectMs), connectMs).unref()
    const calling = setTimeout(() => this.#fail('late', `gave no answer within ${deadlineMs} ms`), deadlineMs).unref()
    const abort = (): void => this.#fail('aborted', 'is no longer asked')
    signal?.addEventListener('abort', abort, { once: true })
    sending.on('socket', (socket) => {
      const sent = (): void => {
        this.#stage = 'sent'
        clearTimeout(connecting)
      }
      if (sending.reusedSocket) sent()
      socket.once('connect', () => {
        if (this.#stage === 'nothing') this.#stage = 'connected'
      })
      socket.once('secureConnect', sent)
    })
    sending.on('error', (failure: NodeJS.ErrnoException) => this.#broken(failure))
    sending.on('close', () => {
      clearTimeout(connecting)
      clearTimeout(calling)
      signal?.removeEventListener('abort', abort)
      // All of them have said so before, whatever Node makes of it.
      this.#fail('ended', 'ended the connection')
    })
    if (signal?.aborted) abort()
    else sending.end(body)
  }

  #read(response: IncomingMessage): void {
    this.#stage = 'answering'
    const { largest } = this.#call
    const { statusCode: status = 0, headers } = response
    const tooLarge = (): void => this.#fail('too-large', `answered with more than ${largest} bytes`)
    const chunks: Buffer[] = []
    let size = 0
    response.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > largest) tooLarge()
      else chunks.push(chunk)
    })
    response.on('end', () => response.complete && this.#done({ status, headers, body: Buffer.concat(chunks) }))
    response.on('error', () => this.#fail('ended', 'ended the connection before the answer'))
    // An answer that is packed could be a thousand times as large as what came.
    if ((headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity') {
      this.#fail('encoded', 'answered with an encoding that was not asked for')
    } else if (Number(headers['content-length'] ?? 0) > largest) tooLarge()
  }

  #tooSlow(connectMs: number): void {
    const what = `made no connection within ${connectMs} ms`
    this.#fail(this.#stage === 'nothing' ? 'unreachable' : 'unconnected', what)
  }

  #broken({ code = 'no code' }: NodeJS.ErrnoException): void {
    // Codes of the system tell of the network, and all others, before a handshake is over, of TLS.
    const isNetwork = /^E[A-Z]+$/.test(code) && code !== 'EPROTO'
    if (this.#stage === 'nothing') this.#fail('unreachable', `cannot be reached (${code})`)
    else if (this.#stage !== 'connected') this.#fail('ended', `ended the connection (${code})`)
    else if (isNetwork) this.#fail('unconnected', `ended the handshake (${code})`)
    else this.#fail('untrusted', `did not prove who it is (${code})`)
  }

  #done(answer: CallAnswer): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#resolve(answer)
  }

  #fail(kind: CallFailure, what: string): void {
    if (this.#isOver) return
    this.#isOver = true
    const failure = new CallFailed(kind, this.#url.host, what, this.#stage === 'answering')
    this.#stop(failure)
    this.#reject(failure)
  }
}
