// The public surface: everything that a program may import from `holdfast`. Scenarios import `holdfast/vitest` instead.

export { describeFailure, HoldfastError } from './errors.ts'
export { compile, kinds } from './shipped.ts'
export type { Kinds } from './topology/compilation.ts'
export type { CompileOptions } from './topology/compile.ts'
export { defineTopology, type TopologyDefinition } from './topology/define.ts'
export {
  type Action,
  type Authority,
  defineKind,
  type KindPlan,
  type Observation,
  type ServiceKind,
  type TokenIssuer,
  type UnitContext,
} from './topology/kind.ts'
export { type LoadOptions, loadTopology, TopologyUnknown, TopologyUnreadable } from './topology/load.ts'
export { LoadedTopology } from './topology/loaded-topology.ts'
export { type Mistake, TopologyInvalid } from './topology/mistakes.ts'
export { NixFailed, NixMissing } from './topology/nix.ts'
export { type ParameterDeclaration, ParameterInvalid } from './topology/parameters.ts'
export type {
  Plan,
  PlanAccept,
  PlanBoundToken,
  PlanCertificate,
  PlanCredential,
  PlanNode,
  PlanTrustDomain,
  PlanUnit,
} from './topology/plan.ts'
export type {
  AcceptDeclaration,
  BoundTokenDeclaration,
  CertificateDeclaration,
  CredentialDeclaration,
  NodeDeclaration,
  Topology,
  TopologyDeclaration,
  TopologyInput,
  TrustDomainDeclaration,
  UnitDeclaration,
} from './topology/schema.ts'
export {
  type GraphCredential,
  type GraphEdge,
  type GraphIssuer,
  type GraphTarget,
  type TrustGraph,
  trustGraph,
} from './trust/graph.ts'
export { mermaidPicture } from './trust/mermaid.ts'
export { svgPicture } from './trust/svg.ts'
