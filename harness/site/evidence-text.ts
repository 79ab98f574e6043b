import { redact } from '../credentials/secrets.ts'
import type { DecisionRecord } from '../evidence/decision.ts'
import { effectsText, receivedText } from './judge.ts'
import type { Verdict } from './verdict.ts'

/** What a reader needs to see why: presented chain, its thumbprint, the token's binding, the decision, the first difference. */
export function explanation(verdict: Verdict): string[] {
  const { credential, from, to, action } = verdict
  const { token } = credential
  return [
    `call      ${from} -> ${to} ${action} with ${credential.label}`,
    ...(credential.chain.length === 0 ? ['chain     no certificate was presented'] : []),
    ...credential.chain.map(
      (one, at) => `${at === 0 ? 'chain     ' : '          '}${one.subject}, by ${one.issuer}, until ${one.notAfter}`,
    ),
    `x5t#S256  ${credential.thumbprint ?? 'none'} (presented)`,
    `cnf       ${token === undefined ? 'no token was presented' : cnfText(token)}`,
    ...(token?.readable
      ? [
          `token     iss ${text(token.claims.iss)}, sub ${text(token.claims.sub)}, aud ${text(token.claims.aud)}, jti ${token.jti}`,
        ]
      : []),
    `${verdict.shown === undefined ? `decision  ${recordText(verdict)}` : `proof     ${proofText(verdict)}`}`,
    `differs   ${firstMismatch(verdict) ?? 'presented, bound and proven agree'}`,
  ]
}

/** Everything about the calls of one test, as a page for people. */
export function failureSummary(test: string, failures: readonly string[], verdicts: readonly Verdict[]): string {
  const calls = verdicts.flatMap((verdict, at) => [
    `## Call ${at + 1}: ${receivedText(verdict)}`,
    '',
    '```text',
    ...explanation(verdict),
    `control   ${controlText(verdict)}`,
    `effects   ${effectsText(verdict.effects)}`,
    `took      ${Math.round(verdict.ms)} ms`,
    `answer    ${redact(verdict.body).slice(0, 500) || '(no body)'}`,
    '```',
    '',
    '```json',
    JSON.stringify(verdict.decisions, null, 2),
    '```',
    '',
  ])
  const why = failures.flatMap((failure) => ['```text', failure, '```', ''])
  return redact([`# ${test}`, '', ...why, ...calls].join('\n'))
}

/** The first place in which what was presented, what the token is bound to and what the far end proved differ. */
export function firstMismatch(verdict: Verdict): string | undefined {
  const { credential, principal, decision, status, to } = verdict
  const { thumbprint, token } = credential
  if (token?.thumbprint !== undefined && token.thumbprint !== thumbprint) {
    return `the token is bound to ${token.thumbprint}, presented was ${thumbprint ?? 'no certificate'}`
  }
  if (token?.readable && token.thumbprint === undefined) return 'the token has no cnf["x5t#S256"]'
  const proven = principal['x5t#S256']
  if (proven !== undefined && proven !== thumbprint) return `${to} proved ${proven}, presented was ${thumbprint}`
  const claim = claimMismatch(verdict)
  if (claim !== undefined) return claim
  if (decision !== undefined && decision.status !== null && status !== null && decision.status !== status) {
    return `the caller got ${status}, ${to} says ${decision.status}`
  }
  return undefined
}

/** `the token's iss is …, a believes …` or `the token's aud is …, a takes …`. */
function claimMismatch({ credential: { token }, believes, to }: Verdict): string | undefined {
  if (!token?.readable || believes === undefined) return undefined
  const { iss, aud } = token.claims
  if (iss !== believes.issuer) return `the token's iss is ${text(iss)}, ${to} believes ${believes.issuer}`
  const presented = [aud].flat()
  if (presented.some((audience) => believes.audiences.includes(audience as string))) return undefined
  return `the token's aud is ${presented.map(text).join(', ')}, ${to} takes ${believes.audiences.join(' or ')}`
}

export function controlText({ control }: Verdict): string {
  if (control === undefined) return 'none'
  const state = control.accepted ? 'accepted' : `not accepted: ${control.problems.join('; ')}`
  return `${control.credential} (differs: ${control.element}), ${state}`
}

function recordText({ decision, to, conn }: Verdict): string {
  return decision === undefined ? `${to} has no record of ${conn}` : decisionText(decision)
}

/** `status alone; effects not observed`: what a verdict rests on, where that is less than a decision record. */
export function proofText({ proof, effects, shown }: Pick<Verdict, 'proof' | 'effects' | 'shown'>): string {
  const isUnseen = effects.unobservable !== undefined
  const own = shown?.answers === undefined ? '' : '; answers of its own'
  return `${proof}${isUnseen ? '; effects not observed' : ''}${own}`
}

function decisionText({ verdict, layer, status, error, guard, reason, principal }: DecisionRecord): string {
  const why = guard === null ? '' : `, ${guard}: ${reason}`
  const proven = Object.entries(principal).map(([name, value]) => `${name} ${value}`)
  return `${[verdict, layer, status, error].filter((part) => part !== null).join(' ')}${why}; proven ${proven.join(', ') || 'nothing'}`
}

function cnfText(token: NonNullable<Verdict['credential']['token']>): string {
  if (!token.readable) return 'the token is no readable JWT'
  return token.thumbprint ?? `${JSON.stringify(token.claims.cnf) ?? 'absent'} (no x5t#S256)`
}

function text(claim: unknown): string {
  return typeof claim === 'string' ? claim : (JSON.stringify(claim) ?? 'absent')
}
