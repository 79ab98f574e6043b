/**
 * What refuses in a broker, with its reasons, as its companion writes them. Whatever else it writes (`nats_unmapped`) is declared nowhere,
 * so that a run in which it happens fails.
 */
export const guards = {
  'broker.tls': [
    ...['cert_missing', 'cert_untrusted', 'cert_expired', 'cert_not_yet_valid', 'cert_eku_invalid'],
    'handshake_failed',
  ],
  'broker.login': [
    ...['nats_login_missing', 'nats_login_too_long', 'nats_login_timeout', 'nats_protocol', 'nats_account_named'],
    ...[
      'nats_credentials_missing',
      'nats_jwt_expired',
      'nats_account_unknown',
      'nats_account_invalid',
      'nats_account_expired',
    ],
    ...['nats_issuer_unknown', 'nats_scope_violation', 'nats_bearer', 'nats_connection_type'],
    ...['nats_signature_missing', 'nats_signature_invalid', 'nats_user_revoked', 'nats_source', 'nats_time'],
    'nats_connections_exceeded',
  ],
  // Who decides about logins of its users beside it did not answer in time.
  'broker.callout': ['callout_timeout'],
  'broker.permission': ['nats_publish_denied', 'nats_subscribe_denied'],
  'broker.session': ['nats_jwt_expired', 'nats_account_expired', 'nats_user_revoked', 'nats_kicked'],
} as const satisfies Readonly<Record<string, readonly string[]>>
