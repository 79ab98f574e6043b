import { Federation } from 'holdfast/demonstrations/federation'
import type { ScenarioFixtures } from 'holdfast/vitest'

export {
  Admin,
  AskingUser,
  type AuditedRow,
  Caller,
  type CertificateRequest,
  type Certifier,
  type EnrolledPeer,
  type EnrolOptions,
  type Federation,
  federationPath,
  type Invited,
  identityFrom,
  type Looked,
  type Needle,
  naming,
  type OddRequest,
  type OddToken,
  Peer,
  places,
  pretendingToHold,
  provisionerExtension,
  provisionerOid,
  type RawExtension,
  type Reply,
  requestFor,
  type ScopeDocument,
  type ScopeName,
  Seed,
  type SignedForgery,
  type Source,
  scopeDocument,
  type Tenant,
} from 'holdfast/demonstrations/federation'

/** `scenario('federation').extend('federation', federation)`: the gateways of the site, as this test sees them. */
export const federation = ({ site }: Pick<ScenarioFixtures, 'site'>) => new Federation(site)
