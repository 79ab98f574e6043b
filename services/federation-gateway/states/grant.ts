import { guard } from '../../shared/guard.ts'
import { refused } from '../wire/errors.ts'

export const GRANT_STATUSES = ['pending', 'active', 'revoked', 'expired'] as const
export type GrantStatus = (typeof GRANT_STATUSES)[number]

/** `enrol`: a certificate was registered for it. `rescope`: its scope was changed. `rights-changed`: those of its subject were. */
export type GrantEvent = 'enrol' | 're-enrol' | 'rescope' | 'revoke' | 'expire' | 'rights-changed'

export interface GrantState {
  readonly status: GrantStatus
  /** Grows with every change of status, of scope and of the subject's rights: askers tell by it whether an answer still holds. */
  readonly epoch: number
}

/** Where an event leads. `revoked` and `expired` are final: only what changes nothing is possible there. */
const AFTER: Readonly<Record<GrantStatus, Readonly<Partial<Record<GrantEvent, GrantStatus>>>>> = {
  pending: { enrol: 'active', rescope: 'pending', revoke: 'revoked', expire: 'expired', 'rights-changed': 'pending' },
  active: {
    ...{ 're-enrol': 'active', rescope: 'active', revoke: 'revoked', expire: 'expired' },
    'rights-changed': 'active',
  },
  revoked: { revoke: 'revoked', expire: 'revoked', 'rights-changed': 'revoked' },
  expired: { expire: 'expired', 'rights-changed': 'expired' },
}

/** Events that change nothing of what askers know, though they are allowed. */
const SILENT: ReadonlySet<GrantEvent> = new Set<GrantEvent>(['re-enrol'])

/** The state after an event; the very same object where nothing changes, and undefined where the event is not allowed. */
export function grantAfter(grant: GrantState, event: GrantEvent): GrantState | undefined {
  const status = AFTER[grant.status][event]
  if (status === undefined) return undefined
  const isFinal = grant.status === 'revoked' || grant.status === 'expired'
  if (isFinal || SILENT.has(event)) return grant
  return { status, epoch: grant.epoch + 1 }
}

/** The status that counts at this moment: time ends a grant before the sweep has stored that it did. `now`: milliseconds since 1970. */
export function statusAt(
  { status, expiresAt }: { status: GrantStatus; expiresAt: Date | null },
  now: number,
): GrantStatus {
  const isLive = status === 'pending' || status === 'active'
  return isLive && expiresAt !== null && expiresAt.getTime() <= now ? 'expired' : status
}

/** What an administrator wants of a grant. */
export interface WantedTransition {
  readonly grant: { readonly status: GrantStatus; readonly epoch: number; readonly expiresAt: Date | null }
  readonly event: GrantEvent
  readonly now: number
}

/** Also what is answered where a grant has moved on since it was looked at. */
export const GRANT_TRANSITION = refused('conflict', 'grant_transition')

export const admTransition = guard<WantedTransition>(
  'adm.transition',
  ['grant_transition'],
  ({ grant, event, now }) => {
    const after = grantAfter({ status: statusAt(grant, now), epoch: grant.epoch }, event)
    return after === undefined ? GRANT_TRANSITION : undefined
  },
)
