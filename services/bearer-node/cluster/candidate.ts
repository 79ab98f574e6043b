import { StorageUnavailable } from '../../shared/sqlite.ts'
import { Refusal } from '../listener/route.ts'
import type { Membership } from './membership.ts'
import { type JsonAnswer, PeerCallFailed, type PeerMessages } from './peer-calls.ts'
import type { Voter } from './voter.ts'

export interface CandidateParts {
  readonly membership: Membership
  readonly voter: Voter
  readonly messages: PeerMessages
  readonly leaseMs: number
}

export interface Stand {
  readonly epoch: number
  readonly takeover: boolean
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  /** Each voter that granted, the late ones too. */
  onGranted(voter: string): void
}

export interface RoundResult {
  readonly isWon: boolean
  /** How long a lease of an earlier epoch runs still, as far as a voter told; 0: none does. */
  readonly heldMs: number
}

type Vote = { readonly granted: true } | { readonly granted: false; readonly heldMs: number }

const REFUSED: Vote = { granted: false, heldMs: 0 }

/**
 * Asks every voter for the lease of one epoch, itself first: so its own record has the epoch before anybody else's has. Resolves once a
 * majority granted, or when all have answered and none did.
 */
export function requestLease(parts: CandidateParts, stand: Stand): Promise<RoundResult> {
  const { membership } = parts
  const [own, others] = [membership.self.id, membership.voters.filter((id) => id !== membership.self.id)]
  return new Promise((resolve) => {
    let [granted, open, heldMs] = [0, membership.voters.length, 0]
    const count = (voter: string, vote: Vote): void => {
      open -= 1
      if (vote.granted) {
        granted += 1
        stand.onGranted(voter)
      } else heldMs = Math.max(heldMs, vote.heldMs)
      if (granted >= membership.majority) resolve({ isWon: true, heldMs })
      else if (open === 0) resolve({ isWon: false, heldMs })
    }
    const vote = ownVote(parts, stand)
    // Whoever does not trust itself with the lease asks nobody.
    if (!vote.granted) return resolve({ isWon: false, heldMs: vote.heldMs })
    count(own, vote)
    for (const id of others) void ask(parts, id, stand).then((answer) => count(id, answer))
  })
}

function ownVote({ membership, voter, leaseMs }: CandidateParts, { epoch, takeover }: Stand): Vote {
  try {
    voter.decide({ candidate: membership.self.id, epoch, leaseMs, takeover })
    return { granted: true }
  } catch (failure) {
    if (failure instanceof StorageUnavailable) return REFUSED
    if (failure instanceof Refusal) return { granted: false, heldMs: voter.remainingMs() }
    throw failure
  }
}

async function ask(parts: CandidateParts, id: string, stand: Stand): Promise<Vote> {
  const { membership, messages, leaseMs } = parts
  const { epoch, takeover, timeoutMs, signal } = stand
  const { cluster, hash, self } = membership
  try {
    const answer = await messages.send(id, {
      ...{ method: 'POST', path: '/v1/election/lease', timeoutMs, ...(signal && { signal }) },
      json: { cluster, candidate: self.id, epoch, leaseMs, membership: hash, takeover },
    })
    return voteOf(parts, stand, answer)
  } catch (failure) {
    if (failure instanceof PeerCallFailed) return REFUSED
    throw failure
  }
}

function voteOf({ voter, leaseMs }: CandidateParts, { epoch }: Stand, { status, body }: JsonAnswer): Vote {
  if (status === 200) return { granted: true }
  if (body.error === 'stale_epoch' && isEpoch(body.epoch)) voter.learn(body.epoch)
  // One of the same epoch is that of a rival, who may give it back.
  if (body.error !== 'lease_held' || body.epoch === epoch) return REFUSED
  const { remainingMs } = body
  return { granted: false, heldMs: typeof remainingMs === 'number' ? Math.min(remainingMs, 2 * leaseMs) : 0 }
}

export function isEpoch(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}
