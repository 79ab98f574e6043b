import { type InspectedToken, inspectToken } from '../../tokens/inspect.ts'
import type { JudgedCall, MadeRecord } from '../live-kind.ts'
import type { Presented } from '../parts.ts'
import { trustIn } from './trust.ts'

export interface TokenSummary extends InspectedToken {
  readonly readable: boolean
  /** Its claims as they are written, where that is not how a JSON writer would: a member stands twice, say. */
  readonly written?: string
}

const longestRead = 16_384

/** Everything about a presented token that may be shown: never its text. */
export function tokenSummary({ token }: Presented): TokenSummary | undefined {
  if (token === undefined) return undefined
  // A token that is made to cost is not read: to write down what is in it would cost the same here.
  const inspected = token.length <= longestRead ? inspectToken(token) : undefined
  if (inspected !== undefined) {
    const written = Buffer.from(token.split('.')[1]!, 'base64url').toString()
    return { readable: true, ...inspected, ...(written !== JSON.stringify(inspected.claims) && { written }) }
  }
  return { readable: false, header: {}, claims: {}, thumbprint: undefined, jti: undefined }
}

export function explanation(token: TokenSummary | undefined): string[] {
  if (token === undefined) return ['cnf       no token was presented']
  if (!token.readable) return ['cnf       the token is no readable JWT']
  const { claims, thumbprint, jti } = token
  return [
    `cnf       ${thumbprint ?? `${JSON.stringify(claims.cnf) ?? 'absent'} (no x5t#S256)`}`,
    `token     iss ${text(claims.iss)}, sub ${text(claims.sub)}, aud ${text(claims.aud)}, jti ${jti}`,
  ]
}

/** Members of the header, then the claims, under their own names. */
export function facts({ readable, header, claims, written }: TokenSummary): Readonly<Record<string, unknown>> {
  const ofHeader = Object.entries(header).map(([name, value]) => [`token header ${name}`, value])
  const told = { ...Object.fromEntries(ofHeader), ...claims }
  return { ...(readable ? told : { token: 'no readable JWT' }), ...(written && { 'claims as written': written }) }
}

export function mismatch(call: JudgedCall): string | undefined {
  const { token, certificate } = call.credential
  const unasked = call.shaken?.isCertificateAsked === false ? 'no certificate: the server asked for none' : undefined
  const presented = unasked ?? certificate?.thumbprint ?? 'no certificate'
  if (token?.thumbprint !== undefined && (token.thumbprint !== certificate?.thumbprint || unasked !== undefined)) {
    return `the token is bound to ${token.thumbprint}, presented was ${presented}`
  }
  if (!token?.readable) return undefined
  return token.thumbprint === undefined ? 'the token has no cnf["x5t#S256"]' : claimMismatch(call, token)
}

/** `the token's iss is …, a believes …` or `the token's aud is …, a takes …`. */
function claimMismatch({ verification, to }: JudgedCall, { claims: { iss, aud } }: TokenSummary): string | undefined {
  const { issuer, audiences } = trustIn(verification ?? { checks: [] })
  if (issuer === undefined) return undefined
  if (iss !== issuer) return `the token's iss is ${text(iss)}, ${to} believes ${issuer}`
  const presented = [aud].flat()
  if (presented.some((audience) => audiences.includes(audience as string))) return undefined
  return `the token's aud is ${presented.map(text).join(', ')}, ${to} takes ${audiences.join(' or ')}`
}

function text(claim: unknown): string {
  return typeof claim === 'string' ? claim : (JSON.stringify(claim) ?? 'absent')
}

/** Members of a principal that only a token can prove. */
const ofToken = ['iss', 'sub', 'client_id', 'jti'] as const
/** Those that tell whose token it was, and which. */
const demanded: readonly string[] = ['sub', 'jti']
/** A service may cut what is longer. */
const shortestCut = 64

/** Of a target that does not declare its guards nothing is said, nor what of a token other guards proved for another action. */
export function refusalProblems(call: JudgedCall, record: MadeRecord): string[] {
  const { to, verification, asked } = call
  const { guard, action } = record
  const { guards, recordedAs = [call.action] } = verification ?? {}
  if (verification === undefined || guards === undefined || guard === null) return []
  const { proves, asks } = trustIn(verification)
  const isAfter = (other: string | undefined) => other !== undefined && guards.indexOf(guard) > guards.indexOf(other)
  const isKnown = guards.includes(guard)
  const problems: string[] = []
  if (recordedAs.includes(action)) {
    if (!isKnown) problems.push(`${guard} is no guard that ${to} declares for ${action}`)
    else problems.push(...(isAfter(proves) ? differingClaims(call, record.principal) : unprovenClaims(record)))
  }
  const mayAsk = !isKnown || guard === asks || isAfter(asks)
  // The issuer must not hear of a token that is refused without it.
  if (!mayAsk && asked !== undefined && asked.times > 0) {
    problems.push(
      `${to} asked ${asked.issuer} about the token ${asked.times} times, though ${guard} refuses it without`,
    )
  }
  return problems
}

function unprovenClaims({ guard, principal }: MadeRecord): string[] {
  return ofToken
    .filter((name) => principal[name] !== undefined)
    .map((name) => `the record holds ${name} ${principal[name]} as proven, and ${guard} judges before that is`)
}

function differingClaims({ credential, judged }: JudgedCall, principal: MadeRecord['principal']): string[] {
  const claims = credential.token?.claims
  if (claims === undefined || !judged.includes('token')) return []
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
