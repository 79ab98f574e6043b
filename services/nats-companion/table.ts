// What the lines of a NATS broker mean (nats-server 2.15.2, debug and logtime on), as decision records say it: the one list. A refusal
// whose line is not in here is `nats_unmapped`, so that a broker of another version, with other texts, is noticed.

/** Ids of what refuses in a broker, each with the reasons that it can give. */
export const GUARDS = {
  'broker.tls': [
    ...['cert_missing', 'cert_untrusted', 'cert_expired', 'cert_not_yet_valid', 'cert_eku_invalid', 'cert_weak'],
    'handshake_failed',
  ],
  'broker.login': [
    ...['nats_login_missing', 'nats_login_too_long', 'nats_login_timeout', 'nats_protocol', 'nats_account_named'],
    ...['nats_credentials_missing', 'nats_jwt_invalid', 'nats_jwt_expired', 'nats_account_unknown'],
    ...[
      'nats_account_invalid',
      'nats_operator_untrusted',
      'nats_account_expired',
      'nats_issuer_unknown',
      'nats_scope_violation',
    ],
    ...['nats_bearer', 'nats_connection_type', 'nats_signature_missing', 'nats_signature_invalid'],
    ...['nats_user_revoked', 'nats_source', 'nats_time', 'nats_connections_exceeded'],
  ],
  'broker.callout': ['callout_timeout'],
  'broker.permission': ['nats_publish_denied', 'nats_subscribe_denied'],
  'broker.session': [
    ...['nats_jwt_expired', 'nats_account_expired', 'nats_user_revoked', 'nats_account_unknown', 'nats_kicked'],
    ...['nats_protocol', 'nats_limit_exceeded'],
  ],
} as const satisfies Record<string, readonly string[]>

export type Guard = keyof typeof GUARDS
export type Reason = (typeof GUARDS)[Guard][number]
type Row<What> = readonly [line: RegExp, means: What]

/** Why a login is refused: a line that stands before `authentication error`. In the order in which the broker looks. */
export const LOGIN: readonly Row<Reason>[] = [
  // A JWT that cannot be read, or was not signed by whom it names, is none for it.
  [/^Authentication requires a user JWT$/, 'nats_credentials_missing'],
  [/^User JWT not valid: /, 'nats_jwt_invalid'],
  [/^User JWT no longer valid: /, 'nats_jwt_expired'],
  // It was found, and has ended or is of another operator: which of the two is not told.
  [/^Account JWT lookup error: account validation failed$/, 'nats_account_invalid'],
  [/^Account JWT lookup error: /, 'nats_account_unknown'],
  [/^Account JWT not signed by trusted operator$/, 'nats_operator_untrusted'],
  [/^User JWT issuer is not known$/, 'nats_issuer_unknown'],
  [/^User JWT is not valid(: |$)/, 'nats_scope_violation'],
  [/^User JWT generated invalid permissions$/, 'nats_scope_violation'],
  [/^Account JWT has expired$/, 'nats_account_expired'],
  [/^Account does not allow bearer tokens$/, 'nats_bearer'],
  [/^Connection type not allowed$|^invalid connection types /, 'nats_connection_type'],
  [/^Signature missing$/, 'nats_signature_missing'],
  [/^Signature not (valid base64|verified)$|^User nkey not valid: /, 'nats_signature_invalid'],
  [/^User authentication revoked$/, 'nats_user_revoked'],
  [/^Bad src Ip /, 'nats_source'],
  [/^Outside connect times$/, 'nats_time'],
]

/** Why a handshake is refused; null where it was the client that did not go on. */
export const TLS: readonly Row<Reason | null>[] = [
  [/didn't provide a certificate/, 'cert_missing'],
  [/certificate has expired or is not yet valid: current time \S+ is before /, 'cert_not_yet_valid'],
  [/certificate has expired or is not yet valid/, 'cert_expired'],
  [/incompatible key usage/, 'cert_eku_invalid'],
  [/insecure algorithm/, 'cert_weak'],
  // The texts of Go 1.26 for a chain that leads nowhere, and for one that may not lead there.
  [
    /x509: (certificate signed by unknown authority|no valid chains built|unhandled critical extension)/,
    'cert_untrusted',
  ],
  [/x509: .*\b(not authorized (to sign|for)|too many intermediates for path length) /, 'cert_untrusted'],
  [/x509: issuer (name does not match subject|has name constraints but) /, 'cert_untrusted'],
  // It hung up, or would not go on with what the broker showed.
  [/: EOF$|connection reset by peer|broken pipe|use of closed network connection|i\/o timeout|remote error: /, null],
  // No TLS at all, a version or suites that nobody speaks here, a certificate that cannot be read, a signature of another key.
  [
    /^: tls: (first record does not look like a TLS handshake|unsupported SSLv2 |oversized record )/,
    'handshake_failed',
  ],
  [
    /^: tls: (client|client's|failed to parse client certificate:|invalid (signature by the )?client) /,
    'handshake_failed',
  ],
  [/^: tls: (no|peer doesn't) \S*.*\b(support|supported|offered)\b/, 'handshake_failed'],
  [/^: tls: (received unexpected|missing signature_algorithms|handshake message of length) /, 'handshake_failed'],
]

/**
 * What the broker writes as it tells a client why it ends his connection, amid whatever else it does with that. Who hears it and is
 * gone first has closed the connection himself, by the line in which it ends.
 */
export const LAST_WORDS: readonly Row<Reason>[] = [
  [/^Account Authentication Expired( - |$)/, 'nats_account_expired'],
  [/^User Authentication Expired( - |$)/, 'nats_jwt_expired'],
  [/^User Authentication Revoked( - |$)/, 'nats_user_revoked'],
  [/^Authentication Timeout$/, 'nats_login_timeout'],
]

/** Why the connection of somebody who is in is ended; null where nobody decided anything about him. */
export const ENDED: readonly Row<Reason | null>[] = [
  [/^(Client Closed|Read Error|Write Error|Stale Connection|Server Shutdown|Slow Consumer.*)$/, null],
  [/^Authentication Expired$/, 'nats_jwt_expired'],
  [/^Credentials Revoked$/, 'nats_user_revoked'],
  [/^Missing Account$/, 'nats_account_unknown'],
  [/^Kicked$/, 'nats_kicked'],
  [/^Maximum (Message Payload|Subscriptions|Control Line) Exceeded$/, 'nats_limit_exceeded'],
  [/^(Protocol Violation|Parse Error|Message Header Violation)$/, 'nats_protocol'],
]

/** Why the connection of somebody who is not in yet is ended, where no line before it says so. */
export const TURNED_AWAY: readonly Row<Reason | null>[] = [
  [/^(Client Closed|Read Error|Write Error|Stale Connection|Server Shutdown)$/, null],
  [/^Authentication Timeout$/, 'nats_login_timeout'],
  [/^Maximum (Account )?Connections Exceeded$/, 'nats_connections_exceeded'],
  [/^Maximum Control Line Exceeded$/, 'nats_login_too_long'],
  [/^(Protocol Violation|Parse Error|Bad Client Protocol Version|No Responders Requires Headers)$/, 'nats_protocol'],
]

/** Says nothing about whether somebody may do something; a message whose trace is left out is delivered as any other. */
export const NOISE =
  /^(Starting TLS client connection handshake|TLS handshake complete|TLS version |Client Ping Timer|Delaying PING|Max (Payload|Subscriptions) set to |Message tracing disabled because of |read error: |Connected \w+ has JetStream denied )/

export function meaning<What>(rows: readonly Row<What>[], text: string): What | undefined {
  return rows.find(([line]) => line.test(text))?.[1]
}
