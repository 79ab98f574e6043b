import type { ShapedTopology } from './check-shape.ts'
import type { CredentialKinds } from './credential-kind.ts'
import type { KindPlan, Offer, ServiceKind } from './kind.ts'
import { didYouMean, type Mistakes } from './mistakes.ts'
import type { Listener, UnitRef } from './plan.ts'
import type { UnitDeclaration } from './schema.ts'

export type Kinds = ReadonlyMap<string, ServiceKind>

/** What all parts of compiling share. */
export interface Compilation extends ShapedTopology {
  /** Folder of its file, if it has one. */
  readonly folder: string | undefined
  readonly kinds: Kinds
  readonly credentialKinds: CredentialKinds
  readonly mistakes: Mistakes
  /** Every declared unit of a known kind with good settings, by `node/unit`. */
  readonly units: Map<UnitRef, DeclaredUnit>
  /** Nodes of which a unit is not in `units`: what they offer is not known. */
  readonly unknownNodes: Set<string>
  /** What units were planned like before anything of other units was known: listeners, actions and insiders. */
  readonly drafts: Map<UnitRef, PlannedUnit>
  /** Domains whose root a node needs. */
  readonly anchors: Map<string, Set<string>>
  /** Credentials that some unit uses. */
  readonly used: Set<string>
  /** Operating-system users of the units that read a credential on one of its holders, by `holder/credential`. */
  readonly readers: Map<UnitRef, Set<string>>
  /** What is issued at the nodes. */
  readonly offers: NodeOffer[]
}

export interface DeclaredUnit {
  readonly ref: UnitRef
  readonly node: string
  readonly name: string
  readonly declared: UnitDeclaration
  readonly kind: ServiceKind
  readonly settings: unknown
}

export interface NodeOffer extends Offer {
  readonly credentialKind: string
  readonly node: string
  readonly unit: UnitRef
  /** The trust domain for which it is made. */
  readonly domain: string
}

export interface PlannedUnit {
  readonly unit: DeclaredUnit
  readonly plan: KindPlan
  readonly after: ReadonlySet<UnitRef>
}

/** The own member of a record: names such as `constructor` are data here. */
export function own<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

const nouns = { trustDomains: 'trust domain', networks: 'network', nodes: 'node', credentials: 'credential' } as const

/** Whether a name is declared; reports it at `path` when it is not. */
export function isDeclared(
  { names, mistakes }: Compilation,
  register: keyof Compilation['names'],
  name: string,
  path: readonly PropertyKey[],
): boolean {
  if (names[register].has(name)) return true
  const wayOut = didYouMean(name, names[register], `declare it under ${register}, or name one that is there`)
  mistakes.add(path, `${nouns[register]} "${name}" is not declared`, wayOut)
  return false
}

/** Reports a name that is not declared. What does not even look like a name is told elsewhere. */
export function checkName(
  compilation: Compilation,
  register: keyof Compilation['names'],
  name: unknown,
  path: readonly PropertyKey[],
): void {
  if (typeof name === 'string' && /^[a-z][a-z0-9-]*$/.test(name)) isDeclared(compilation, register, name, path)
}

/** Remembers that a node needs the root of a domain. */
export function needAnchor(compilation: Compilation, node: string, domain: string): void {
  const domains = compilation.anchors.get(node) ?? new Set()
  compilation.anchors.set(node, domains.add(domain))
}

/** Listeners of a node, in the order of its units. */
export function listenersOf({ drafts }: Compilation, node: string): Listener[] {
  return [...drafts.values()].flatMap(({ unit, plan }) => (unit.node === node ? (plan.service?.listeners ?? []) : []))
}
