import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { listenAsIssuer } from '../counterparts/issuer/scripted-issuer.ts'
import { issueLeaf } from '../pki/authority.ts'
import { type Identity, thumbprintS256 } from '../pki/certificate.ts'
import type { Seat } from '../protocols/seat.ts'
import type { Credential } from '../site/credential.ts'
import { seatFoundBy } from '../site/site-files.ts'
import type { Verdict } from '../site/verdict.ts'
import { signatureOver, TokenNotReadable } from '../tokens/forge.ts'
import type { Claims } from '../tokens/inspect.ts'
import type { Variant } from './attack.ts'
import type { Lab } from './lab.ts'
import type { Outcome } from './outcome.ts'

/** What is done to a good token before it is signed again; whatever is not named stays. */
export interface Forgery {
  /** Members of the header that are set; undefined takes one away. */
  header?: Readonly<Record<string, unknown>>
  claims?: (claims: Claims) => Claims
  /** Changes of the JSON text, made last: for what no JSON writer would write. */
  payloadText?: (text: string) => string
  /** Who signs. Default: the issuer's own key, as an insider would. */
  key?: JWK
  /** Makes the signature in place of the key, out of what is to be signed. */
  signature?: (input: string) => Buffer | string
}

/** The good credential with its token forged; its positive control is the good one. */
export function forged(lab: Lab, label: string, forgery: Forgery | (() => Promise<Forgery>)): Credential {
  return lab.good().withToken(async (token) => {
    const made = typeof forgery === 'function' ? await forgery() : forgery
    return forgedToken(token, made.signature === undefined ? (made.key ?? (await lab.signingKey())) : undefined, made)
  }, label)
}

/** A variant that presents a forged token and nothing else. */
export function forging(expect: Outcome, forgery: Forgery | ((lab: Lab) => Forgery | Promise<Forgery>)): Variant {
  const made = typeof forgery === 'function' ? forgery : () => forgery
  return { expect, isForgery: true, attack: (lab) => lab.call(forged(lab, 'forged', async () => made(lab))) }
}

/** Further claims, or other values of them. */
export function withClaims(claims: Claims): Forgery {
  return { claims: (own) => ({ ...own, ...claims }) }
}

/** A claim, or another value of it. */
export function withClaim(name: string, value: unknown): Forgery {
  return withClaims({ [name]: value })
}

/** Without a claim. */
export function withoutClaim(name: string): Forgery {
  return { claims: ({ [name]: _, ...claims }) => claims }
}

/** A token out of another one, signed by `key` unless the forgery brings a signature. It keeps its `jti`: the issuer knows it. */
export function forgedToken(token: string, key: JWK | undefined, forgery: Forgery): string {
  const [header, payload] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString())
  if (header === undefined || payload === undefined) throw new TokenNotReadable('forgedToken')
  const own = JSON.parse(payload) as Claims
  const claims = JSON.stringify(forgery.claims?.(own) ?? own)
  const texts = [
    JSON.stringify({ ...(JSON.parse(header) as Claims), ...forgery.header }),
    forgery.payloadText?.(claims) ?? claims,
  ]
  const input = texts.map((text) => Buffer.from(text).toString('base64url')).join('.')
  const signature = forgery.signature?.(input) ?? signatureOver(input, key!)
  return `${input}.${typeof signature === 'string' ? signature : signature.toString('base64url')}`
}

/**
 * Presents a token that names an issuer at the caller's: one that serves the very key that signed it, under a certificate that the
 * target trusts. Nobody may come for it.
 */
export async function luring(lab: Lab, key: JWK, forgery: (url: string) => Forgery): Promise<Verdict> {
  const [seat, { host }] = [luringSeat(lab), lab.site.node(lab.target.from)]
  const certificate = await issueLeaf({ authority: await lab.authority('target'), subject: host, sans: [host] })
  const issuer = lab.site.own(await listenAsIssuer({ seat, host, certificate, keys: [key] }))
  const verdict = await lab.call(forged(lab, 'luring', { key, ...forgery(issuer.url) }))
  lab.demand(issuer.connections === 0, `it connected to ${issuer.url}, which only the token names`)
  lab.demand(issuer.brokenOff.length === 0, `it began a handshake with ${issuer.url}, which only the token names`)
  return verdict
}

/** At the caller's, where the target would find it. */
export function luringSeat(lab: Lab): Seat {
  return seatFoundBy(lab.site.site, lab.site.node(lab.target.from), lab.target.node)
}

/** A private key that nobody has seen. */
export async function newKey(alg = 'ES256'): Promise<JWK> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(privateKey)), alg }
}

/** The claim that binds a token to a certificate. */
export function bindingTo({ certPem }: Identity): { cnf: { 'x5t#S256': string } } {
  return { cnf: { 'x5t#S256': thumbprintS256(certPem) } }
}

/** Under a `jti` that the issuer has never seen. */
export const anewClaims = (claims: Claims): Claims => ({ ...claims, jti: randomUUID() })
