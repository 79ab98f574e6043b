import { type Compilation, own } from '../../topology/compilation.ts'
import type { WhyNot } from '../../topology/credential-kind.ts'
import { durationSeconds } from '../../topology/duration.ts'
import { handedTo, oneshot } from '../../topology/implicit-units.ts'
import type { Action } from '../../topology/kind.ts'
import { offerOf } from '../../topology/offers.ts'
import { anchorUnit } from '../../topology/paths.ts'
import type { PlanAccept, PlanUnit, UnitRef } from '../../topology/plan.ts'
import type { CredentialKind } from '../credential-kind.ts'
import { tokenChecks } from './checks.ts'
import { declaredTokenFindings } from './declared-findings.ts'
import { type BoundTokenDeclaration, boundTokenSchema, type PlanBoundToken } from './planned.ts'
import { resolveToken } from './resolve.ts'

/** Share of a token's life after which it is minted anew. */
const renewAt = 0.8

/** Access tokens that are bound to a certificate (RFC 8705). */
export const boundToken: CredentialKind<BoundTokenDeclaration, PlanBoundToken> = {
  name: 'bound-token',
  schema: boundTokenSchema,
  references: { subject: 'nodes', nodes: 'nodes', boundTo: 'credentials' },
  part: 'token',
  beside: ({ boundTo }) => [boundTo],
  file: 'token',
  issuing: { does: 'mints tokens', role: 'issuer' },
  handover: { method: 'mint', why: 'it is minted for a holder that proved its certificate' },
  resolve: resolveToken,
  units: tokenUnits,
  unacceptable,
  ...tokenChecks,
  arrow: { style: 'thin', legend: 'token, from auth server to holder' },
  places: (token) => ({ token }),
  declaredFindings: declaredTokenFindings,
  findings: async (held, files) => (await import('./findings.ts')).tokenFindings(held, files),
  live: async () => (await import('./live.ts')).liveBoundToken,
}

/** A holder proves its certificates, and is given its tokens then. */
function tokenUnits(compilation: Compilation, node: string, held: readonly PlanBoundToken[]): PlanUnit[] {
  return [...proveUnits(compilation, node, held), ...held.map((token) => mintUnit(compilation, node, token))]
}

function proveUnit(node: string, issuer: string): UnitRef {
  return `${node}/prove-${issuer}`
}

/** For each issuer, the oneshot in which a holder proves its certificates there. */
function proveUnits(compilation: Compilation, node: string, tokens: readonly PlanBoundToken[]): PlanUnit[] {
  const proven = tokens.flatMap((token) =>
    token.mint.prove === undefined ? [] : { ...token, prove: token.mint.prove },
  )
  const byIssuer = Map.groupBy(proven, (token) => token.issuer)
  return [...byIssuer].map(([issuerNode, held]) => {
    const issuer = offerOf(compilation, 'bound-token', issuerNode)!
    const calls = new Map(held.map(({ prove }) => [JSON.stringify(prove), prove]))
    return oneshot(node, {
      ref: proveUnit(node, issuerNode),
      kind: 'prove',
      summary: `proves its certificate at ${issuerNode}`,
      after: [issuer.after, anchorUnit(node, issuer.domain), ...held.map(({ boundTo }) => `${node}/${boundTo}`)],
      steps: [...calls.values()].map((call) => ({ call })),
    })
  })
}

function mintUnit(compilation: Compilation, node: string, token: PlanBoundToken): PlanUnit {
  const { name, issuer } = token
  const offer = offerOf(compilation, 'bound-token', issuer)!
  const { prove, mint, member } = token.mint
  const source = { mint, member, renew: { lifetimeSeconds: livesFor(compilation, token), at: renewAt } }
  return oneshot(node, {
    ref: `${node}/${name}`,
    kind: 'mint',
    summary: `receives the token ${name} from ${issuer}`,
    after:
      prove === undefined
        ? [offer.after, anchorUnit(node, offer.domain), `${node}/${token.boundTo}`]
        : [proveUnit(node, issuer)],
    steps: [
      { receive: { from: offer.by === 'holder' ? node : issuer, source, to: handedTo(compilation, token, node) } },
    ],
  })
}

/** In seconds. A token never outlives the certificate that it is bound to. */
function livesFor({ topology }: Compilation, { boundTo, lifetimeSeconds }: PlanBoundToken): number {
  const certificate = own(topology.credentials, boundTo)
  if (certificate?.kind !== 'certificate') return lifetimeSeconds
  return Math.min(lifetimeSeconds, durationSeconds(certificate.lifetime))
}

/** A target takes tokens of the one issuer that it believes, for itself, with the scope of what is done. */
function unacceptable(
  { topology }: Compilation,
  { target, action }: PlanAccept,
  { demands }: Action,
  token: PlanBoundToken,
): WhyNot[] {
  const node = own(topology.nodes, target)
  const domain = node && own(topology.trustDomains, node.domain)
  if (node === undefined || domain === undefined) return []
  const why: WhyNot[] = []
  const believed = demands?.issuer ?? domain.issuer
  if (believed !== token.issuer) {
    const trusted = believed === undefined ? 'no issuer' : `"${believed}" only`
    why.push([`"${token.issuer}" mints it, and "${target}" believes ${trusted}`, 'name a token of that issuer'])
  }
  const audiences = audiencesOf(demands?.audience, node.host, domain.peeringAudience)
  if (!token.audience.some((uri) => audiences.includes(uri))) {
    why.push([`its audience is ${token.audience.join(', ')}`, `give it ${audiences.join(' or ')}`])
  }
  if (token.nodes !== undefined && !token.nodes.includes(target)) {
    why.push([`it is for ${token.nodes.join(', ')} only`, `add "${target}" to its nodes`])
  }
  const missing = (demands?.scope ?? []).filter((scope) => !token.scope.includes(scope))
  if (missing.length > 0) why.push([`"${action}" needs the scope ${missing.join(' ')}`, 'add it to its scope'])
  return why
}

function audiencesOf(
  demanded: NonNullable<Action['demands']>['audience'],
  host: string,
  peeringAudience: string | undefined,
): readonly string[] {
  if (Array.isArray(demanded)) return demanded
  const own = `https://${host}`
  return demanded === 'own' || peeringAudience === undefined ? [own] : [own, peeringAudience]
}
