import { thumbprintS256 } from '../../pki/certificate.ts'
import { inspectToken } from '../../tokens/inspect.ts'
import { holderOf, placeOf } from '../../topology/holders.ts'
import { type HeldFiles, secondsNeeded } from '../credential-kind.ts'
import { type Finding, readable } from '../finding.ts'
import { credentialOf } from '../of-kind.ts'
import { looselyEqual } from './declared-findings.ts'
import type { PlanBoundToken } from './planned.ts'

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

/** What is wrong with the tokens that lie at their holders, and with the key sets by which they are verified. */
export async function tokenFileFindings(held: readonly PlanBoundToken[], files: HeldFiles): Promise<Finding[]> {
  const issuers = new Map(held.map(({ iss, issuer }) => [iss, issuer]))
  const published = new Map(
    await Promise.all([...issuers].map(async ([iss, node]) => [iss, await kidsOf(files, node, iss)] as const)),
  )
  const all = held.map((token) =>
    readable(token, (place) => ofToken(token, place, files, { held, published: published.get(token.iss) })),
  )
  const unpublished = [...published].flatMap(([place, kids]): Finding[] => {
    if (kids !== undefined) return []
    const wayOut = 'see whether the issuer is up, and its jwks_uri'
    return [{ check: 'key-published', thing: 'the key set', place, message: 'cannot be read', wayOut }]
  })
  return [...(await Promise.all(all)).flat(), ...unpublished]
}

async function ofToken(
  token: PlanBoundToken,
  place: string,
  { plan, read, now }: HeldFiles,
  { held, published }: { held: readonly PlanBoundToken[]; published: readonly string[] | undefined },
): Promise<Finding[]> {
  const holder = holderOf(token)
  const [text, certPem] = await Promise.all([
    read(holder, placeOf(token)),
    read(holder, `${placeOf(credentialOf(plan, 'certificate', token.boundTo))}/cert.pem`),
  ])
  const needed = Math.min(secondsNeeded, token.lifetimeSeconds / 10)
  const file = { declared: declaredOf(token), place, text, published, all: held.map(declaredOf) }
  return tokenFindings({ ...file, thumbprint: thumbprintS256(certPem), secondsNeeded: needed }, now)
}

function declaredOf({ name, iss, subject, audience }: PlanBoundToken): DeclaredToken {
  return { name, issuer: iss, subject, audience }
}

/** RFC 8414 section 3: the path of an issuer comes after the well-known one. */
async function kidsOf({ published }: HeldFiles, node: string, iss: string): Promise<string[] | undefined> {
  const { origin, pathname } = new URL(iss)
  const metadata = `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`
  const read = async () => published(node, ((await published(node, metadata)) as { jwks_uri: string }).jwks_uri)
  const keys = ((await read().catch(() => undefined)) as { keys?: { kid?: unknown }[] } | undefined)?.keys
  return Array.isArray(keys) ? keys.map(({ kid }) => String(kid)) : undefined
}

/** What is wrong with a token at its holder, without presenting it to anybody. `now` in ms since 1970. */
export function tokenFindings(file: TokenFile, now: number = Date.now()): Finding[] {
  const { declared, place, text, published } = file
  const found = (check: string, message: string, wayOut: string): Finding => ({
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
  found: (check: string, message: string, wayOut: string) => Finding,
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

function audiencesOf(aud: unknown): string[] {
  return (Array.isArray(aud) ? aud : [aud]).filter((member): member is string => typeof member === 'string')
}
