/** All that a scenario imports: `import { expect, scenario } from 'holdfast/vitest'`. */
import './vitest/matchers.ts'

export { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from 'vitest'
export { type IssuerAnswer, uselessAnswers } from './counterparts/issuer/issuer-answer.ts'
export type {
  IssuerEndpoint,
  IssuerRequest,
  IssuerScript,
  ScriptedIssuer,
  ScriptedIssuerOptions,
} from './counterparts/issuer/scripted-issuer.ts'
export type { RecordedConnection, ScriptedPeer, ScriptedPeerOptions } from './counterparts/peer/scripted-peer.ts'
export type { PlanBoundToken } from './credentials/bound-token/planned.ts'
export type { PlanCertificate } from './credentials/certificate/planned.ts'
export { forgedCreds } from './credentials/nats-creds/forged.ts'
export { type InspectedJwt, inspectCreds, inspectJwt } from './credentials/nats-creds/inspect.ts'
export { readCreds as userOfFile } from './credentials/nats-creds/user-creds.ts'
export { credentialOf } from './credentials/of-kind.ts'
export { runningOn, verify, verifyPlanted } from './demonstrations/verification.ts'
export {
  authorityFrom,
  authorityOfLeaf,
  issueLeaf,
  issueSelfSigned,
  type LeafOptions,
  rogueAuthority,
  type SigningAuthority,
  subordinate,
} from './pki/authority.ts'
export { chainOf, type Identity, thumbprintS256 } from './pki/certificate.ts'
export { type Pretence, type Spoiling, spoiled, unspoiled } from './pki/spoiled.ts'
export type { Session, SessionEnd } from './protocols/session.ts'
export type { Crowd } from './protocols/tls/crowd.ts'
export type { CallOptions } from './site/call.ts'
export type { Credential } from './site/credential.ts'
export type { ScenarioOptions } from './site/ground.ts'
export { hopAtFault } from './site/hop-at-fault.ts'
export type { ExpectedRefusal } from './site/judge.ts'
export type { KnownDifference, KnownDifferences } from './site/known-differences.ts'
export { keep as keepFiles, put as putFile, putJson as putJsonFile, run as runOn } from './site/node-files.ts'
export type { OperatorAnswer, OperatorClient } from './site/operator-client.ts'
export type { OpenedSession, ScenarioSite, Tap } from './site/scenario-site.ts'
export type { StandIn, StandInOptions } from './site/stand-in.ts'
export { type UntilOptions, until } from './site/until.ts'
export type { Verdict } from './site/verdict.ts'
export { type ClaimsMutation, mutateClaims, signToken, tamperSignature } from './tokens/forge.ts'
export { type Claims, type InspectedToken, inspectToken } from './tokens/inspect.ts'
export { type Misbinding, misbindings } from './tokens/misbound.ts'
export { type NearMissName, nearMiss, nearMissesOf } from './tokens/near-misses.ts'
export { type AttacksOptions, attacks } from './vitest/attacks.ts'
export { type MatrixOptions, matrix } from './vitest/matrix.ts'
export { type CredentialFixture, type ScenarioFixtures, scenario } from './vitest/scenario.ts'
