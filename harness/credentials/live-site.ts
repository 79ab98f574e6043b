import type { JWK } from 'jose'
import type { SigningAuthority } from '../pki/authority.ts'
import type { Identity } from '../pki/certificate.ts'
import type { Enrol, HttpCall } from '../topology/plan.ts'
import type { HeldFiles } from './credential-kind.ts'
import type { MadeRecord } from './live-kind.ts'
import type { Presented } from './parts.ts'

/** What live credential kinds need of a site: implemented where sites are known. */
export interface LiveSite extends HeldFiles {
  node(name: string): { readonly address: string; readonly host: string; decisions(): Promise<readonly MadeRecord[]> }
  /** A credential of the plan as this test has it: made when it is first asked for. */
  fresh(name: string): Promise<Presented>
  /** What lies at the holder of one. */
  held(name: string): Promise<Presented>
  /** What somebody was told in confidence: no log and no evidence may hold it. */
  learn(secret: string): void
  /** A bound in ms, as it is on these nodes: where they are so many times as slow, so many times as long. */
  bound(ms: number): number
  /** An enrolment of the plan, done by the test itself. */
  enrol(enrol: Enrol, holder: string): Promise<Identity>
  /** Runs a unit of a node that is started on demand. */
  run(node: string, unit: string, input: string): Promise<{ code: number | null; stderr: string }>
  /** A call from a node, with the TLS files that lie there. */
  callFrom(node: string, call: HttpCall): Promise<{ status: number; json: unknown }>
  /** A call that some node listens for, or stands for, from the address of another one and with a certificate of the test. */
  callWith(identity: Identity, from: string, call: HttpCall): Promise<{ status: number | null; text: string }>
  /** What insiders of a node have: the issuing key of its CA, the key that its tokens were signed with first, how tokens are ended. */
  authority(node: string): Promise<SigningAuthority>
  signingKey(node: string): Promise<JWK>
  endTokens(issuer: string, how: 'revoke' | 'rotate', added?: object): Promise<void>
}
