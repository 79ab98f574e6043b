import { type Answer, type Endpoint, type Request, requestText } from '../protocols/http/exchange.ts'
import { type RawExchange, rawExchange, type Segments } from '../protocols/http/raw-exchange.ts'
import type { Sent } from './call.ts'

/** A request in bytes. */
export interface RawCall {
  /** What is sent, segment by segment: made from the text of the request as it would be sent otherwise. */
  readonly bytes: (text: string) => Segments
  /** Without any TLS. */
  readonly isPlain?: boolean
}

type IsPromised = (answer: Pick<Answer, 'status' | 'failure'>) => boolean

/** The first frame that an acceptor sends: its text is not masked (RFC 6455 section 5.1). */
const opening = '"type":"open"'

/** Sends a request as bytes, and hears whatever the far end has to say until it closes, or opens a session. */
export async function sendRaw(
  endpoint: Endpoint,
  request: Request & { protocol?: string },
  { bytes, isPlain }: RawCall,
  isPromised: IsPromised,
): Promise<Sent> {
  const isUpgrade = request.protocol !== undefined
  const text = requestText(endpoint, isUpgrade ? asUpgrade(request) : request)
  const until = isUpgrade ? { untilText: opening } : { untilClosed: true }
  const heard = await rawExchange(
    { timeoutMs: 3_000, ...defined(endpoint) },
    { steps: [bytes(text).map(inLatin1)], isPlain, ...until },
  )
  const { answers, isClosed, text: all } = heard
  const promised = isUpgrade ? heard.status === 101 && all.includes(opening) : answers.some(isPromised)
  return { answer: answerOf(heard), promised, wire: { answers: answers.length, isClosed } }
}

/** Sends one request and, when it was answered, another one over the same connection. */
export async function sendAfter(
  endpoint: Endpoint,
  first: Request,
  request: Request,
  isPromised: IsPromised,
): Promise<Sent> {
  const kept = { ...first, headers: [...first.headers, ['Connection', 'keep-alive'] as const] }
  const steps = [[requestText(endpoint, kept)], [requestText(endpoint, request)]]
  const heard = await rawExchange(endpoint, { steps })
  const [, second] = heard.answers
  const answer = { ...answerOf(heard), ...(second === undefined ? { status: null, body: '', headers: [] } : second) }
  return { answer, promised: isPromised(answer) }
}

function asUpgrade({ method, path, headers, protocol }: Request & { protocol?: string }): Request {
  return {
    method,
    path,
    headers: [
      ['Connection', 'Upgrade'],
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Version', '13'],
      // The key of RFC 6455 section 1.3: it only has to be 16 bytes in base64.
      ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
      ['Sec-WebSocket-Protocol', protocol ?? ''],
      ...headers,
    ],
  }
}

function answerOf({ answers: _, isClosed: __, text: ___, ...answer }: RawExchange): Answer {
  return answer
}

function inLatin1(segment: string | Uint8Array): Uint8Array {
  return typeof segment === 'string' ? Buffer.from(segment, 'latin1') : segment
}

function defined(endpoint: Endpoint): Endpoint {
  const { timeoutMs, ...rest } = endpoint
  return timeoutMs === undefined ? rest : endpoint
}
