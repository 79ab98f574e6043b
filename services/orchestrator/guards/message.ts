import { guard, type Refusal } from '../../shared/guard.ts'
import type { CloseCode, Message } from '../wire.ts'

/** One frame on an established session. */
export interface MessageContext {
  /** Which side we are: the dialer sends updates, the acceptor never does. */
  readonly side: 'acceptor' | 'dialer'
  /** What the frame says; undefined where it is no message of this protocol, as a binary one is none. */
  readonly message: Message | undefined
  readonly hasOpened: boolean
  readonly expectedSeq: number
  /** The node that must be at the other end. */
  readonly expectedNode: string
  /** Scope of the token behind the session; undefined for what the acceptor sends. */
  readonly scope: string | undefined
}

/** A refusal that ends the session: `error` is the code of the `close` message. */
export function ending(reason: string, code: CloseCode): Refusal {
  return { reason, status: null, error: code }
}

export const messageForm = guard<MessageContext>(
  'msg.form',
  ['message_malformed', 'message_out_of_order'],
  ({ side, message, hasOpened, expectedSeq }) => {
    if (message === undefined) return ending('message_malformed', 'protocol_error')
    if (message.type === 'close') return undefined
    if ((message.type === 'open') === hasOpened) return ending('message_out_of_order', 'protocol_error')
    if (message.type === 'update' && side === 'dialer') return ending('message_out_of_order', 'protocol_error')
    if (message.type !== 'open' && message.seq !== expectedSeq) {
      return ending('message_out_of_order', 'protocol_error')
    }
    return undefined
  },
)

/** Whoever opens must be the one whose token was admitted: a session never speaks for another node. */
export const messageOpen = guard<MessageContext>(
  'msg.open',
  ['subject_mismatch', 'version_unsupported'],
  ({ message, expectedNode }) => {
    if (message?.type !== 'open') return undefined
    if (message.version !== 1) return ending('version_unsupported', 'protocol_error')
    return message.node === expectedNode ? undefined : ending('subject_mismatch', 'forbidden')
  },
)

export const messageScope = guard<MessageContext>('msg.scope', ['scope_insufficient'], ({ message, scope }) =>
  message?.type !== 'update' || scope?.split(' ').includes('peer:announce')
    ? undefined
    : ending('scope_insufficient', 'forbidden'),
)

/** Pings that came within one second. */
const MOST_PINGS = 10

/** A ping makes us answer, whatever the session's state: more of them than anybody needs are an attack. */
export const messagePace = guard<{ pings: number }>('msg.pace', ['ping_flood'], ({ pings }) =>
  pings > MOST_PINGS ? ending('ping_flood', 'protocol_error') : undefined,
)
