import type { RawCall } from '../http/raw-call.ts'
import type { AnswerBase, Call, Called, Prepared, Protocol } from '../protocol.ts'
import type { Frame, Session } from '../session.ts'
import { type Failure, tried } from '../tls/connect.ts'
import type { Handshake } from '../tls/handshake.ts'
import { wireElement } from '../wire-element.ts'
import type { ChangedLogin } from './login.ts'
import { natsCommand } from './nats-command.ts'
import { type NatsRequest, request } from './request.ts'

export interface NatsAnswer extends AnswerBase {
  /** There is none in NATS. */
  readonly status: null
  /** Whether the far end kept the connection. */
  readonly isOpen: boolean
  /** What was delivered until then. */
  readonly messages: readonly Frame[]
}

export interface NatsExpected {
  /** The text of `-ERR`, or what stands before ` for ` in it: `Permissions Violation`. Left out: the connection ends without one. */
  error?: string
  /** There is none in NATS. */
  status?: number
}

/** What a call does otherwise than its action says. */
export interface NatsOptions {
  /** Something else than the action: everything that is done once the login is taken. */
  does?: NatsRequest
  /** What `CONNECT` says otherwise: a signature of something else, say. */
  connect?: ChangedLogin
  /** Lines of headers of what is published. */
  headers?: readonly (readonly [name: string, value: string])[]
  handshake?: Handshake
  /** The login as bytes, made from its own line; `isPlain`: right behind the server's greeting, without any TLS. */
  raw?: RawCall
}

/** What a call has seen, as far as it came. */
export interface Seen {
  conn: string
  failure?: Failure
  body: string
  error: string | null
  /** Whether the login was taken. */
  isIn: boolean
  isOpen: boolean
  sent: string
  came: string
  session?: Session
}

/** How a login is refused, whatever the reason. */
export const authorizationViolation = 'Authorization Violation'
/** What begins the refusal of somebody who is in, and stays so. */
const permissionsViolation = 'Permissions Violation'

/** A login to a NATS broker, over TLS, and one thing that is done then. */
export const nats: Protocol<NatsRequest, NatsAnswer, NatsExpected, NatsOptions> = {
  name: 'nats',
  request,
  options: ['does', 'connect', 'headers', 'handshake', 'raw'],
  layer: 'broker',
  prepare,
  problems,
  // A login that is taken has no word of its own: `PONG` answers the ping behind it.
  text: ({ error, isOpen }) => error ?? (isOpen ? 'PONG' : undefined),
  wanted: ({ error }) => error,
  read: (error) => ({ error }),
  paste: natsCommand,
  pastes: 'nats',
}

/** A connection is kept where a permission is missing, and ends with everything else. */
function problems({ error, isOpen }: NatsAnswer, { error: expected, status }: NatsExpected): string[] {
  const isKept = expected?.startsWith(permissionsViolation) === true
  const isExpected = error === (expected ?? null) || (expected !== undefined && error?.startsWith(`${expected} for `))
  return [
    ...(status === undefined ? [] : [`a broker answers with no status, expected ${status}`]),
    ...(isExpected ? [] : [`-ERR ${error ?? 'none'}, expected ${expected ?? 'none'}`]),
    ...(isOpen === isKept
      ? []
      : [`the connection was ${isOpen ? 'kept, expected its end' : 'ended, expected to be kept'}`]),
  ]
}

function prepare(call: Call<NatsRequest, NatsOptions>): Prepared<NatsAnswer, NatsOptions> {
  const { request: declared, presented, before, options } = call
  if (before !== undefined) throw new TypeError('a connection has one login: no call can go first over it')
  const { handshake, raw, connect, ...rest } = options
  const asked = rest.does ?? declared
  const { creds, token } = presented
  return {
    elements: {
      ...{ login: wireElement(connect), wire: wireElement(handshake, raw) },
      ...{ does: JSON.stringify(rest.does ?? {}), headers: JSON.stringify(rest.headers ?? []) },
    },
    // Whoever says something else in his login may have left it out.
    carried: connect || raw ? [] : [...(creds ? ['creds' as const] : []), ...(token ? ['token' as const] : [])],
    plain: plainOf(options),
    async send(to) {
      const { converse } = await import('./conversation.ts')
      const endpoint = { ...to, identity: presented.certificate, handshake: { alpn: [], ...handshake } }
      const nothing: Seen = { conn: '', body: '', error: null, isIn: false, isOpen: false, sent: '', came: '' }
      const seen = await tried(nothing, (seen) => converse(endpoint, presented, asked, options, seen))
      return calledBy(seen, asked)
    },
  }
}

/** Without what stands in the place of the credential; else without what differs below; else what the action does. */
function plainOf({ connect, handshake, raw, ...rest }: NatsOptions): Prepared<NatsAnswer, NatsOptions>['plain'] {
  if (connect !== undefined) return { element: 'login', options: { ...rest, handshake, raw }, isCredential: true }
  if (handshake !== undefined || raw !== undefined) return { element: 'wire', options: rest, isCredential: false }
  const { does, ...others } = rest
  return does === undefined ? undefined : { element: 'does', options: others, isCredential: false }
}

function calledBy(
  { conn, ms, body, error, failure, isIn, isOpen, sent, came, session }: Seen & { ms: number },
  { ask }: NatsRequest,
): Called<NatsAnswer> {
  const messages = session?.frames ?? []
  const isAnswered = ask === undefined || messages.some(({ status }) => status === undefined)
  return {
    answer: { status: null, error, body, failure, isOpen, messages },
    ...{ conn, ms, session, sent, came, text: came },
    promised: isIn && isOpen && error === null && isAnswered,
    // Whoever is in and is refused then was let in first.
    ...(isIn && error !== null && { letInBy: 'nats:login' }),
  }
}
