import { ChallengeMalformed, readChallenges } from '../protocols/http/challenge.ts'
import { type Answer, type Endpoint, exchange, type HeaderLines, headerValues } from '../protocols/http/exchange.ts'
import type { Handshake } from '../protocols/tls/handshake.ts'
import { type Session, upgrade } from '../protocols/websocket/web-socket.ts'
import { inspectToken } from '../tokens/inspect.ts'
import type { Credential, Presented } from './credential.ts'
import type { CallShape } from './ledger.ts'
import { type RawCall, sendAfter, sendRaw } from './raw-call.ts'
import type { Target } from './targets.ts'
import type { Verdict } from './verdict.ts'

/** What a call does otherwise than its action says. */
export interface CallOptions {
  /** Header lines that take the place of the token's carrier: two of them, another scheme, none. Sent as they are. */
  headers?: HeaderLines
  /** Another listener of the same unit. */
  listener?: string
  method?: string
  path?: string
  json?: unknown
  form?: Readonly<Record<string, string>>
  /** Body as it is, of `application/json` unless `headers` say otherwise. */
  body?: string
  /** What the TLS handshake does otherwise. */
  handshake?: Handshake
  /** The request as bytes, made from its own text: for what no HTTP library would send. */
  raw?: RawCall
  /** Goes first over the same connection, and must be accepted; the verdict is on the call after it. */
  first?: Credential
  /** How long the far end's record is waited for. Default 6 000. */
  waitMs?: number
  timeoutMs?: number
}

export interface ShapedCall {
  readonly shape: CallShape
  readonly send: (endpoint: Endpoint) => Promise<Sent>
}

/** What the caller saw, and whether it is what the action promises. */
export interface Sent {
  readonly answer: Answer
  readonly promised: boolean
  readonly session?: Session
  /** Of a call in bytes: how many answers came, and whether the far end closed the connection. */
  readonly wire?: Verdict['wire']
}

/** Makes the request of an action with a credential. `thumbprint` is that of the presented certificate. */
export function shaped(
  from: string,
  target: Target,
  action: string,
  presented: Presented,
  thumbprint: string | undefined,
  options: CallOptions & { before?: Presented },
): ShapedCall {
  const { request, carrier } = target.action
  const bearer = presented.token === undefined || carrier === 'none' ? [] : [bearerLine(presented.token)]
  const carried = options.headers ?? bearer
  const common = {
    from,
    to: target.node,
    action,
    certificate: thumbprint ?? 'none',
    token: presented.token ?? 'none',
    bound: presented.token === undefined || inspectToken(presented.token)?.thumbprint === thumbprint,
    carried: options.headers === undefined && bearer.length > 0,
    listener: target.listener.name,
    headers: options.headers ?? [],
    wire: [options.handshake, options.raw, options.first].map(identityOf).join(' '),
  }
  if ('websocket' in request) {
    const { protocol } = request.websocket
    const path = options.path ?? request.websocket.path
    const shape = { ...common, path, method: 'GET', body: '' }
    const { raw } = options
    if (raw !== undefined) {
      const upgrading = { method: 'GET', path, headers: carried, protocol }
      return { shape, send: (endpoint) => sendRaw(endpoint, upgrading, raw, () => false) }
    }
    return { shape, send: (endpoint) => sendUpgrade(endpoint, path, protocol, carried) }
  }
  const { http } = request
  const content = contentOf({ ...http, ...options })
  const path = options.path ?? http.path
  const method = options.method ?? http.method
  const shape = { ...common, path, method, body: content?.body ?? '' }
  const headers = [...(content ? [contentType(content.type)] : []), ...carried]
  const ask = { method, path, headers, body: content?.body }
  const isPromised = (answer: Pick<Answer, 'status' | 'failure'>) =>
    answer.status !== null && !answer.failure && http.expect.includes(answer.status)
  const { raw, before } = options
  const send = async (endpoint: Endpoint): Promise<Sent> => {
    if (raw !== undefined) return sendRaw(endpoint, ask, raw, isPromised)
    if (before !== undefined) {
      const first = before.token === undefined ? [] : [bearerLine(before.token)]
      return sendAfter(endpoint, { ...ask, headers: first }, ask, isPromised)
    }
    const answer = await exchange(endpoint, ask)
    return { answer, promised: isPromised(answer) }
  }
  return { shape, send }
}

async function sendUpgrade(endpoint: Endpoint, path: string, protocol: string, headers: HeaderLines): Promise<Sent> {
  const { session, ...answer } = await upgrade(endpoint, { path, protocol, headers })
  return { answer, promised: session !== undefined, session }
}

/** What the answer says for itself: status, challenges, error code, body. */
export function readAnswer(answer: Answer) {
  const { status, body, failure } = answer
  const json = jsonOf(body)
  let wwwAuthenticate: Verdict['wwwAuthenticate'] = []
  let malformedChallenge: string | undefined
  try {
    wwwAuthenticate = headerValues(answer.headers, 'www-authenticate').flatMap(readChallenges)
  } catch (malformed) {
    if (!(malformed instanceof ChallengeMalformed)) throw malformed
    malformedChallenge = malformed.message
  }
  const [cacheControl] = headerValues(answer.headers, 'cache-control')
  const error = errorOf(status, wwwAuthenticate, json)
  return { status, body, json, failure, wwwAuthenticate, malformedChallenge, cacheControl, error }
}

/** The challenge's code, where there is a Bearer challenge (its absence is a statement too); else that of a JSON body. */
function errorOf(status: number | null, challenges: Verdict['wwwAuthenticate'], json: unknown): string | null {
  if (status === null || status < 400) return null
  const bearer = challenges.find(({ scheme }) => scheme.toLowerCase() === 'bearer')
  if (bearer !== undefined) return bearer.params.error ?? null
  const error = typeof json === 'object' && json !== null ? (json as Record<string, unknown>).error : undefined
  return typeof error === 'string' ? error : null
}

function contentOf(options: CallOptions): { type: string; body: string } | undefined {
  if (options.body !== undefined) return { type: 'application/json', body: options.body }
  if (options.form !== undefined) {
    return { type: 'application/x-www-form-urlencoded', body: new URLSearchParams(options.form).toString() }
  }
  if (options.json === undefined) return undefined
  return { type: 'application/json', body: JSON.stringify(options.json) }
}

const identities = new WeakMap<object, number>()
let known = 0

/** A number for an object, the same for the same one: functions have no text that could be compared. */
function identityOf(thing: object | undefined): number {
  if (thing === undefined) return 0
  const number = identities.get(thing) ?? ++known
  identities.set(thing, number)
  return number
}

function bearerLine(token: string): readonly [string, string] {
  return ['Authorization', `Bearer ${token}`]
}

function contentType(type: string): readonly [string, string] {
  return ['Content-Type', type]
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
