import { durationSeconds } from '../../topology/duration.ts'
import type { ActionVerification, PlannedCheck } from '../../topology/verification.ts'
import { tlsChecks } from '../tls-checks.ts'
import { type HttpAnswer, tokenCheck, tokenChecks } from '../token-checks.ts'
import type { ExecSettings } from './settings.ts'

/** What servers answer that judge a certificate after the handshake: in HTTP, with a status of their own choice. */
const certificateStatuses = [400, 401, 403, 495, 496]

export interface ExecTrust {
  domain: string
  issuer: string
  audiences: string[]
}

/**
 * How a resource server judges its callers: RFC 6750 section 3.1, RFC 8705 section 3, RFC 9068 section 4. Nobody knows in which
 * order a foreign one looks at a token; as all of its refusals are the same answer, the order of the standard will do.
 */
export function execVerification(settings: ExecSettings, trust: ExecTrust): ActionVerification {
  const ofCertificate = certificateChecks(settings, trust)
  return settings.token === 'none'
    ? { takes: [['certificate']], checks: ofCertificate }
    : { takes: [['certificate', 'bound-token']], checks: [...ofCertificate, ...ofToken(settings, trust)] }
}

/** A listener that only asks for a certificate lets callers without one come as far as the binding of their token. */
function certificateChecks({ clientCertificate, token }: ExecSettings, { domain }: ExecTrust): PlannedCheck[] {
  const all = tlsChecks('listener.tls', [domain]).map((one) => ({ ...one, orStatuses: certificateStatuses }))
  const isDemanded = clientCertificate === 'required' || token === 'none'
  return all.filter(({ check }) => isDemanded || check !== 'certificate/presented')
}

function ofToken(settings: ExecSettings, { issuer, audiences }: ExecTrust): PlannedCheck[] {
  const { answers, scope, introspects, keys } = settings
  const bad = read(answers.badToken)
  const key = typeof keys === 'object' ? { withinMs: (durationSeconds(keys.issuer) ?? 0) * 1000 } : undefined
  const proof = keys === 'file' ? (['signature'] as const) : (['key', 'signature'] as const)
  const carrier = { guard: 'token.carrier', reason: 'token_missing', layer: 'http', ...read(answers.noToken) } as const
  return [
    { check: 'bound-token/presented', ...carrier },
    ...tokenChecks({ issuer, audiences }, { proof, key }, bad),
    ...(introspects ? [tokenCheck('active', bad)] : []),
    ...(scope === undefined ? [] : [tokenCheck('scope', read(answers.scope), { scope })]),
  ]
}

function read(answer: string): HttpAnswer {
  const [status, error = null] = answer.split(' ')
  return { status: Number(status), error }
}
