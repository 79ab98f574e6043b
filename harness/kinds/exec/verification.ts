import { durationSeconds } from '../../topology/duration.ts'
import type { ActionVerification, CheckName, VerificationCheck } from '../../topology/verification.ts'
import { tlsChecks } from '../tls-checks.ts'
import type { ExecSettings } from './settings.ts'

/** What servers answer that judge a certificate after the handshake: in HTTP, with a status of their own choice. */
const certificateStatuses = [400, 401, 403, 495, 496]

export interface ExecTrust {
  node: string
  domain: string
  issuer: string
  audiences: string[]
}

/**
 * How a resource server judges its callers: RFC 6750 section 3.1, RFC 8705 section 3, RFC 9068 section 4. Nobody knows in which
 * order a foreign one looks at a token; as all of its refusals are the same answer, the order of the standard will do.
 */
export function execVerification(
  settings: ExecSettings,
  { node, domain, issuer, audiences }: ExecTrust,
): ActionVerification {
  const { token, scope = '', keys } = settings
  return {
    carrier: token,
    anchors: [domain],
    operators: [],
    ...{ issuer, audiences, scope, node, callers: {} },
    ...(typeof keys === 'object' && { learnsKeysWithinMs: (durationSeconds(keys.issuer) ?? 0) * 1000 }),
    order: token === 'none' ? certificateChecks(settings) : [...certificateChecks(settings), ...tokenChecks(settings)],
  }
}

/** A listener that only asks for a certificate lets callers without one come as far as the binding of their token. */
function certificateChecks({ clientCertificate, token }: ExecSettings): VerificationCheck[] {
  const all = tlsChecks('listener.tls').map((check) => ({ ...check, orStatuses: certificateStatuses }))
  const isDemanded = clientCertificate === 'required' || token === 'none'
  return all.filter(({ check }) => isDemanded || check !== 'certificate-presented')
}

function tokenChecks({ answers, scope, introspects, keys }: ExecSettings): VerificationCheck[] {
  const bad = (check: CheckName, guard: string, reason: string) => atHttp(check, guard, reason, answers.badToken)
  const checks = [
    atHttp('token-presented', 'token.carrier', 'token_missing', answers.noToken),
    bad('token-issuer', 'token.issuer', 'issuer_untrusted'),
    ...(keys === 'file' ? [] : [bad('token-key', 'token.signature', 'kid_unknown')]),
    bad('token-signature', 'token.signature', 'signature_invalid'),
    bad('token-not-expired', 'token.time', 'token_expired'),
    bad('token-begun', 'token.time', 'token_not_yet_valid'),
    bad('token-audience', 'token.audience', 'audience_mismatch'),
    bad('token-bound', 'token.binding', 'cnf_missing'),
    bad('token-binding', 'token.binding', 'cnf_x5t_mismatch'),
  ]
  if (introspects) checks.push(bad('token-active', 'token.active', 'token_inactive'))
  if (scope !== undefined) checks.push(atHttp('token-scope', 'token.scope', 'scope_insufficient', answers.scope))
  return checks
}

function atHttp(check: CheckName, guard: string, reason: string, answer: string): VerificationCheck {
  const [status, error = null] = answer.split(' ')
  return { check, guard, reason, layer: 'http', status: Number(status), error }
}
