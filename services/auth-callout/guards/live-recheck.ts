import { claimsOf } from '../../shared/bound-token.ts'
import { guard } from '../../shared/guard.ts'
import { tokenActive } from '../../shared/token-active.ts'
import type { LoginContext } from './callout-login.ts'

/** Of somebody who is in, judged again: with the hosts and the time of now. */
export const liveRecheck = guard<LoginContext>(
  'live.recheck',
  ['host_undeclared', 'certificate_ended', 'token_ended'],
  async (context) => {
    const { policy, request, hosts } = context
    const ended = (reason: string) => ({ reason, status: null })
    const { sub, exp } = claimsOf(context)
    const declared = hosts[String(sub)]
    if (declared === undefined || !request.certificate?.sans.includes(declared.host)) return ended('host_undeclared')
    if (request.certificate.notAfter <= policy.now()) return ended('certificate_ended')
    if (Number(exp) + policy.clockSkewSeconds <= policy.now() / 1000) return ended('token_ended')
    if (policy.mode === 'jwks') return undefined
    const refusal = await tokenActive.check({ ...context, isLive: true })
    // Nobody is put out because the auth server does not answer: the login ends by itself soon.
    return refusal === undefined || refusal.reason === 'auth_unavailable' ? undefined : ended('token_ended')
  },
)
