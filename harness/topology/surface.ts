/** What a target can offer to somebody who attacks it. An attack names what it needs, and is tried where all of that is there. */
export type Surface = ActionSurface | UnitSurface | SiteSurface

/** Of one action: derived from what the plan says about it. */
export type ActionSurface =
  /** It takes bound bearer tokens, and one that is accepted is known. */
  | 'bound-bearer'
  /** It is reached over TLS. */
  | 'tls'
  /** Its listener asks for a client certificate, or demands one. */
  | 'client-certificate'
  /** Its listener only asks for a certificate, and a handler takes the caller for a client by it (RFC 8705 section 2). */
  | 'client-authentication'
  /** Its listener answers more than one request on a connection. */
  | 'keeps-connections'
  /** It opens a session that lives on. */
  | 'session'

/** Of a unit, whatever the action: declared by its kind. */
export type UnitSurface =
  /** It fetches the keys of the issuer that it believes, and asks it about tokens. */
  | 'jwks-client'
  | 'introspection-client'
  /** It refuses what the standards leave to it, as the reference nodes do. */
  | 'strict-verifier'
  /** It opens sessions at its peers, and keeps a list of them that an operator changes. */
  | 'dialer'
  | 'peers-api'
  | 'token-endpoint'
  | 'introspection'
  | 'revocation'
  | 'mint-api'
  | 'operator-api'
  /** Its configuration is a file of the plan, and it can be started with another one. */
  | 'start'

export type SiteSurface =
  /** There is a trust domain with an issuer beside the target's own. */
  | 'two-issuers'
  /** The clocks of the site can be moved. */
  | 'movable-clock'
