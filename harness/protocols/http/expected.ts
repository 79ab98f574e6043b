import type { HttpAnswer } from './answer.ts'
import { bearersIn, type Challenge } from './challenge.ts'

/** What of a refusal only HTTP has. */
export interface HttpExpected {
  /** Left out: the connection ends without an answer. */
  status?: number
  /** Error code; left out: none, as RFC 6750 section 3.1 wants it where nothing was presented. `?`: any or none, in a challenge. `*`: any, and any challenge. */
  error?: string
  /** Statuses that will do instead of `status`; null: none, the connection ended. Their error code and challenge are not compared. */
  orStatuses?: readonly (number | null)[]
  /** Auth-params that the Bearer challenge must hold, `scope` say; `'none'`: there must be no challenge. */
  wwwAuthenticate?: Readonly<Record<string, string>> | 'none'
}

/** Error codes that belong into a Bearer challenge (RFC 6750 section 3.1). */
const bearerErrors = ['invalid_request', 'invalid_token', 'insufficient_scope']
/** Error codes of an OAuth endpoint's JSON answers (RFC 6749 section 5.2, RFC 8707 section 2). */
const endpointErrors = new Set([
  ...['invalid_request', 'invalid_client', 'invalid_grant', 'unauthorized_client', 'unsupported_grant_type'],
  ...['invalid_scope', 'invalid_target'],
])

/** What speaks against an answer being the expected refusal: status, code, challenge, caching, and what came behind it. */
function httpProblems(answer: HttpAnswer, expected: HttpExpected): string[] {
  const { status, malformedChallenge } = answer
  const isOther = status !== (expected.status ?? null) && expected.orStatuses?.includes(status) === true
  const challenge = isOther ? [] : challengeProblems(answer, expected)
  return [
    ...(isOther ? [] : statusProblems(answer, expected)),
    ...(malformedChallenge === undefined ? challenge : [malformedChallenge]),
    ...cacheProblems(answer),
    ...(status === 405 && answer.allow === undefined ? ['there is no Allow in a 405 (RFC 9110 section 15.5.6)'] : []),
    ...wireProblems(answer),
  ]
}

function statusProblems(answer: HttpAnswer, expected: HttpExpected): string[] {
  const [status, error] = [expected.status ?? null, expected.error ?? null]
  const wanted = [status, ...(expected.orStatuses ?? [])].map((one) => one ?? 'none').join(' or ')
  return [
    ...(answer.status === status ? [] : [`status ${answer.status}, expected ${wanted}`]),
    // Where nothing was presented there is no code in the challenge, whatever the body says (RFC 6750 section 3.1).
    ...(error === '*' || error === '?' || answer.error === error
      ? []
      : [`error code ${answer.error}, expected ${error}`]),
  ]
}

/** What an OAuth endpoint answers is for its caller only, errors included (RFC 6749 section 5.2). */
function cacheProblems({ error, wwwAuthenticate, cacheControl }: HttpAnswer): string[] {
  if (bearersIn(wwwAuthenticate).length > 0 || error === null || !endpointErrors.has(error)) return []
  return /(^|,)\s*no-store\s*(,|$)/i.test(cacheControl ?? '')
    ? []
    : [`Cache-Control is ${cacheControl ?? 'absent'}, expected no-store`]
}

function challengeProblems(answer: HttpAnswer, expected: HttpExpected): string[] {
  const challenges = answer.wwwAuthenticate
  if (expected.wwwAuthenticate === 'none') {
    return challenges.length > 0 ? ['there is a WWW-Authenticate, expected none'] : []
  }
  // RFC 9110 section 15.5.2 wants a challenge in every 401; for what a bound token may be presented by, RFC 9449 section 7.1 has another.
  if (expected.error === '?') {
    const isThere = challenges.some(({ scheme }) => /^(bearer|dpop)$/i.test(scheme))
    return isThere ? [] : ['there is no challenge in WWW-Authenticate, expected one (RFC 6750 section 3)']
  }
  const bearer = bearersIn(challenges)
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
function bearerParams(expected: HttpExpected): Record<string, string | undefined> | undefined {
  const further = expected.wwwAuthenticate as Record<string, string> | undefined
  if (expected.error === '*') return further
  if (bearerErrors.includes(expected.error ?? '')) return { ...further, error: expected.error }
  if (expected.status === 401 && expected.error === undefined) return { ...further, error: undefined }
  return further
}

function paramProblems({ params }: Challenge, wanted: Record<string, string | undefined>): string[] {
  return Object.entries(wanted)
    .filter(([name, value]) => params[name] !== value)
    .map(
      ([name, value]) =>
        `WWW-Authenticate has ${params[name] === undefined ? `no ${name}` : `${name}=${params[name]}`}, expected ${value ?? 'none'}`,
    )
}

/** Bytes that were refused must not be read on: what follows them may be a request that somebody smuggled. */
function wireProblems({ wire }: HttpAnswer): string[] {
  if (wire === undefined) return []
  return [
    ...(wire.answers > 1 ? [`${wire.answers} answers came, expected one at most`] : []),
    ...(wire.isClosed ? [] : ['the connection was left open']),
  ]
}

/** How it is judged and told: of every protocol that answers in HTTP. */
export const answeringInHttp = {
  layer: 'http',
  problems: httpProblems,
  text: ({ status, error, failure }: HttpAnswer) => {
    if (status === null) return undefined
    const detail = failure ? ` (${failure.code}: ${failure.message})` : ''
    return `${[status, error].filter((part) => part !== null).join(' ')}${detail}`
  },
  wanted: ({ status, error }: HttpExpected) =>
    status === undefined ? undefined : [status, error].filter((part) => part && part !== '?').join(' '),
  read: (text: string): HttpExpected => {
    const [status, error] = text.split(' ')
    return { status: Number(status), error }
  },
} as const
