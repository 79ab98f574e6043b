import { inspectToken } from '../../tokens/inspect.ts'
import type { Finding, PreflightCheck } from './finding.ts'

/** What a token must say, as far as the topology declares it. */
export interface DeclaredToken {
  /** Name of the credential. */
  name: string
  issuer: string
  subject: string
  audience: readonly string[]
}

export interface TokenFile {
  declared: DeclaredToken
  place: string
  text: string
  /** `x5t#S256` of the certificate that its holder presents with it. */
  thumbprint: string
  /** All tokens of the topology: one of them may lie in the place of another. */
  all: readonly DeclaredToken[]
  /** `kid`s that its issuer publishes; undefined where they could not be read. */
  published: readonly string[] | undefined
  /** How long it must be good at least. */
  secondsNeeded: number
}

/** What is wrong with a token at its holder, without presenting it to anybody. `now` in ms since 1970. */
export function tokenFindings(file: TokenFile, now: number = Date.now()): Finding[] {
  const { declared, place, text, published } = file
  const found = (check: PreflightCheck, message: string, wayOut: string): Finding => ({
    ...{ check, thing: declared.name, place },
    ...{ message, wayOut },
  })
  const token = inspectToken(text.trim())
  if (token === undefined) return [found('readable', 'holds no compact JWT', 'mint it anew')]
  const { claims, header, thumbprint } = token
  const held = { issuer: claims.iss, subject: claims.sub, audience: audiencesOf(claims.aud) }
  const meant = file.all.find((other) => other.name !== declared.name && isToken(other, held))
  if (!isToken(declared, held) && meant !== undefined) {
    return [found('token-swapped', `holds what is declared as "${meant.name}"`, 'swap the two')]
  }
  const problems: Finding[] = []
  if (held.issuer !== declared.issuer)
    problems.push(found('issuer-text', ...textProblem('iss', held.issuer, declared.issuer)))
  if (held.subject !== declared.subject)
    problems.push(found('subject', ...textProblem('sub', held.subject, declared.subject)))
  const missing = declared.audience.find((uri) => !held.audience.includes(uri))
  if (missing !== undefined) {
    problems.push(found('audience-text', ...textProblem('aud', held.audience.join(', '), missing)))
  }
  if (thumbprint !== file.thumbprint) {
    problems.push(
      found(
        'binding',
        `is bound to ${thumbprint ?? 'nothing'}, and its holder presents ${file.thumbprint}`,
        'prove the certificate to the issuer, and mint it anew',
      ),
    )
  }
  if (published !== undefined && !published.includes(String(header.kid))) {
    const message = `is signed with the key ${String(header.kid)}, which its issuer does not publish`
    problems.push(found('key-published', message, 'mint it anew: the key was retired, or it is of another issuer'))
  }
  return [...problems, ...timeFindings(file, claims, now, found)]
}

function timeFindings(
  { secondsNeeded }: TokenFile,
  { exp, nbf, iat }: Readonly<Record<string, unknown>>,
  now: number,
  found: (check: PreflightCheck, message: string, wayOut: string) => Finding,
): Finding[] {
  const begins = Math.max(Number(nbf ?? 0), Number(iat ?? 0)) * 1000
  if (begins > now) return [found('time-left', `begins at ${new Date(begins).toISOString()}`, 'set the clocks alike')]
  const left = Math.floor(Number(exp) - now / 1000)
  if (left >= secondsNeeded) return []
  const message = left < 0 ? `ended ${-left} s ago` : `ends in ${left} s, and ${secondsNeeded} s are needed`
  return [found('time-left', message, 'mint it anew, or give it a longer lifetime')]
}

function isToken(
  declared: DeclaredToken,
  held: { issuer: unknown; subject: unknown; audience: readonly string[] },
): boolean {
  const { issuer, subject, audience } = declared
  const isFor = audience.length === held.audience.length && audience.every((uri) => held.audience.includes(uri))
  return held.issuer === issuer && held.subject === subject && isFor
}

/** RFC 8725 section 3.8 and RFC 7519 section 4.1.3: these texts are compared as a whole, so what is almost right is wrong. */
function textProblem(claim: string, held: unknown, wanted: string): [string, string] {
  const text = typeof held === 'string' ? held : 'nothing'
  const hint = looselyEqual(text, wanted) ? ', which is another text although it looks alike' : ''
  return [`has ${claim} ${text}, and ${wanted} is declared${hint}`, `mint it with ${claim} ${wanted}`]
}

/** Whether two texts are the same but for case, a trailing slash and the port that `https` has anyway. */
export function looselyEqual(one: string, other: string): boolean {
  const loose = (text: string) => (URL.canParse(text) ? new URL(text).href : text).toLowerCase().replace(/\/+$/, '')
  return one !== other && loose(one) === loose(other)
}

function audiencesOf(aud: unknown): string[] {
  return (Array.isArray(aud) ? aud : [aud]).filter((member): member is string => typeof member === 'string')
}
