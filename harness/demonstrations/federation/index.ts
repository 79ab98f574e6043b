export { naming } from '../../credentials/federation-grant/leaf.ts'
export { pretendingToHold } from '../../pki/resigned.ts'
export { provisionerExtension, provisionerOid, type RawExtension } from '../../pki/step-extensions.ts'
export { Admin, type GrantAnswer, type GrantChoices, type Invitation } from './admin.ts'
export type { Certifier, OddToken, TokenFor } from './certifier.ts'
export type { Found, Looked, Needle } from './disk.ts'
export {
  type AuditedRow,
  EnrolledPeer,
  type EnrolOptions,
  Federation,
  type Invited,
  type SignedForgery,
} from './federation.ts'
export { Caller, federationPath, Peer } from './peer.ts'
export { databaseNode, gatewayNode, places } from './places.ts'
export { Reply, ReplyUnexpected } from './reply.ts'
export { type CertificateRequest, identityFrom, type OddRequest, requestFor } from './requests.ts'
export { type ScopeDocument, type ScopeName, scopeDocument } from './scopes.ts'
export { Seed, type Tenant } from './seed.ts'
export { AskingUser, type Source } from './user.ts'
