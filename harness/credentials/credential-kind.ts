import type { DeclaredKind } from '../topology/credential-kind.ts'
import type { HttpCall, Plan, PlanCredential, Template } from '../topology/plan.ts'
import type { CredentialDeclaration } from '../topology/schema.ts'
import type { ActionVerification } from '../topology/verification.ts'
import type { Checked } from './checks.ts'
import type { Finding } from './finding.ts'
import type { LiveKind } from './live-kind.ts'
import type { PartName, Places } from './parts.ts'

/** All that can be known of a credential kind before anything runs. */
export interface CredentialKind<
  Declaration extends CredentialDeclaration = CredentialDeclaration,
  Planned extends PlanCredential = PlanCredential,
> extends DeclaredKind<Declaration, Planned>,
    Checked {
  readonly part: PartName
  /** How pictures show that one is issued. */
  readonly arrow: { readonly style: 'dotted' | 'thin'; readonly legend: string }
  /** Where its part lies, with the file or folder of one at this path. */
  places(path: string): Places
  /** Whether one is enough by itself for an action, whatever comes with it. */
  suffices?(planned: Planned, verification: ActionVerification): boolean
  /** It is bound to nothing that it is presented beside: over another certificate one is as good. */
  readonly isGoodOverAny?: true
  /** What a plan says of them, or of who takes them, that compiles and yet cannot be meant. */
  declaredFindings?(plan: Plan): Finding[]
  /** What is wrong with those that lie at their holders. */
  findings(held: readonly Planned[], files: HeldFiles): Promise<Finding[]>
  /** What tests know of it: loaded by whoever makes calls. */
  live(): Promise<LiveKind>
}

/** Where a preflight finds what a plan only names. */
export interface HeldFiles {
  readonly plan: Plan
  /** The text of a file on a node. Rejects when it is not there. */
  read(node: string, path: Template): Promise<string>
  /** The permissions of a file on a node. Rejects when it is not there. */
  modeOf(node: string, path: Template): Promise<number>
  /** The root of a trust domain, as a node that trusts it has it. */
  anchor(domain: string): Promise<string>
  /** The JSON that `call` of a node is answered with. Rejects where that is none that it expects. */
  published(node: string, call: HttpCall): Promise<unknown>
  /** In ms since 1970. */
  readonly now: number
}
