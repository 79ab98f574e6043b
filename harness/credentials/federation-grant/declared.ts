import { type Compilation, needAnchor, own } from '../../topology/compilation.ts'
import type { Declared, WhyNot } from '../../topology/credential-kind.ts'
import { didYouMean } from '../../topology/mistakes.ts'
import { issuerOf } from '../../topology/offers.ts'
import { anchorPath } from '../../topology/paths.ts'
import type { CredentialKind } from '../credential-kind.ts'
import { grantChecks } from './checks.ts'
import { type FederationGrantDeclaration, federationGrantSchema, type PlanFederationGrant } from './planned.ts'

/** Grants of a gateway, each with the certificate that stands for it. */
export const federationGrant: CredentialKind<FederationGrantDeclaration, PlanFederationGrant> = {
  name: 'federation-grant',
  schema: federationGrantSchema,
  part: 'certificate',
  issuing: { does: 'lends rows to peers' },
  handover: { method: 'mint', why: 'a lender invites a peer, which has its own key certified there' },
  resolve: resolveGrant,
  // A gateway keeps its key sealed, and what it is lent to itself: nothing is laid down on its node.
  units: () => [],
  unacceptable,
  ...grantChecks,
  arrow: { style: 'thin', legend: 'grant, from lender to peer' },
  places: () => ({}),
  findings: async () => [],
  live: async () => (await import('./live.ts')).liveFederationGrant,
}

function resolveGrant(
  compilation: Compilation,
  declared: Declared<FederationGrantDeclaration>,
): PlanFederationGrant | undefined {
  const lent = lentBy(compilation, 'federation-grant', declared)
  if (lent === undefined) return undefined
  const { name, declaration, holder, files } = declared
  const { issuer } = declaration
  const { order, lifetimeSeconds } = lent
  return {
    ...{ name, kind: 'federation-grant', issuer, holders: [holder], handover: 'mint', lifetimeSeconds, files },
    ...order,
  }
}

/** What a gateway lends by a grant, and how it is asked for one. */
export function lentBy(
  compilation: Compilation,
  kind: 'federation-grant' | 'enrolment-token',
  { declaration, holder, path, mistake }: Declared<Pick<FederationGrantDeclaration, 'issuer' | 'subject' | 'scope'>>,
) {
  const { issuer, subject, scope } = declaration
  const offer = issuerOf(compilation, kind, issuer, path)
  const domain = own(compilation.topology.nodes, issuer)?.domain
  if (offer === undefined || domain === undefined) return undefined
  const found = <One>(member: 'subject' | 'scope', all: Readonly<Record<string, One>>, wanted: string) => {
    const one = own(all, wanted)
    const known = Object.keys(all)
    const what = member === 'subject' ? 'user' : 'scope'
    const wayOut = didYouMean(wanted, known, `name one of ${known.join(', ') || 'none'}`)
    if (one === undefined) mistake([member], `"${issuer}" has no ${what} "${wanted}"`, wayOut)
    return one
  }
  const user = found('subject', offer.subjects, subject)
  const document = found('scope', offer.scopes, scope)
  if (user === undefined || document === undefined) return undefined
  for (const node of [issuer, holder]) needAnchor(compilation, node, domain)
  const { url, lends, operatorToken, signer, oids, overlapSeconds, lifetimeSeconds } = offer
  const lender = { url, anchor: anchorPath(domain), lends, operatorToken, signer, oids, overlapSeconds }
  return { order: { subject, user, scope, document, lender }, lifetimeSeconds }
}

/** A gateway lends what it granted itself. */
function unacceptable(
  _: Compilation,
  { target }: { target: string },
  __: unknown,
  grant: PlanFederationGrant,
): WhyNot[] {
  if (grant.issuer === target) return []
  return [[`"${grant.issuer}" granted it, and "${target}" knows no grants but its own`, 'name one that it granted']]
}
