import type { z } from 'zod'
import type { ShapedTopology } from './check-shape.ts'
import type { Compilation } from './compilation.ts'
import type { CredentialDeclaration } from './credential-types.ts'
import type { Action } from './kind.ts'
import type { PlanAccept, PlanCredential, PlanUnit, Template } from './plan.ts'
import type { HandoverMethod } from './schema.ts'

/** What compiling knows of a credential kind: what a topology says of such credentials, and what comes of that in the plan. Pure. */
export interface DeclaredKind<
  Declaration extends CredentialDeclaration = CredentialDeclaration,
  Planned extends PlanCredential = PlanCredential,
> {
  readonly name: Planned['kind']
  readonly schema: z.ZodType<Declaration>
  /** Members that name something else that is declared, beside issuer and holders. */
  readonly references?: Readonly<Record<string, keyof ShapedTopology['names']>>
  /** The part of a call as which it is presented. */
  readonly part: string
  /** The credentials that one is presented together with, by name. */
  beside?(planned: Planned): readonly string[]
  /** Its file in the folder that it has at a holder; absent: the folder itself. */
  readonly file?: string
  /** What a unit that issues it does, and the member of a trust domain that names the node where that is done by default. */
  readonly issuing: { readonly does: string; readonly role?: 'ca' | 'issuer' }
  readonly handover: {
    readonly method: HandoverMethod
    /** Why no other one fits, and why only one node can hold it where that is so. */
    readonly why: string
    readonly hasSeveralHolders?: boolean
  }
  /** It is of use although no `accepts` names it, once a unit uses it or it is presented beside another one. */
  readonly servesUnaccepted?: boolean
  /** Fills defaults in. Undefined after a mistake. */
  resolve(compilation: Compilation, declared: Declared<Declaration>): Planned | undefined
  /** The oneshots by which a node comes to those that it holds. */
  units(compilation: Compilation, node: string, held: readonly Planned[]): PlanUnit[]
  /** Why a target cannot accept one there, whatever `accepts` says, each with its way out. */
  unacceptable?(compilation: Compilation, accept: PlanAccept, action: Action, planned: Planned): WhyNot[]
}

export type WhyNot = readonly [why: string, wayOut: string]

/** A declared credential: where it stands, and the first of its holders, which is the only one of most kinds. */
export interface Declared<Declaration> {
  readonly name: string
  readonly declaration: Declaration
  readonly holder: string
  /** Where it will lie, on each of them. */
  readonly files: Record<string, Template>
  readonly path: readonly string[]
  /** Reports what is wrong with a member of it. */
  mistake(member: readonly PropertyKey[], message: string, wayOut: string): void
}

export type CredentialKinds = ReadonlyMap<string, DeclaredKind>
