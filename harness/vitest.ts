/** All that a scenario imports: `import { expect, scenario } from 'holdfast/vitest'`. */
import './vitest/matchers.ts'

export { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from 'vitest'
export type { Crowd } from './clients/crowd.ts'
export { type IssuerAnswer, uselessAnswers } from './clients/issuer-answer.ts'
export type {
  IssuerEndpoint,
  IssuerRequest,
  IssuerScript,
  ScriptedIssuer,
  ScriptedIssuerOptions,
} from './clients/scripted-issuer.ts'
export type { RecordedConnection, ScriptedPeer, ScriptedPeerOptions } from './clients/scripted-peer.ts'
export type { Session, SessionEnd } from './clients/web-socket.ts'
export {
  authorityFrom,
  issueLeaf,
  issueSelfSigned,
  type LeafOptions,
  rogueAuthority,
  type SigningAuthority,
} from './pki/authority.ts'
export { chainOf, type Identity, thumbprintS256 } from './pki/certificate.ts'
export { type Pretence, type Spoiling, spoiled, unspoiled } from './pki/spoiled.ts'
export { type ClaimsMutation, mutateClaims, signToken, tamperSignature } from './tokens/forge.ts'
export { type Claims, type InspectedToken, inspectToken } from './tokens/inspect.ts'
export { type Misbinding, misbindings } from './tokens/misbound.ts'
export { type AttacksOptions, attacks } from './vitest/attacks.ts'
export type { CallOptions } from './vitest/call.ts'
export type { Credential } from './vitest/credential.ts'
export type { CuttableLink } from './vitest/cuttable-link.ts'
export type { ScenarioOptions } from './vitest/ground.ts'
export type { ExpectedRefusal } from './vitest/judge.ts'
export type { KnownDifference, KnownDifferences } from './vitest/known-differences.ts'
export { type MatrixOptions, matrix } from './vitest/matrix.ts'
export type { OperatorAnswer, OperatorClient } from './vitest/operator-client.ts'
export { type CredentialFixture, type ScenarioFixtures, scenario } from './vitest/scenario.ts'
export type { OpenedSession, ScenarioSite, Tap } from './vitest/scenario-site.ts'
export type { StandIn, StandInOptions } from './vitest/stand-in.ts'
export { type UntilOptions, until } from './vitest/until.ts'
export type { Verdict } from './vitest/verdict.ts'
