import { bearerLeader } from '../guards/leader.ts'
import { refuseBy } from '../guards/refuse.ts'
import type { Answer, Call } from '../listener/route.ts'
import type { Leadership } from './leader.ts'
import type { Membership } from './membership.ts'
import { type PeerAnswer, PeerCallFailed, type PeerMessages } from './peer-calls.ts'

export interface ForwardParts {
  readonly membership: Membership
  readonly leadership: Leadership
  readonly messages: PeerMessages
}

/** Information for the caller and the records of others; nobody accepts anything because of it. */
const PROXIED_BY = 'holdfast-proxied-by'
const PROXIED_TO = 'holdfast-proxied-to'

const WITHIN_MS = 10_000
const HANDED_ON = ['content-type', 'location', 'retry-after'] as const

/**
 * Hands the leader's business on to the leader, with the token of this node: the caller was judged here, and its own goes no further. Throws
 * `Refusal` (`leader_unknown`) where nobody is known to lead, and for what was handed on before.
 */
export async function forward(call: Call, { membership, leadership, messages }: ForwardParts): Promise<Answer> {
  const leader = leadership.leader()
  const isKnown = leader !== undefined && leader.id !== membership.self.id && call.headers[PROXIED_BY] === undefined
  refuseBy(bearerLeader, { isKnown })
  const { id } = leader!
  try {
    const answer = await messages.raw(id, {
      ...{ method: 'POST', path: call.path, body: call.body, timeoutMs: WITHIN_MS, signal: call.signal },
      headers: headersOf(call, membership.self.id),
    })
    return answerOf(answer, id, membership)
  } catch (failure) {
    if (failure instanceof PeerCallFailed) return unanswered(failure, id, membership)
    throw failure
  }
}

function headersOf({ headers, requestId }: Call, self: string): Record<string, string> {
  const key = headers['idempotency-key']
  return {
    'content-type': headers['content-type'] ?? 'application/json',
    ...(typeof key === 'string' && { 'idempotency-key': key }),
    'holdfast-request-id': requestId,
    [PROXIED_BY]: self,
  }
}

function answerOf(answer: PeerAnswer, leader: string, membership: Membership): Answer {
  // It was this node that was refused, and not its caller.
  if (answer.status === 401) return unreachable(leader, membership)
  const kept = HANDED_ON.map((name) => [name, answer.headers[name]] as const).filter(([, value]) => value !== undefined)
  return {
    status: answer.status,
    headers: { ...(Object.fromEntries(kept) as Record<string, string>), [PROXIED_TO]: leader },
    body: answer.body.toString('utf8'),
  }
}

function unanswered({ kind }: PeerCallFailed, leader: string, membership: Membership): Answer {
  if (kind !== 'timeout') return unreachable(leader, membership)
  return { status: 504, headers: { [PROXIED_TO]: leader }, body: { error: 'leader_timeout', leader } }
}

function unreachable(leader: string, { others }: Membership): Answer {
  const attempted = others.find(({ id }) => id === leader)?.url
  return { status: 502, headers: { [PROXIED_TO]: leader }, body: { error: 'leader_unreachable', leader, attempted } }
}
