// The public surface: everything that a program may import from `holdfast`. Scenarios import `holdfast/vitest` instead.

export type { BoundTokenDeclaration, PlanBoundToken, TokenIssuer } from './credentials/bound-token/planned.ts'
export type { Authority, CertificateDeclaration, PlanCertificate } from './credentials/certificate/planned.ts'
export { describeFailure, HoldfastError } from './errors.ts'
export { compile, kinds, trustGraph } from './shipped.ts'
export type { Kinds } from './topology/compilation.ts'
export type { CompileOptions } from './topology/compile.ts'
export { defineTopology, type TopologyDefinition } from './topology/define.ts'
export type { Insider } from './topology/insider.ts'
export {
  type Action,
  defineKind,
  type KindPlan,
  type Observation,
  type Offer,
  type ServiceKind,
  type UnitContext,
} from './topology/kind.ts'
export { type LoadOptions, loadTopology, TopologyUnknown, TopologyUnreadable } from './topology/load.ts'
export { LoadedTopology } from './topology/loaded-topology.ts'
export { type Mistake, TopologyInvalid } from './topology/mistakes.ts'
export { NixFailed, NixMissing } from './topology/nix.ts'
export { type ParameterDeclaration, ParameterInvalid } from './topology/parameters.ts'
export type { Plan, PlanAccept, PlanCredential, PlanNode, PlanTrustDomain, PlanUnit } from './topology/plan.ts'
export type {
  AcceptDeclaration,
  CredentialDeclaration,
  NodeDeclaration,
  Topology,
  TopologyDeclaration,
  TopologyInput,
  TrustDomainDeclaration,
  UnitDeclaration,
} from './topology/schema.ts'
export type { GraphCredential, GraphEdge, GraphIssuer, GraphTarget, TrustGraph } from './trust/graph.ts'
export { mermaidPicture } from './trust/mermaid.ts'
export { svgPicture } from './trust/svg.ts'
