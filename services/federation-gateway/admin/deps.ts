import type { BearerDeps } from '../listeners/bearer.ts'
import type { PeerEnrolmentDeps } from '../outbound/peer-enrolment.ts'
import type { OutboundPeers } from '../outbound/peers.ts'
import type { AuditState } from '../storage/audit/writer.ts'
import type { Database } from '../storage/database.ts'
import type { DoctorReport } from '../wire/doctor.ts'

/** What the routes for administrators need in every tier. */
export interface AdminDeps {
  readonly database: Database
  readonly bearer: BearerDeps
  /** Undefined where there is no federation: then there are no routes for it. */
  readonly federation: FederationDeps | undefined
}

export interface FederationDeps {
  /** The peers that are called. */
  readonly outbound: Pick<OutboundPeers, 'enrolled' | 'removed' | 'renew' | 'health'>
  /** There is something new that the CA is to be told. */
  wakeRevocations(): void
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
