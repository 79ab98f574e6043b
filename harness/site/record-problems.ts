import type { DecisionRecord } from '../evidence/decision.ts'
import { isKnown, judgesProven, judgesUnasked } from './guard-order.ts'
import type { Verdict } from './verdict.ts'

/** Members of a principal that only a token can prove. */
const ofToken = ['iss', 'sub', 'client_id', 'jti'] as const
/** Those that tell whose token it was, and which. */
const demanded: readonly string[] = ['sub', 'jti']
/** A service may cut what is longer. */
const shortestCut = 64

/** What speaks against the principal of a refusal: who is named must be proven by then, and who is proven must be named. */
export function principalProblems(verdict: Verdict, record: DecisionRecord): string[] {
  return [...certificateProblems(verdict, record), ...tokenProblems(verdict, record)]
}

/** The issuer must not hear of a token that is refused without it. */
export function upstreamProblems({ asked, guards, to }: Verdict, { guard }: DecisionRecord): string[] {
  if (asked === undefined || guards === undefined || guard === null || !judgesUnasked(guards, guard)) return []
  if (asked.times === 0) return []
  return [`${to} asked ${asked.issuer} about the token ${asked.times} times, though ${guard} refuses it without`]
}

function certificateProblems({ credential, control }: Verdict, { layer, principal }: DecisionRecord): string[] {
  const proven = principal['x5t#S256']
  if (proven === credential.thumbprint) return []
  if (proven === undefined) {
    // At TLS there may be no certificate to name yet, and another listener may not ask for one.
    if (layer !== 'http' || control?.element === 'listener') return []
    return [`the record names nobody as proven, presented was ${credential.thumbprint}`]
  }
  return [`the record holds x5t#S256 ${proven} as proven, presented was ${credential.thumbprint ?? 'nothing'}`]
}

function tokenProblems(verdict: Verdict, { guard, action, principal }: DecisionRecord): string[] {
  const { guards, to } = verdict
  // What a record says of another action was judged by other guards.
  if (guards === undefined || guard === null || action !== verdict.action) return []
  if (!isKnown(guards, guard)) return [`${guard} is no guard that ${to} declares for ${action}`]
  if (judgesProven(guards, guard)) return differingClaims(verdict, principal)
  return ofToken
    .filter((name) => principal[name] !== undefined)
    .map((name) => `the record holds ${name} ${principal[name]} as proven, and ${guard} judges before that is`)
}

function differingClaims({ credential, tokenJudged }: Verdict, principal: DecisionRecord['principal']): string[] {
  const claims = credential.token?.claims
  if (claims === undefined || !tokenJudged) return []
  return ofToken.flatMap((name) => {
    const [presented, recorded] = [claims[name], principal[name]]
    if (typeof presented !== 'string') {
      return recorded === undefined ? [] : [`the record holds ${name} ${recorded} as proven, and the token has none`]
    }
    if (recorded === undefined) {
      return demanded.includes(name) ? [`the record proves no ${name}, presented was ${presented}`] : []
    }
    const isSame = recorded === presented || (recorded.length >= shortestCut && presented.startsWith(recorded))
    return isSame ? [] : [`the record holds ${name} ${recorded} as proven, presented was ${presented}`]
  })
}
