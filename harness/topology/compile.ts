import { checkUse, resolveAccepts } from './check-accepts.ts'
import { checkMalformed, checkNames } from './check-names.ts'
import { checkNetworks, checkReach } from './check-networks.ts'
import { checkOrder } from './check-order.ts'
import { checkRequests, type RequestForms } from './check-requests.ts'
import { checkShape } from './check-shape.ts'
import type { Compilation, Kinds, PlannedUnit } from './compilation.ts'
import type { DeclaredKind } from './credential-kind.ts'
import { enterHops } from './hops.ts'
import { anchorUnits, declaredUnits } from './implicit-units.ts'
import { LoadedTopology } from './loaded-topology.ts'
import { Mistakes } from './mistakes.ts'
import { offerInRole } from './offers.ts'
import type { Plan, PlanCredential, PlanNode, PlanTrustDomain } from './plan.ts'
import { draftUnits, enterOffers, planUnit } from './plan-units.ts'
import { checkTools } from './programs.ts'
import { resolveCredentials } from './resolve-credentials.ts'
import { type TopologyDeclaration, topologySchema } from './schema.ts'

export interface CompileOptions {
  /** Service kinds by name. */
  kinds: Kinds
  credentialKinds: readonly DeclaredKind[]
  /** Protocols by name, to which requests are held. */
  protocols: RequestForms
}

/**
 * Checks a topology and turns it into a plan. Pure: nothing is read, started or resolved.
 *
 * @throws TopologyInvalid with every mistake of the topology, each with place and way out.
 */
export function compile(declared: LoadedTopology | TopologyDeclaration, options: CompileOptions): Plan {
  const loaded = declared instanceof LoadedTopology ? declared : new LoadedTopology(nameOf(declared), declared, {})
  const mistakes = new Mistakes()
  const shaped = checkShape(loaded.value, topologySchema(options.credentialKinds), mistakes)
  if (shaped === undefined) mistakes.throwIfAny(loaded.source)
  const compilation: Compilation = {
    ...shaped!,
    ...{ mistakes, folder: loaded.folder, kinds: kindsOf(loaded, options.kinds, mistakes) },
    credentialKinds: new Map(options.credentialKinds.map((kind) => [kind.name, kind])),
    ...{ units: new Map(), unknownNodes: new Set(), drafts: new Map(), offers: [] },
    ...{ anchors: new Map(), used: new Set(), readers: new Map() },
  }
  const { topology, names, complete, units, unknownNodes } = compilation
  checkNames(compilation)
  checkNetworks(compilation)
  if (!complete) checkMalformed(compilation, loaded.value)
  draftUnits(compilation)
  enterOffers(compilation)
  const credentials = resolveCredentials(compilation)
  const planned = [...units.values()].map((unit) => planUnit(compilation, unit, [...credentials.values()]))
  checkRequests(compilation, planned, options.protocols)
  const accepts = resolveAccepts(compilation, credentials)
  const nodes = planNodes(compilation, [...credentials.values()], planned)
  enterHops(nodes)
  checkOrder(compilation, nodes)
  checkReach(compilation, nodes)
  checkTools(compilation, nodes)
  // A unit whose kind or settings are wrong uses nothing yet: its credentials are no mistakes beside that.
  if (complete && unknownNodes.size === 0) checkUse(compilation, accepts, credentials)
  mistakes.throwIfAny(loaded.source)

  const given = Object.entries(loaded.parameters).filter(([, value]) => value !== null)
  return {
    format: 2,
    topology: topology.name,
    summary: topology.summary,
    parameters: Object.fromEntries(given) as Plan['parameters'],
    trustDomains: planTrustDomains(compilation),
    networks: names.networks.size > 0 ? topology.networks : undefined,
    nodes,
    credentials: Object.fromEntries(credentials),
    accepts,
  }
}

function nameOf(declared: TopologyDeclaration): string {
  const name: unknown = (declared as { name?: unknown } | undefined)?.name
  return typeof name === 'string' ? name : 'without a name'
}

/** Kinds that everybody has, and those of this topology. */
function kindsOf({ kinds: own }: LoadedTopology, shared: Kinds, mistakes: Mistakes): Kinds {
  for (const { name } of own) {
    if (shared.has(name)) mistakes.add(['kinds', name], 'is the name of a kind that Holdfast has', 'choose another one')
  }
  return new Map([...own.map((kind) => [kind.name, kind] as const), ...shared])
}

function planTrustDomains(compilation: Compilation): Record<string, PlanTrustDomain> {
  const { trustDomains } = compilation.topology
  const entries = Object.entries(trustDomains).map(([name, { ca, issuer, peeringAudience }]) => {
    const issuerUrl = offerInRole(compilation, name, 'issuer')?.url
    return [name, { ca, issuer, issuerUrl, peeringAudience }] as const
  })
  return Object.fromEntries(entries)
}

function planNodes(
  compilation: Compilation,
  credentials: readonly PlanCredential[],
  planned: readonly PlannedUnit[],
): Record<string, PlanNode> {
  const kinds = [...compilation.credentialKinds.values()]
  const nodes = Object.entries(compilation.topology.nodes).map(([name, { host, domain, networks }]) => {
    const held = credentials.filter(({ holders }) => holders.includes(name))
    const heldOf = (kind: string) => held.filter((one) => one.kind === kind)
    const units = [
      ...anchorUnits(compilation, name),
      ...kinds.flatMap((kind) => kind.units(compilation, name, heldOf(kind.name))),
      ...planned.flatMap((one) => (one.unit.node === name ? declaredUnits(one) : [])),
    ]
    return [name, { name, host, domain, networks, units }] as const
  })
  return Object.fromEntries(nodes)
}
