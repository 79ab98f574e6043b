import { guard } from '../../shared/guard.ts'
import type { StartFailure } from '../../shared/start-failure.ts'

export interface StartContext {
  /** Looks for the first thing that is wrong. */
  find(): StartFailure | undefined
  /** What was found. */
  failure?: StartFailure
}

/** What can be wrong with a token that we are to present to a peer. */
export const PEER_TOKEN_REASONS = [
  'peer_token_missing',
  'peer_token_malformed',
  'peer_token_subject_mismatch',
  'peer_token_audience_mismatch',
  'peer_token_expired',
  'peer_token_bound_elsewhere',
] as const

/** What must be right before a socket is opened. */
export const startConfig = guard<StartContext>('start.config', ['config_invalid', ...PEER_TOKEN_REASONS], (context) => {
  context.failure = context.find()
  return context.failure === undefined ? undefined : { reason: context.failure.reason, status: null }
})
