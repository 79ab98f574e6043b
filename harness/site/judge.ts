import type { DecisionRecord } from '../evidence/decision.ts'
import type { Challenge } from '../protocols/http/challenge.ts'
import type { Proof } from '../topology/proof.ts'
import { principalProblems, upstreamProblems } from './record-problems.ts'
import type { Shown } from './shown.ts'
import type { Verdict } from './verdict.ts'

/** What a refusal must be. The reason is read from the far end's decision log, the rest is what the caller got. */
export interface ExpectedRefusal {
  /** Default: `http` with a status, `tls` without one. */
  layer?: Verdict['layer']
  status?: number
  /** Error code; left out: none, as RFC 6750 section 3.1 wants it where nothing was presented. `*`: any, and any challenge. */
  error?: string
  reason: string
  guard?: string
  /**
   * The weakest proof that will do. Default: a decision record. With less, the reason is compared only where the declaration of
   * the target has a word for it.
   */
  proof?: Proof
  /** Statuses that will do instead of `status`; null: none, the connection ended. Their error code and challenge are not compared. */
  orStatuses?: readonly (number | null)[]
  /** Auth-params that the Bearer challenge must hold, `scope` say; `'none'`: there must be no challenge. */
  wwwAuthenticate?: Readonly<Record<string, string>> | 'none'
  /** How soon the refusal must be there, in ms from the first byte of the call. Default 5 000. */
  withinMs?: number
}

const boundMs = 5_000

/** Error codes that belong into a Bearer challenge (RFC 6750 section 3.1). */
const bearerErrors = ['invalid_request', 'invalid_token', 'insufficient_scope']
/** Error codes of an OAuth endpoint's JSON answers (RFC 6749 section 5.2, RFC 8707 section 2). */
const endpointErrors = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'invalid_target',
])
const stackLine = /\n\s+at .+[:(]\d+|node_modules|\.[cm]?[jt]s:\d+/

/** What speaks against "accepted"; empty when nothing does. It is believed only when the far end says so. */
export function acceptanceProblems(verdict: Verdict): string[] {
  const problems: string[] = []
  if (!verdict.promised) problems.push(`the caller got ${outcomeText(verdict)}`)
  const { decision, credential, shown } = verdict
  if (shown !== undefined) return [...problems, ...shownRefusal(verdict)]
  if (decision === undefined) return [...problems, `${verdict.to} wrote no decision record for ${verdict.conn}`]
  const refusals = verdict.decisions.filter((record) => record.verdict === 'refused')
  for (const { guard, reason } of refusals) problems.push(`${verdict.to} recorded a refusal: ${reason} (${guard})`)
  if (credential.thumbprint !== undefined && decision.principal['x5t#S256'] !== credential.thumbprint) {
    problems.push(
      `the record proves x5t#S256 ${decision.principal['x5t#S256']}, presented was ${credential.thumbprint}`,
    )
  }
  if (decision.verdict !== 'accepted') problems.push(`${verdict.to} recorded the verdict ${decision.verdict}`)
  return [...problems, ...tokenProblems(verdict, decision)]
}

function shownRefusal({ to, shown, reason, proof }: Verdict): string[] {
  return shown?.said === 'refused' ? [`${to} shows a refusal: ${reason} (${proof})`] : []
}

/** Which token was believed must stand in the record: one that names none may come from a target that looked at none. */
function tokenProblems({ credential, tokenJudged }: Verdict, { principal: { jti } }: DecisionRecord): string[] {
  if (!tokenJudged || credential.token === undefined) return []
  const presented = credential.token.jti
  if (jti === undefined) return [`the record proves no jti, presented was ${presented ?? 'a token that has none'}`]
  return jti === presented
    ? []
    : [`the record proves jti ${jti}, presented was ${presented ?? 'a token that has none'}`]
}

/** What speaks against "refused as expected", beginning with what the caller got; empty when nothing does. */
export function refusalProblems(verdict: Verdict, expected: ExpectedRefusal): string[] {
  return [
    ...answerProblems(verdict, expected),
    ...challengeProblems(verdict, expected),
    ...cacheProblems(verdict),
    ...recordProblems(verdict, expected),
    ...oracleProblems(verdict),
    ...effectProblems(verdict),
    ...wireProblems(verdict),
  ]
}

/** `refused 401 invalid_token, reason cnf_x5t_mismatch, within 5000 ms`. */
export function expectedText(expected: ExpectedRefusal): string {
  const { status, error, reason, withinMs = boundMs } = expected
  const answer = layerOf(expected) === 'tls' ? 'at TLS' : [status, error].filter(Boolean).join(' ')
  return `refused ${answer}, reason ${reason}, within ${withinMs} ms`
}

/** `accepted 200`, `refused 401 invalid_token, reason issuer_untrusted`, `answered 200, not believed: b recorded nothing`. */
export function receivedText(verdict: Verdict): string {
  const { decision, to, shown } = verdict
  if (shown !== undefined) return shownText(verdict)
  if (verdict.status === null && decision?.layer !== 'tls') {
    return `${noAnswerText(verdict)}; ${to} recorded ${decision === undefined ? 'nothing' : decisionText(decision)}`
  }
  if (decision === undefined) return `answered ${outcomeText(verdict)}, not believed: ${to} recorded nothing`
  if (verdict.promised && decision.verdict === 'refused') {
    return `answered ${outcomeText(verdict)}, not believed: ${to} recorded ${decisionText(decision)}`
  }
  const reason = verdict.reason === null ? '' : `, reason ${verdict.reason}`
  return `${verdict.verdict} ${outcomeText(verdict)}${reason}`
}

/** `refused 401 invalid_token, reason expired (log line)`. */
function shownText(verdict: Verdict): string {
  const reason = verdict.reason === null ? '' : `, reason ${verdict.reason}`
  const believed = verdict.promised && verdict.verdict === 'refused' ? 'answered' : verdict.verdict
  return `${believed} ${outcomeText(verdict)}${reason} (${verdict.proof})`
}

/** `no answer (connection reset)`: the connection ended, and nobody said why. */
export function noAnswerText({ failure }: Verdict): string {
  const code = failure?.code ?? 'the connection ended'
  return `no answer (${connectionEnds[code] ?? code})`
}

const connectionEnds: Readonly<Record<string, string>> = {
  ECONNRESET: 'connection reset',
  ECONNREFUSED: 'connection refused',
  EPIPE: 'connection closed',
  ETIMEDOUT: 'timed out',
}

function decisionText({ verdict, reason }: DecisionRecord): string {
  return verdict === 'accepted' ? 'an accept' : `a refusal (${reason})`
}

function outcomeText({ status, error, failure, layer }: Verdict): string {
  if (status === null)
    return `${layer === 'tls' ? 'at TLS' : 'without an answer'}${failure ? ` (${failure.code})` : ''}`
  const detail = failure ? ` (${failure.code}: ${failure.message})` : ''
  return `${[status, error].filter((part) => part !== null).join(' ')}${detail}`
}

function answerProblems(verdict: Verdict, expected: ExpectedRefusal): string[] {
  const problems: string[] = []
  if (verdict.promised) problems.push('the caller got what the action promises')
  const status = expected.status ?? null
  const isOther = isOtherStatus(verdict, expected)
  if (verdict.status !== status && !isOther) {
    problems.push(
      `status ${verdict.status}, expected ${[status, ...(expected.orStatuses ?? [])].map((one) => one ?? 'none').join(' or ')}`,
    )
  }
  const error = expected.error ?? null
  // Where nothing was presented there is no code in the challenge, whatever the body says (RFC 6750 section 3.1).
  if (error !== '*' && verdict.error !== error && !isOther)
    problems.push(`error code ${verdict.error}, expected ${error}`)
  const within = expected.withinMs ?? boundMs
  if (verdict.ms > within) problems.push(`it took ${Math.round(verdict.ms)} ms, the bound is ${within} ms`)
  return problems
}

function isOtherStatus({ status }: Verdict, expected: ExpectedRefusal): boolean {
  return status !== (expected.status ?? null) && expected.orStatuses?.includes(status) === true
}

/** What an OAuth endpoint answers is for its caller only, errors included (RFC 6749 section 5.2). */
function cacheProblems({ error, wwwAuthenticate, cacheControl }: Verdict): string[] {
  const isBearer = wwwAuthenticate.some(({ scheme }) => scheme.toLowerCase() === 'bearer')
  if (isBearer || error === null || !endpointErrors.has(error)) return []
  const directives = (cacheControl ?? '')
    .toLowerCase()
    .split(',')
    .map((directive) => directive.trim())
  return directives.includes('no-store') ? [] : [`Cache-Control is ${cacheControl ?? 'absent'}, expected no-store`]
}

function challengeProblems(verdict: Verdict, expected: ExpectedRefusal): string[] {
  if (verdict.malformedChallenge !== undefined) return [verdict.malformedChallenge]
  const challenges = verdict.wwwAuthenticate
  if (isOtherStatus(verdict, expected)) return []
  if (expected.wwwAuthenticate === 'none') {
    return challenges.length > 0 ? ['there is a WWW-Authenticate, expected none'] : []
  }
  const bearer = challenges.filter(({ scheme }) => scheme.toLowerCase() === 'bearer')
  const wanted = bearerParams(expected)
  if (wanted === undefined) return []
  // RFC 6750 section 3 demands the header for a missing or insufficient token only; a 400 may come without.
  if (bearer.length === 0 && expected.error === 'invalid_request' && !expected.wwwAuthenticate) return []
  if (bearer.length !== 1) {
    return [`${bearer.length} Bearer challenges in WWW-Authenticate, expected one (RFC 6750 section 3)`]
  }
  return paramProblems(bearer[0] as Challenge, wanted)
}

/** What the challenge must hold; undefined where none is demanded. A member that is undefined must be absent. */
function bearerParams(expected: ExpectedRefusal): Record<string, string | undefined> | undefined {
  const further = expected.wwwAuthenticate as Record<string, string> | undefined
  if (expected.error === '*') return further
  if (bearerErrors.includes(expected.error ?? '')) return { ...further, error: expected.error }
  if (expected.status === 401 && expected.error === undefined) return { ...further, error: undefined }
  return further
}

function paramProblems({ params }: Challenge, wanted: Record<string, string | undefined>): string[] {
  return Object.entries(wanted)
    .filter(([name, value]) => params[name] !== value)
    .map(([name, value]) => `WWW-Authenticate has ${name}=${params[name]}, expected ${value ?? 'none'}`)
}

function recordProblems(verdict: Verdict, expected: ExpectedRefusal): string[] {
  const { decisions, to, conn } = verdict
  if (verdict.shown !== undefined) return shownProblems(verdict, verdict.shown, expected)
  const refusals = decisions.filter((record) => record.verdict === 'refused')
  const [record, ...more] = refusals
  if (record === undefined && decisions.length > 0) return [`${to} recorded an accept for ${conn}, and no refusal`]
  if (record === undefined) return [`${to} recorded nothing for ${conn} within ${Math.round(verdict.waitedMs)} ms`]
  const problems: string[] = []
  if (more.length > 0) problems.push(`${to} recorded ${refusals.length} refusals, expected one`)
  if (decisions.some((one) => one.verdict === 'accepted')) problems.push(`${to} also recorded an accept`)
  if (record.reason !== expected.reason) problems.push(`reason ${record.reason}, expected ${expected.reason}`)
  if (record.guard === null) problems.push('the record names no guard')
  if (expected.guard !== undefined && record.guard !== expected.guard) {
    problems.push(`guard ${record.guard}, expected ${expected.guard}`)
  }
  if (record.layer !== layerOf(expected)) problems.push(`layer ${record.layer}, expected ${layerOf(expected)}`)
  if (record.status !== verdict.status) problems.push(`the record says status ${record.status}`)
  if (record.error !== null && record.error !== verdict.error) problems.push(`the record says error ${record.error}`)
  return [
    ...problems,
    ...principalProblems(verdict, record),
    ...upstreamProblems(verdict, record),
    ...verdict.leaks.map((leak) => `${to} wrote down ${leak}`),
  ]
}

/** The strongest first. */
const proofs: readonly Proof[] = ['decision record', 'log line', 'header', 'status alone']

function shownProblems(
  { to, proof, reason, layer, leaks }: Verdict,
  shown: Shown,
  expected: ExpectedRefusal,
): string[] {
  const problems = leaks.map((leak) => `${to} wrote down ${leak}`)
  if (proofs.indexOf(proof) > proofs.indexOf(expected.proof ?? 'decision record')) {
    problems.push(
      `${to} shows a ${proof} and no decision record, so reason ${expected.reason} is not proven; ` +
        `allow that by proof: '${proof}', or let it write decision records (docs/guides/add-a-service-kind.md)`,
    )
  }
  if (shown.said === 'accepted') problems.push(`${to} shows an accept (${proof})`)
  if (layer === 'tls' || layerOf(expected) === 'tls') return problems
  if (shown.missing !== undefined) problems.push(shown.missing)
  else if (shown.comparable.includes(expected.reason) && reason !== expected.reason) {
    problems.push(`reason ${reason}, expected ${expected.reason}`)
  }
  return problems
}

function oracleProblems({ body, credential, answerLeaks }: Verdict): string[] {
  const problems = [...answerLeaks.map((leak) => `the answer holds ${leak}`), ...hintsIn(body)]
  for (const thumbprint of new Set([credential.thumbprint, credential.token?.thumbprint])) {
    if (thumbprint !== undefined && body.includes(thumbprint)) problems.push(`the body names thumbprint ${thumbprint}`)
  }
  return problems
}

/** What of a body tells of the inside of its server. */
export function hintsIn(body: string): string[] {
  return [
    ...(stackLine.test(body) ? ['the body holds a stack trace'] : []),
    ...(/-----BEGIN /.test(body) ? ['the body holds PEM'] : []),
  ]
}

function effectProblems({ verdict, effects, to }: Verdict): string[] {
  if (verdict === 'accepted') return []
  const { observed, difference, failure, unobservable } = effects
  if (difference !== undefined) return [`the refused call changed ${to}: ${difference}`]
  if (observed || unobservable !== undefined) return []
  return [`whether it changed ${to} could not be observed${failure === undefined ? '' : `: ${failure}`}`]
}

/** Bytes that were refused must not be read on: what follows them may be a request that somebody smuggled. */
function wireProblems({ wire }: Verdict): string[] {
  if (wire === undefined) return []
  return [
    ...(wire.answers > 1 ? [`${wire.answers} answers came, expected one at most`] : []),
    ...(wire.isClosed ? [] : ['the connection was left open']),
  ]
}

/** `none seen`, what changed, or why nothing was observed. */
export function effectsText({ observed, difference, failure, unobservable }: Verdict['effects']): string {
  if (difference !== undefined) return difference
  return observed ? 'none seen' : `not observed: ${unobservable ?? failure ?? 'the call was accepted'}`
}

function layerOf(expected: ExpectedRefusal): Verdict['layer'] {
  return expected.layer ?? (expected.status === undefined ? 'tls' : 'http')
}
