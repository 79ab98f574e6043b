import { type Compilation, isDeclared, type NodeOffer } from './compilation.ts'
import type { DeclaredKind } from './credential-kind.ts'
import type { Offer, UnitContext } from './kind.ts'
import { offerOf, unitThatIssues } from './offers.ts'
import { unitContext } from './unit-context.ts'

/** Enters what the units of each node issue, and reports trust domains whose nodes do not issue what they should. */
export function enterOffers(compilation: Compilation): void {
  for (const unit of compilation.units.values()) {
    const known = compilation.offers.get(unit.node) ?? new Map<string, NodeOffer>()
    compilation.offers.set(unit.node, known)
    const offers: Readonly<Record<string, (unit: UnitContext<unknown>) => Offer>> = unit.kind.offers ?? {}
    for (const [name, offer] of Object.entries(offers)) {
      if (known.has(name)) continue
      const domain = domainOf(compilation, compilation.credentialKinds.get(name), unit.node)
      known.set(name, { ...offer(unitContext(compilation, unit)), domain, unit: unit.ref })
    }
  }
  for (const [domain, declared] of Object.entries(compilation.topology.trustDomains)) {
    for (const kind of compilation.credentialKinds.values()) {
      const { role } = kind.issuing
      const node = role && declared[role]
      if (role === undefined || node === undefined) continue
      if (offerOf(compilation, kind.name, node) === undefined) {
        reportMissing(compilation, kind, node, ['trustDomains', domain, role])
      }
    }
  }
}

/** The trust domain that names a node for what it issues, else the one that the node is of. */
function domainOf({ topology }: Compilation, kind: DeclaredKind | undefined, node: string): string {
  const role = kind?.issuing.role
  const [domain] = Object.entries(topology.trustDomains).find(([, one]) => role && one[role] === node) ?? []
  return domain ?? topology.nodes[node]!.domain
}

function reportMissing(compilation: Compilation, kind: DeclaredKind, node: string, path: readonly string[]): void {
  if (!isDeclared(compilation, 'nodes', node, path) || compilation.unknownNodes.has(node)) return
  const message = `"${node}" has no unit that ${kind.issuing.does}`
  compilation.mistakes.add(path, message, unitThatIssues(compilation, kind.name))
}
