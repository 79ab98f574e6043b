import { thumbprintS256 } from '../../pki/certificate.ts'
import { inspectToken } from '../../tokens/inspect.ts'
import { placeOf } from '../../topology/holders.ts'
import type { HttpCall } from '../../topology/plan.ts'
import type { HeldFiles } from '../credential-kind.ts'
import { type Finding, findingsAt, type Problem, secondsNeeded, timeProblems } from '../finding.ts'
import { credentialOf } from '../of-kind.ts'
import { looselyEqual } from './declared-findings.ts'
import type { PlanBoundToken } from './planned.ts'

/** What is wrong with the tokens that lie at their holders, and with the key sets by which they are verified. */
export async function tokenFindings(held: readonly PlanBoundToken[], files: HeldFiles): Promise<Finding[]> {
  const issuers = new Map(held.map((token) => [token.iss, token]))
  const published = new Map(
    await Promise.all([...issuers].map(async ([iss, token]) => [iss, await kidsOf(files, token)] as const)),
  )
  const found = await findingsAt(held, async (token, holder, path) => {
    const certificate = placeOf(credentialOf(files.plan, 'certificate', token.boundTo))
    const [text, certPem] = await Promise.all([files.read(holder, path), files.read(holder, `${certificate}/cert.pem`)])
    return problemsOf(text, token, {
      ...{ held, now: files.now, thumbprint: thumbprintS256(certPem), kids: published.get(token.iss) },
    })
  })
  const unpublished = [...published].flatMap(([place, kids]): Finding[] => {
    if (kids !== undefined) return []
    const wayOut = 'see whether the issuer is up, and its jwks_uri'
    return [{ check: 'key-published', thing: 'the key set', place, message: 'cannot be read', wayOut }]
  })
  return [...found, ...unpublished]
}

/** Of the keys that its issuer publishes, as the holder of a token sees it. */
async function kidsOf({ published }: HeldFiles, { iss, holders, mint }: PlanBoundToken): Promise<string[] | undefined> {
  const { ca } = (mint.prove ?? mint.mint).tls
  const call: HttpCall = { method: 'GET', url: iss, discover: 'jwks_uri', tls: { ca }, expect: [200] }
  const answer = await published(holders[0]!, call).catch(() => undefined)
  const keys = (answer as { keys?: { kid?: unknown }[] } | undefined)?.keys
  return Array.isArray(keys) ? keys.map(({ kid }) => String(kid)) : undefined
}

interface Beside {
  /** All tokens of the topology: one of them may lie in the place of another. */
  held: readonly PlanBoundToken[]
  now: number
  /** `x5t#S256` of the certificate that its holder presents with it. */
  thumbprint: string
  /** Those that its issuer publishes; undefined where they could not be read. */
  kids: readonly string[] | undefined
}

/** Of a token at its holder, without presenting it to anybody. */
function problemsOf(text: string, declared: PlanBoundToken, { held, now, thumbprint, kids }: Beside): Problem[] {
  const token = inspectToken(text.trim())
  // What it stands for only its issuer knows.
  if (declared.opaque)
    return token === undefined ? [] : [['readable', 'holds a JWT', 'write "jwt" in tokens of its issuer']]
  if (token === undefined) return [['readable', 'holds no compact JWT', 'mint it anew']]
  const { iss, sub, exp, nbf, iat } = token.claims
  const audience = [token.claims.aud].flat().filter((member) => typeof member === 'string')
  const isMeant = ({ iss: issuer, subject, audience: uris }: PlanBoundToken) =>
    iss === issuer && sub === subject && uris.length === audience.length && uris.every((uri) => audience.includes(uri))
  const other = held.find((one) => one.name !== declared.name && isMeant(one))
  if (!isMeant(declared) && other !== undefined) {
    return [['token-swapped', `holds what is declared as "${other.name}"`, 'swap the two']]
  }
  const problems: Problem[] = []
  if (iss !== declared.iss) problems.push(['issuer-text', ...textProblem('iss', iss, declared.iss)])
  if (sub !== declared.subject) problems.push(['subject', ...textProblem('sub', sub, declared.subject)])
  const missing = declared.audience.find((uri) => !audience.includes(uri))
  if (missing !== undefined) problems.push(['audience-text', ...textProblem('aud', audience.join(', '), missing)])
  if (token.thumbprint !== thumbprint) {
    const message = `is bound to ${token.thumbprint ?? 'nothing'}, and its holder presents ${thumbprint}`
    problems.push(['binding', message, 'prove the certificate to the issuer, and mint it anew'])
  }
  const kid = String(token.header.kid)
  if (kids !== undefined && !kids.includes(kid)) {
    const message = `is signed with the key ${kid}, which its issuer does not publish`
    problems.push(['key-published', message, 'mint it anew: the key was retired, or it is of another issuer'])
  }
  const needed = Math.min(secondsNeeded, declared.lifetimeSeconds / 10)
  const begins = Math.max(Number(nbf ?? 0), Number(iat ?? 0)) * 1000
  const lives = { begins, ends: Number(exp) * 1000, needed }
  return [...problems, ...timeProblems(lives, now, 'mint it anew, or give it a longer lifetime')]
}

/** RFC 8725 section 3.8 and RFC 7519 section 4.1.3: these texts are compared as a whole, so what is almost right is wrong. */
function textProblem(claim: string, held: unknown, wanted: string): [string, string] {
  const text = typeof held === 'string' ? held : 'nothing'
  const hint = looselyEqual(text, wanted) ? ', which is another text although it looks alike' : ''
  return [`has ${claim} ${text}, and ${wanted} is declared${hint}`, `mint it with ${claim} ${wanted}`]
}
