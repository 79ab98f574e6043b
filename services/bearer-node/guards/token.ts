import { invalidToken } from '../../shared/bearer.ts'
import { guard } from '../../shared/guard.ts'
import type { AcceptedTokens } from '../token/accepted.ts'

export interface Presenting {
  /** Undefined: this node has none, and compares nothing. */
  readonly tokens: Pick<AcceptedTokens, 'standing'> | undefined
  /** SHA-256 of what was presented, if anything was. */
  readonly digest: Buffer | undefined
}

export const bearerToken = guard<Presenting>('bearer.token', ['token_unknown', 'token_ended'], ({ tokens, digest }) => {
  if (tokens === undefined || digest === undefined) return undefined
  const standing = tokens.standing(digest)
  return standing === 'accepted' ? undefined : invalidToken(`token_${standing}`)
})
