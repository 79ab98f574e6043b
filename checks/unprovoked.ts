/** A test of the service gives it; no scenario does so far. */
const NOT_YET = 'no scenario provokes it yet; a test of the service does'
/** Such a reason refuses nobody, and what is counted are refusals. */
const NO_REFUSAL = 'it is the reason of an answer that was cut or asked for anew, and scenarios see it there'

/**
 * Reasons that no scenario can provoke, `service/guard reason`, each with why it stays all the same. One that a scenario does
 * provoke, or that no service declares, is a mistake here. A guard may refuse nothing where each of its reasons is excepted.
 */
export const UNPROVOKED: Readonly<Record<string, string>> = {
  'creds-intake/creds.manifest manifest_missing':
    'the intake waits until there is one, and says handover_timeout where none comes',
  'federation-gateway/cert.proven cert_not_proven': NOT_YET,
  'federation-gateway/enr.grant grant_not_active':
    'no token for another enrolment is made for a grant that is pending, and none becomes so again',
  'federation-gateway/enr.peer enrolment_peer_revoked': 'who revokes a peer revokes its grants in the same transaction',
  'federation-gateway/grant.certificate cert_other_grant': NOT_YET,
  'federation-gateway/grant.peer peer_inactive': 'who revokes a peer revokes its grants in the same transaction',
  'federation-gateway/grant.user subject_missing': 'who deletes a user revokes his grants in the same transaction',
  'federation-gateway/grant.user subject_other_tenant': 'foreign keys of the database forbid it; a unit test gives it',
  'federation-gateway/http.deadline deadline_exceeded': NOT_YET,
  'federation-gateway/log.writable decision_log_unwritable': NOT_YET,
  'federation-gateway/out.cache cache_unconfirmed': NO_REFUSAL,
  'federation-gateway/out.rows peer_rows_over_cap': NO_REFUSAL,
  'federation-gateway/out.rows peer_source_spoofed': NO_REFUSAL,
  'federation-gateway/rate.leaf rate_leaf': NOT_YET,
  'federation-gateway/renew.ca renew_ca_rejected': NOT_YET,
  'federation-gateway/scope.cap row_cap': NO_REFUSAL,
  'federation-gateway/start.store store_unusable': NOT_YET,
  'federation-gateway/tls.connections connection_limit': NOT_YET,
  'federation-gateway/tls.crl crl_missing': NOT_YET,
  'federation-gateway/tls.crl crl_untrusted': NOT_YET,
  'federation-gateway/tls.handshake handshake_failed': NOT_YET,
  'federation-gateway/start.config config_invalid': NOT_YET,
  'federation-gateway/start.ca ca_root': NOT_YET,
  'federation-gateway/start.tls client_ca': NOT_YET,
}
