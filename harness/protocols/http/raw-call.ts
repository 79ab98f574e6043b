import { HoldfastError } from '../../errors.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Called } from '../protocol.ts'
import { calledBy, type HttpAnswer } from './answer.ts'
import { type Answer, type Request, requestText } from './exchange.ts'
import { rawExchange, type Segments } from './raw-exchange.ts'

/** The far end ends a connection after its first answer, so that nothing can be said over it again. Code `HOLDFAST_CONNECTION_NOT_KEPT`. */
export class ConnectionNotKept extends HoldfastError {
  constructor({ host, port }: Pick<Endpoint, 'host' | 'port'>) {
    const what = `${host}:${port} ends each connection after one answer`
    super('HOLDFAST_CONNECTION_NOT_KEPT', `${what}: there is no second request over one that was accepted`)
  }
}

/** A request in bytes. */
export interface RawCall {
  /** What is sent, segment by segment: made from the text of the request as it would be sent otherwise. */
  readonly bytes: (text: string) => Segments
  /** Without any TLS. */
  readonly isPlain?: boolean
}

/** What an action promises. */
export interface Promised {
  isPromised(answer: Pick<Answer, 'status' | 'failure'>): boolean
  /** What the far end says once it has upgraded. */
  readonly untilTexts?: readonly string[]
}

/** Sends a request as bytes, and hears whatever the far end has to say until it closes, or said what was promised after an upgrade. */
export async function sendRaw(
  endpoint: Endpoint,
  request: Request,
  { bytes, isPlain }: RawCall,
  { isPromised, untilTexts }: Promised,
): Promise<Called<HttpAnswer>> {
  const text = requestText(endpoint, request)
  const segments = bytes(text).map(inLatin1)
  const heard = await rawExchange(
    { ...endpoint, timeoutMs: endpoint.timeoutMs ?? 3_000 },
    { steps: [segments], isPlain, until: untilTexts ?? 'closed' },
  )
  const { answers, isClosed } = heard
  const promised = answers.some(isPromised) && (untilTexts ?? []).every((one) => heard.text.includes(one))
  const sent = Buffer.concat(segments).toString('latin1')
  return { ...calledBy(heard, () => promised, { answers: answers.length, isClosed }), sent, came: heard.text }
}

/** Sends one request and, when it was answered, another one over the same connection. @throws ConnectionNotKept */
export async function sendAfter(
  endpoint: Endpoint,
  first: Request,
  request: Request,
  isPromised: Promised['isPromised'],
): Promise<Called<HttpAnswer>> {
  const kept = { ...first, headers: [...first.headers, ['Connection', 'keep-alive'] as const] }
  const steps = [[requestText(endpoint, kept)], [requestText(endpoint, request)]]
  const heard = await rawExchange(endpoint, { steps })
  const [, second = { status: null, body: '', headers: [] }] = heard.answers
  if (heard.answers.length === 1 && heard.isClosed) throw new ConnectionNotKept(endpoint)
  return calledBy({ ...heard, ...second }, isPromised)
}

function inLatin1(segment: string | Uint8Array): Uint8Array {
  return typeof segment === 'string' ? Buffer.from(segment, 'latin1') : segment
}
