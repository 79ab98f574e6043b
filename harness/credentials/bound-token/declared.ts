import type { Claim } from '../../topology/check-accepts.ts'
import { type Compilation, own } from '../../topology/compilation.ts'
import type { Action } from '../../topology/kind.ts'
import type { CredentialKind } from '../credential-kind.ts'
import { tokenChecks } from './checks.ts'
import { declaredTokenFindings } from './declared-findings.ts'
import { type BoundTokenDeclaration, boundTokenSchema, type PlanBoundToken } from './planned.ts'
import { resolveToken } from './resolve.ts'
import { tokenUnits } from './units.ts'

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
  checkAccept,
  ...tokenChecks,
  arrow: { style: 'thin', legend: 'token, from auth server to holder' },
  places: (token) => ({ token }),
  declaredFindings: declaredTokenFindings,
  findings: async (held, files) => (await import('./findings.ts')).tokenFindings(held, files),
  live: async () => (await import('./live.ts')).liveBoundToken,
}

/** Reports why a target could not accept a token, whatever the topology says. */
function checkAccept(
  { topology, mistakes }: Compilation,
  { accept, path }: Claim,
  { demands }: Action,
  token: PlanBoundToken,
): void {
  const { target } = accept
  const node = own(topology.nodes, target)
  const domain = node && own(topology.trustDomains, node.domain)
  if (node === undefined || domain === undefined) return
  const refuse = (message: string, wayOut: string) =>
    mistakes.add([...path, 'credential'], `"${target}" cannot accept "${token.name}": ${message}`, wayOut)
  const believed = demands?.issuer ?? domain.issuer
  if (believed !== token.issuer) {
    const trusted = believed === undefined ? 'no issuer' : `"${believed}" only`
    refuse(`"${token.issuer}" mints it, and "${target}" believes ${trusted}`, 'name a token of that issuer')
  }
  const audiences = audiencesOf(demands?.audience, node.host, domain.peeringAudience)
  if (!token.audience.some((uri) => audiences.includes(uri))) {
    refuse(`its audience is ${token.audience.join(', ')}`, `give it ${audiences.join(' or ')}`)
  }
  if (token.nodes !== undefined && !token.nodes.includes(target)) {
    refuse(`it is for ${token.nodes.join(', ')} only`, `add "${target}" to its nodes`)
  }
  const missing = (demands?.scope ?? []).filter((scope) => !token.scope.includes(scope))
  if (missing.length > 0) refuse(`"${accept.action}" needs the scope ${missing.join(' ')}`, 'add it to its scope')
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
