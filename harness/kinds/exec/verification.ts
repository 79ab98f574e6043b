import { durationSeconds } from '../../topology/duration.ts'
import type { ActionVerification, PlannedCheck } from '../../topology/verification.ts'
import { type RefusedAnswer, tlsChecks, tokenCheck, tokenChecks } from '../checks.ts'
import { pastTheProxy } from './proxies/behind.ts'
import type { ExecSettings } from './settings.ts'

/** What servers answer that judge a certificate after the handshake: in HTTP, with a status of their own choice. */
const certificateStatuses = [400, 401, 403, 495, 496]

/**
 * How a resource server judges its callers: RFC 6750 section 3.1, RFC 8705 section 3, RFC 9068 section 4. Nobody knows in which
 * order a foreign one looks at a token; as all of its refusals are the same answer, the order of the standard will do.
 */
export function execVerification(
  settings: ExecSettings,
  { domain, ...trust }: { domain: string; issuer: string; audiences: readonly string[] },
): ActionVerification {
  const { clientCertificate, token } = settings
  // A listener that only asks for a certificate lets callers without one come as far as the binding of their token.
  const isDemanded = clientCertificate === 'required' || token === 'none'
  const ofCertificate = tlsChecks('listener.tls', [domain])
    .filter(({ check }) => isDemanded || check !== 'certificate/presented')
    .map((one) => ({ ...one, orStatuses: certificateStatuses }))
  const ways = pastTheProxy(settings, certificateStatuses)
  return token === 'none'
    ? { takes: [['certificate']], checks: ofCertificate, ways }
    : { takes: [['certificate', 'bound-token']], checks: [...ofCertificate, ...ofToken(settings, trust)], ways }
}

function ofToken(
  { answers, scope, introspects, keys, leeway }: ExecSettings,
  trust: { issuer: string; audiences: readonly string[] },
): PlannedCheck[] {
  const bad = read(answers.badToken)
  const key = typeof keys === 'object' ? { withinMs: durationSeconds(keys.issuer) * 1000 } : undefined
  const proof = keys === 'file' ? (['signature'] as const) : (['key', 'signature'] as const)
  const time = { skewSeconds: durationSeconds(leeway) }
  const carrier = { guard: 'token.carrier', reason: 'token_missing', layer: 'http', ...read(answers.noToken) } as const
  return [
    { check: 'bound-token/presented', ...carrier },
    ...tokenChecks(trust, { proof, key, time }, bad),
    ...(introspects ? [tokenCheck('active', bad)] : []),
    ...(scope === undefined ? [] : [tokenCheck('scope', read(answers.scope), { scope })]),
  ]
}

function read(answer: string): RefusedAnswer {
  const [status, error = null] = answer.split(' ')
  return { status: Number(status), error }
}
