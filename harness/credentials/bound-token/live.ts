import { randomBytes } from 'node:crypto'
import type { JWK } from 'jose'
import { type Identity, thumbprintS256 } from '../../pki/certificate.ts'
import { mutateClaims, tamperSignature, tamperText } from '../../tokens/forge.ts'
import { type Claims, inspectToken } from '../../tokens/inspect.ts'
import { placeOf } from '../../topology/holders.ts'
import type { HttpCall } from '../../topology/plan.ts'
import { type IssuerWatch, type LiveKind, NotIssued, type Spoiling } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import type { Presented } from '../parts.ts'
import type { SpoiledToken } from './checks.ts'
import { explanation, facts, mismatch, refusalProblems, type TokenSummary, tokenSummary } from './judged.ts'
import type { PlanBoundToken } from './planned.ts'
import { trustIn } from './trust.ts'

const hour = 3_600
const now = () => Math.floor(Date.now() / 1000)

const spoil: Readonly<Record<SpoiledToken, Spoiling<PlanBoundToken>>> = {
  expired: forged((claims) => ({ ...claims, iat: now() - 2 * hour, exp: now() - hour })),
  'not yet valid': forged((claims) => ({ ...claims, nbf: now() + hour, exp: now() + 2 * hour })),
  revoked: async (_, planned, site) => {
    // One of its own: others go on to be good.
    const [holder = ''] = planned.holders
    const { token = '', certificate } = await fresh(planned, site, holder)
    const { revoke } = planned.mint
    if (revoke === undefined) await site.endTokens(planned.issuer, 'revoke', { jti: inspectToken(token)?.jti })
    else {
      const call = { ...revoke, form: { ...revoke.form, token } }
      demandAnswer(planned, 'end it', call, await site.callWith(certificate!, holder, call))
    }
    return { token }
  },
  'key retired': async ({ token }) => ({ token }),
  tampered: async ({ token = '' }, { opaque }) => ({ token: (opaque ? tamperText : tamperSignature)(token) }),
  'naming another issuer': forged((claims) => ({ ...claims, iss: 'https://another-issuer.test' })),
  unbound: forged(({ cnf: _, ...claims }) => claims),
  'bound elsewhere': forged((claims) => bound(claims, randomBytes(32).toString('base64url'))),
  'bound to the presenter': forged((claims, presenter) => {
    return presenter ? bound(claims, thumbprintS256(presenter.certPem)) : claims
  }),
  'without scope': forged((claims) => ({ ...claims, scope: '' })),
  'for another node': forged((claims) => ({ ...claims, trusted_nodes: ['nobody'] })),
}

function bound(claims: Claims, thumbprint: string): Claims {
  return { ...claims, cnf: { 'x5t#S256': thumbprint } }
}

/** Named by its own `kid`, where it has one: it need not be the one that signed the token. */
function signedAnew(token: string, key: JWK, forge: (claims: Claims) => Claims): Promise<string> {
  return mutateClaims(token, key, forge, key.kid === undefined ? {} : { kid: key.kid })
}

/** The issuer never mints such tokens, so they are signed with its key. */
function forged(forgery: (claims: Claims, presenter: Identity | undefined) => Claims): Spoiling<PlanBoundToken> {
  return async ({ token = '', certificate }, { issuer }, site) => {
    const forge = (claims: Claims) => forgery(claims, certificate)
    return { token: await signedAnew(token, await site.signingKey(issuer), forge) }
  }
}

/** Minted for a certificate that is proven to the issuer first, or by who presents it. */
async function fresh(planned: PlanBoundToken, site: LiveSite, holder: string, beside?: Presented): Promise<Presented> {
  const { name, issuer, boundTo } = planned
  const { prove, mint, member } = planned.mint
  const { certificate } = beside ?? (await site.fresh(boundTo))
  if (prove === undefined) {
    const answer = await site.callWith(certificate!, holder, mint)
    demandAnswer(planned, 'ask for it', mint, answer)
    return { certificate, token: textIn(name, member, answer.status, JSON.parse(answer.text)) }
  }
  demandAnswer(planned, 'prove its holder', prove, await site.callWith(certificate!, holder, prove))
  const json = { ...(mint.json as object), 'x5t#S256': thumbprintS256(certificate!.certPem) }
  const answer = await site.callFrom(issuer, { ...mint, json })
  return { certificate, token: textIn(name, member, answer.status, answer.json) }
}

function textIn(name: string, member: string, status: number | null, json: unknown): string {
  const token = (json as Record<string, unknown> | undefined)?.[member]
  if (typeof token !== 'string') throw new NotIssued(name, 'mint it', status, JSON.stringify(json))
  return token
}

function demandAnswer(
  { name }: PlanBoundToken,
  step: string,
  { expect }: HttpCall,
  { status, text }: { status: number | null; text: string },
): void {
  if (status === null || !expect.includes(status)) throw new NotIssued(name, step, status, text)
}

/**
 * Counts the questions of a node about a token since it was made, where they are written down: at an issuer of the plan that keeps
 * decision records. A question about a token that the issuer does not know names none, and is counted, too.
 */
export async function watchIssuer(
  site: Pick<LiveSite, 'plan' | 'node'>,
  node: string,
  url: string | undefined,
): Promise<IssuerWatch | undefined> {
  const { trustDomains, nodes } = site.plan
  const issuer = Object.values(trustDomains).find(({ issuerUrl }) => issuerUrl === url)?.issuer
  const recording = nodes[issuer ?? '']?.units.filter(({ service }) => service?.decisionLog !== undefined)
  const asked = recording?.flatMap(({ insider }) => insider?.mints?.asked ?? [])[0]
  if (issuer === undefined || issuer === node || asked === undefined) return undefined
  const records = () => site.node(issuer).decisions()
  const before = (await records()).length
  const { address, host } = site.node(node)
  return async ({ token }) => {
    const since = (await records()).slice(before).filter(({ action }) => action === asked)
    const own = since.filter(({ conn, principal }) => conn.startsWith(`${address}:`) || principal.san === host)
    // Sessions that live on are asked about meanwhile, under the ids of their own tokens.
    const about = own.filter(({ principal }) => principal.jti === undefined || principal.jti === token?.jti)
    return { issuer, times: about.length }
  }
}

export const liveBoundToken: LiveKind<PlanBoundToken, TokenSummary> = {
  part: 'token',
  fresh,
  async held(planned, site, holder) {
    const token = await site.read(holder, placeOf(planned, holder))
    return { ...(await site.held(planned.boundTo)), token: token.trim() }
  },
  signedByInsider: async ({ token = '' }, { issuer }, site) => ({
    token: await signedAnew(token, await site.signingKey(issuer), (claims) => claims),
  }),
  spoil,
  forGood: {
    'key retired': {
      end: (issuer, site) => site.endTokens(issuer, 'rotate'),
      learned: 'the target has learned of the new key',
      learnedWithinMs: (verification) => trustIn(verification).learnsKeysWithinMs,
    },
  },
  summary: tokenSummary,
  proves: ({ jti }) => ({ jti }),
  explanation,
  facts,
  mismatch,
  refusalProblems,
  belongs: ({ token, certificate }) => token === undefined || token.thumbprint === certificate?.thumbprint,
  hints: ({ thumbprint }) => ({ thumbprint }),
  watch: (node, verification, site) => watchIssuer(site, node, trustIn(verification).issuer),
}
