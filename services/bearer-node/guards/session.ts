import { invalidToken } from '../../shared/bearer.ts'
import { guard } from '../../shared/guard.ts'
import type { Presenting } from './token.ts'

/** What was accepted once, and goes on: judged again whenever a value came, left, or ended. */
export const bearerSession = guard<Presenting>('bearer.session', ['session_credential_ended'], ({ tokens, digest }) => {
  if (tokens === undefined || digest === undefined) return undefined
  return tokens.standing(digest) === 'accepted' ? undefined : invalidToken('session_credential_ended')
})
