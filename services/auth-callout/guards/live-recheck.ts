import { claimsOf } from '../../shared/bound-token.ts'
import { guard } from '../../shared/guard.ts'
import { tokenActive } from '../../shared/token-active.ts'
import type { LoginContext } from './callout-login.ts'

/**
 * Of somebody who is in, judged again: with the hosts of now, and with what the auth server says now. That a token or a certificate ends, the
 * broker sees to: a login lasts no longer.
 */
export const liveRecheck = guard<LoginContext>('live.recheck', ['host_undeclared', 'token_ended'], async (context) => {
  const { policy, request, hosts } = context
  const ended = (reason: string) => ({ reason, status: null })
  const declared = hosts[String(claimsOf(context).sub)]
  if (declared === undefined || !request.certificate?.sans.includes(declared.host)) return ended('host_undeclared')
  if (policy.mode === 'jwks') return undefined
  const refusal = await tokenActive.check({ ...context, isLive: true })
  // Nobody is put out because the auth server does not answer: the login ends by itself soon.
  return refusal === undefined || refusal.reason === 'auth_unavailable' ? undefined : ended('token_ended')
})
