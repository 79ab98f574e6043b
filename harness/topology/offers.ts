import { type Compilation, type NodeOffer, own } from './compilation.ts'
import type { DeclaredKind } from './credential-kind.ts'
import type { CredentialKindName, OfferOf } from './credential-types.ts'

/** What a node offers to issue of one kind. */
export function offerOf<Name extends CredentialKindName>(
  { offers }: Compilation,
  kind: Name,
  node: string,
): (OfferOf<Name> & NodeOffer) | undefined {
  // Only what a kind of that name made was entered under the name.
  return offers.find((one) => one.node === node && one.credentialKind === kind) as
    | (OfferOf<Name> & NodeOffer)
    | undefined
}

/** The offer of the node that issues a declared credential; reports one that issues none of its kind. */
export function issuerOf<Name extends CredentialKindName>(
  compilation: Compilation,
  kind: Name,
  node: string,
  path: readonly string[],
): (OfferOf<Name> & NodeOffer) | undefined {
  const { topology, names, offers, unknownNodes, mistakes } = compilation
  const offer = offerOf(compilation, kind, node)
  const { role, does } = compilation.credentialKinds.get(kind)!.issuing
  // A node that a trust domain names for it is reported there.
  const isNamed = role !== undefined && Object.values(topology.trustDomains).some((domain) => domain[role] === node)
  if (offer !== undefined || isNamed || unknownNodes.has(node) || !names.nodes.has(node)) return offer
  const able = offers.flatMap((one) => (one.credentialKind === kind ? one.node : []))
  if (able.length === 0 && role !== undefined) able.push('the nodes that a trust domain names')
  const wayOut = able.length > 0 ? `name one of ${able.join(', ')}` : unitThatIssues(compilation, kind)
  mistakes.add([...path, 'issuer'], `"${node}" has no unit that ${does}`, wayOut)
  return undefined
}

/** How a node comes to issue credentials of a kind. */
export function unitThatIssues({ kinds }: Compilation, credentialKind: string): string {
  const able = [...kinds.values()].filter(({ offers }) => offers !== undefined && credentialKind in offers)
  if (able.length === 0) return `no service kind here offers a ${credentialKind}: add one that does to kinds`
  return `give it a unit of kind ${able.map(({ name }) => name).join(', ')}`
}

/** The kind of what the nodes issue that trust domains name in a role. */
export function kindInRole({ credentialKinds }: Compilation, role: 'ca' | 'issuer'): DeclaredKind | undefined {
  return [...credentialKinds.values()].find(({ issuing }) => issuing.role === role)
}

/** The offer of the node that a trust domain names in a role. */
export function offerInRole(compilation: Compilation, domain: string, role: 'ca' | 'issuer'): NodeOffer | undefined {
  const node = own(compilation.topology.trustDomains, domain)?.[role]
  const kind = kindInRole(compilation, role)
  return node === undefined || kind === undefined ? undefined : offerOf(compilation, kind.name, node)
}
