import { checkUse, resolveAccepts } from './check-accepts.ts'
import { checkMalformed } from './check-malformed.ts'
import { checkNames } from './check-names.ts'
import { checkOrder, unitReference } from './check-order.ts'
import { checkRequests, type RequestForms } from './check-requests.ts'
import { checkShape } from './check-shape.ts'
import { type Compilation, type Kinds, own, type PlannedUnit } from './compilation.ts'
import type { DeclaredKind } from './credential-kind.ts'
import { enterOffers } from './enter-offers.ts'
import { anchorUnits, type DeclaredOfUnit, declaredUnits } from './implicit-units.ts'
import { LoadedTopology } from './loaded-topology.ts'
import { Mistakes } from './mistakes.ts'
import { offerInRole } from './offers.ts'
import type { Plan, PlanCredential, PlanNode, PlanTrustDomain, PlanUnit, UnitRef } from './plan.ts'
import { enterListeners, planUnits } from './plan-units.ts'
import { resolveCredentials } from './resolve-credentials.ts'
import { type TopologyDeclaration, topologySchema } from './schema.ts'

export interface CompileOptions {
  /** Service kinds by name. */
  kinds: Kinds
  credentialKinds: readonly DeclaredKind[]
  /** Protocols by name, to which requests are held. Absent: they are not looked at. */
  protocols?: RequestForms
  /** The parameters that the topology was made with, for the record. Default: those it was loaded with. */
  parameters?: Plan['parameters']
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
  const { topology, names, acceptPlaces, complete } = shaped!
  const compilation: Compilation = {
    ...{ topology, names, acceptPlaces, mistakes, kinds: kindsOf(loaded, options.kinds, mistakes) },
    ...{ units: new Map(), unknownNodes: new Set(), listeners: new Map(), anchors: new Map(), used: new Set() },
    ...{
      offers: new Map(),
      actions: new Map(),
      verifications: new Map(),
      insiders: [],
      folder: loaded.folder,
      readers: new Map(),
    },
    credentialKinds: new Map(options.credentialKinds.map((kind) => [kind.name, kind])),
  }
  checkNames(compilation)
  if (!complete) checkMalformed(compilation, loaded.value)
  enterListeners(compilation)
  enterOffers(compilation)
  const credentials = resolveCredentials(compilation)
  const planned = planUnits(compilation, credentials)
  if (options.protocols !== undefined) checkRequests(compilation, planned.values(), options.protocols)
  const accepts = resolveAccepts(compilation, credentials)
  const nodes = planNodes(compilation, credentials, planned)
  checkOrder(compilation, nodes)
  if (complete && isEveryUnitKnown(compilation)) checkUse(compilation, accepts, credentials)
  mistakes.throwIfAny(loaded.source)

  const { name, summary } = topology
  const parameters = options.parameters ?? withoutNulls(loaded.parameters)
  const trustDomains = planTrustDomains(compilation)
  return {
    format: 2,
    topology: name,
    summary,
    parameters,
    trustDomains,
    nodes,
    credentials: Object.fromEntries(credentials),
    accepts,
  }
}

/** A unit whose kind or settings are wrong uses nothing yet: its credentials are no mistakes beside that. */
function isEveryUnitKnown({ topology, units }: Compilation): boolean {
  const declared = Object.values(topology.nodes).flatMap((node) => Object.keys(node.units))
  return units.size === declared.length
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

function withoutNulls(parameters: LoadedTopology['parameters']): Plan['parameters'] {
  const kept = Object.entries(parameters).filter(
    (entry): entry is [string, string | number | boolean] => entry[1] !== null,
  )
  return Object.fromEntries(kept)
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
  credentials: ReadonlyMap<string, PlanCredential>,
  planned: ReadonlyMap<UnitRef, PlannedUnit>,
): Record<string, PlanNode> {
  const nodes = Object.entries(compilation.topology.nodes).map(([name, { host, domain }]) => {
    const held = [...credentials.values()].filter(({ holders }) => holders.includes(name))
    const units: PlanUnit[] = [
      ...anchorUnits(compilation, name),
      ...[...compilation.credentialKinds.values()].flatMap((kind) =>
        kind.units(
          compilation,
          name,
          held.filter((one) => one.kind === kind.name),
        ),
      ),
      ...[...planned.values()]
        .filter(({ unit }) => unit.node === name)
        .flatMap((unit) => declaredUnits(unit, declarationOf(compilation, unit))),
    ]
    return [name, { name, host, domain, units }] as const
  })
  return Object.fromEntries(nodes)
}

function declarationOf({ topology }: Compilation, { unit }: PlannedUnit): DeclaredOfUnit {
  const { after = [], user, start } = own(topology.nodes[unit.node]!.units, unit.name)!
  return { after: after.map((reference) => unitReference(unit.node, reference)), user, start }
}
