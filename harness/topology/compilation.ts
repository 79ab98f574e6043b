import type { DeclaredNames } from './check-shape.ts'
import type { CredentialKinds } from './credential-kind.ts'
import type { Insider } from './insider.ts'
import type { Action, KindPlan, Offer, ServiceKind, UnitContext } from './kind.ts'
import { type Mistakes, nearest } from './mistakes.ts'
import type { Listener, UnitRef } from './plan.ts'
import type { Topology } from './schema.ts'
import type { ActionVerification } from './verification.ts'

export type Kinds = ReadonlyMap<string, ServiceKind>

/** What all parts of compiling share. */
export interface Compilation {
  readonly topology: Topology
  /** Folder of its file, if it has one. */
  readonly folder: string | undefined
  readonly names: DeclaredNames
  readonly acceptPlaces: readonly number[]
  readonly kinds: Kinds
  readonly credentialKinds: CredentialKinds
  readonly mistakes: Mistakes
  /** Every declared unit of a known kind with good settings, by `node/unit`. */
  readonly units: Map<UnitRef, DeclaredUnit>
  /** Nodes of which a unit is not in `units`: what they offer is not known. */
  readonly unknownNodes: Set<string>
  /** Listeners of each node, in the order of its units. */
  readonly listeners: Map<string, readonly Listener[]>
  /** What can be done at each unit. */
  readonly actions: Map<UnitRef, Readonly<Record<string, Action>>>
  /** How each unit judges callers, where its kind says so. */
  readonly verifications: Map<UnitRef, Readonly<Record<string, ActionVerification>>>
  /** What units say of their insiders. */
  readonly insiders: { readonly node: string; readonly insider: Insider }[]
  /** Domains whose root a node needs. */
  readonly anchors: Map<string, Set<string>>
  /** Credentials that some unit uses. */
  readonly used: Set<string>
  /** Operating-system users of the units that read a credential on one of its holders, by `holder/credential`. */
  readonly readers: Map<UnitRef, Set<string>>
  /** What is issued at each node, by credential kind. */
  readonly offers: Map<string, Map<string, NodeOffer>>
}

export interface DeclaredUnit {
  readonly ref: UnitRef
  readonly node: string
  readonly name: string
  readonly kind: ServiceKind
  readonly settings: unknown
}

export interface NodeOffer extends Offer {
  /** The trust domain for which it is made. */
  readonly domain: string
  readonly unit: UnitRef
}

export interface PlannedUnit {
  readonly unit: DeclaredUnit
  readonly plan: KindPlan
  readonly after: ReadonlySet<UnitRef>
}

export type AnyUnitContext = UnitContext<unknown>

/** The own member of a record: names such as `constructor` are data here. */
export function own<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

const nouns = { trustDomains: 'trust domain', nodes: 'node', credentials: 'credential' } as const

/** Whether a name is declared; reports it at `path` when it is not. */
export function isDeclared(
  { names, mistakes }: Compilation,
  register: keyof DeclaredNames,
  name: string,
  path: readonly PropertyKey[],
): boolean {
  if (names[register].has(name)) return true
  const meant = nearest(name, names[register])
  mistakes.add(
    path,
    `${nouns[register]} "${name}" is not declared`,
    meant === undefined ? `declare it under ${register}, or name one that is there` : `did you mean "${meant}"?`,
  )
  return false
}

/** Remembers that a node needs the root of a domain. */
export function needAnchor(compilation: Compilation, node: string, domain: string): void {
  const domains = compilation.anchors.get(node) ?? new Set()
  compilation.anchors.set(node, domains.add(domain))
}
