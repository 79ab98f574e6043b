/** Such a reason refuses nobody, and what is counted are refusals. */
const NO_REFUSAL = 'it is the reason of an answer that was cut or asked for anew, and scenarios see it there'

/**
 * Reasons that no scenario can provoke, `service/guard reason`, each with why it stays all the same. One that a scenario does
 * provoke, or that no service declares, is a mistake here. A guard may refuse nothing where each of its reasons is excepted.
 */
export const UNPROVOKED: Readonly<Record<string, string>> = {
  'creds-intake/creds.manifest manifest_missing':
    'the intake waits until there is one, and says handover_timeout where none comes',
  'federation-gateway/cert.proven cert_not_proven':
    'who has proven none gets no byte of HTTP, and no session is kept that could be resumed; a unit test gives it',
  'federation-gateway/grant.user subject_other_tenant': 'foreign keys of the database forbid it; a unit test gives it',
  'federation-gateway/out.cache cache_unconfirmed': NO_REFUSAL,
  'federation-gateway/out.rows peer_rows_over_cap': NO_REFUSAL,
  'federation-gateway/out.rows peer_source_spoofed': NO_REFUSAL,
  'federation-gateway/scope.cap row_cap': NO_REFUSAL,
}
