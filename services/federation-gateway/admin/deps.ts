import type { BearerDeps } from '../listeners/bearer.ts'
import type { PeerEnrolmentDeps } from '../outbound/peer-enrolment.ts'
import type { AuditState } from '../storage/audit/writer.ts'
import type { Database } from '../storage/database.ts'
import type { DoctorReport } from '../wire/doctor.ts'
import type { OutboundPeers } from './outbound-peers.ts'

/** What the routes for administrators need in every tier. */
export interface AdminDeps {
  readonly database: Database
  readonly bearer: Omit<BearerDeps, 'session'>
  /** Undefined where there is no federation: then there are no routes for it. */
  readonly federation: FederationDeps | undefined
  /** A user is gone, and these peers with it: nobody calls them any more. */
  readonly outbound: Pick<OutboundPeers, 'removed'>
  /** There is something that the CA is to be told: grants of a user were revoked with it. */
  readonly revocations: Revocations
}

export interface Revocations {
  /** What is in the outbox is sent now. */
  wake(): void
}

export interface FederationDeps {
  readonly outbound: OutboundPeers
  readonly enrolment: Omit<PeerEnrolmentDeps, 'database' | 'now'>
  /** Base of enrolment URLs. */
  readonly publicUrl: string
  /** The pinned root of our own CA: SHA-256 of its DER in hex, and its PEM. */
  readonly ca: { readonly fingerprint: string; readonly rootPem: string }
  /** Requests in 60 s of a grant that says nothing else. */
  readonly rateLimit: number
  readonly state: GatewayState
  doctor(): Promise<DoctorReport>
}

/** How the gateway itself is. */
export interface GatewayState {
  readonly tier: string
  audit(): AuditState
  /** The list of revoked certificates in use, and why nobody can be let in by it, if so. */
  crl(): { readonly thisUpdate: Date; readonly nextUpdate: Date } | undefined
  crlProblem(): string | undefined
}
