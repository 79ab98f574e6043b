import type { IncomingMessage, RequestOptions } from 'node:http'
import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { CommandFailed, EXIT } from './failure.ts'

/** Until the handshake is over. */
const CONNECT_MS = 5_000
/** Longer than any node takes: a follower answers for its leader within 10 s, if only to say that it could not. */
const DEADLINE_MS = 15_000
const LARGEST_ANSWER = 8 * 1024 * 1024

/** One server, and the addresses at which it may be dialled: no other is. */
export interface Place {
  readonly url: URL
  readonly addresses: readonly { readonly address: string; readonly family: number }[]
  /** PEM of the only anchors. */
  readonly ca: readonly string[]
}

export interface Call {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** No answer came. `isOpen`: the request may have been received all the same, and what became of it is not known. */
export class CallFailed extends CommandFailed {
  readonly isOpen: boolean

  constructor(code: string, message: string, isOpen = false) {
    super(code, message, EXIT.unreachable)
    this.isOpen = isOpen
  }
}

/** One call over a connection of its own: no redirect is followed. @throws CallFailed */
export async function call(place: Place, given: Call, deadlineMs = DEADLINE_MS): Promise<Answer> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), deadlineMs)
  try {
    return await answerOf(place.url, await open(place, given, late.signal))
  } catch (failure) {
    if (!late.signal.aborted) throw failure
    throw new CallFailed('answer_late', `${place.url.host} gave no answer within ${deadlineMs} ms`, true)
  } finally {
    clearTimeout(timer)
  }
}

/** The head of an answer, with its body still to come; `signal` ends both. @throws CallFailed */
export function open(
  place: Place,
  { method, path, headers, body }: Call,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { url, ca } = place
  return new Promise((resolve, reject) => {
    const isTls = url.protocol === 'https:'
    const options: RequestOptions = {
      method,
      agent: false,
      signal,
      lookup: onlyAt(place),
      headers: { ...headers, ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }) },
    }
    const target = new URL(path, url)
    const sending = isTls ? tlsRequest(target, { ...options, ...tlsOptions(ca) }) : plainRequest(target, options)
    let stage: Stage = 'nothing'
    const slow = setTimeout(() => sending.destroy(noConnection(url)), CONNECT_MS)
    sending.once('socket', (socket) => {
      socket.once('connect', () => {
        stage = isTls ? 'connected' : 'sent'
        if (!isTls) clearTimeout(slow)
      })
      socket.once('secureConnect', () => {
        stage = 'sent'
        clearTimeout(slow)
      })
    })
    sending.once('response', resolve)
    sending.on('error', (failure) => reject(failure instanceof CallFailed ? failure : told(url, failure, stage)))
    sending.once('close', () => clearTimeout(slow))
    sending.end(body)
  })
}

type Stage = 'nothing' | 'connected' | 'sent'

function tlsOptions(ca: readonly string[]) {
  return {
    ca: [...ca],
    minVersion: 'TLSv1.2' as const,
    // Said outright, for Node's default can be turned off by an environment variable.
    rejectUnauthorized: true,
    checkServerIdentity: namedBySan,
  }
}

/** RFC 9525 section 6.3: by its SAN. Node falls back to the common name where a certificate has none, so it is shown no subject. */
function namedBySan(host: string, certificate: PeerCertificate): Error | undefined {
  return checkServerIdentity(host, { ...certificate, subject: {} as PeerCertificate['subject'] })
}

/** A name is looked up once, and what came of it was judged: asked again, it could lead elsewhere. */
function onlyAt({ addresses }: Place): LookupFunction {
  return (_, { all }, done) => {
    const [first] = addresses
    if (all) done(null, [...addresses])
    else done(null, first!.address, first!.family)
  }
}

function noConnection({ host }: URL): CallFailed {
  return new CallFailed('server_unreachable', `${host} made no connection within ${CONNECT_MS} ms; see that it runs`)
}

function told({ host }: URL, { code = 'no code' }: NodeJS.ErrnoException, stage: Stage): CallFailed {
  // Codes of the system tell of the network, and all others, before a handshake is over, of TLS.
  const isNetwork = /^E[A-Z]+$/.test(code) && code !== 'EPROTO'
  if (stage === 'sent') return new CallFailed('answer_missing', `${host} ended the connection (${code})`, true)
  if (stage === 'nothing' || isNetwork) {
    const wayOut = 'see that it runs, and that its URL is right'
    return new CallFailed('server_unreachable', `${host} cannot be reached (${code}); ${wayOut}`)
  }
  const wayOut = 'name the root of its certificate by --ca-file, and a URL with a name that is in it'
  return new CallFailed('server_untrusted', `${host} did not prove who it is (${code}), and got nothing; ${wayOut}`)
}

/** An answer to its last byte. @throws CallFailed */
export async function answerOf(url: URL, response: IncomingMessage): Promise<Answer> {
  const { statusCode: status = 0, headers } = response
  return { status, headers, body: await bodyOf(url, response) }
}

async function bodyOf({ host }: URL, response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of response) {
      chunks.push(chunk)
      size += chunk.length
      if (size > LARGEST_ANSWER) break
    }
  } catch {
    throw new CallFailed('answer_missing', `${host} ended the connection before its answer did`, true)
  }
  if (size <= LARGEST_ANSWER) return Buffer.concat(chunks)
  throw new CallFailed('answer_invalid', `${host} answered more than ${LARGEST_ANSWER} bytes; is it a node?`)
}
