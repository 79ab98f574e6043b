import { type Configuration, parseAddress } from './config.ts'

/** RFC 8414 metadata. Token endpoints with client certificates live on a port of their own (RFC 8705 section 5). */
export function metadataOf(configuration: Configuration): Record<string, unknown> {
  const { issuer } = configuration
  const mtls = new URL(issuer)
  mtls.port = String(parseAddress(configuration.listen.mtls).port)
  const aliases = {
    token_endpoint: `${mtls.origin}/token`,
    introspection_endpoint: `${mtls.origin}/token/introspection`,
    revocation_endpoint: `${mtls.origin}/token/revocation`,
  }
  const methods = ['tls_client_auth', 'self_signed_tls_client_auth']
  return {
    issuer,
    jwks_uri: `${issuer}/jwks`,
    token_endpoint: `${issuer}/token`,
    introspection_endpoint: aliases.introspection_endpoint,
    revocation_endpoint: aliases.revocation_endpoint,
    mtls_endpoint_aliases: aliases,
    tls_client_certificate_bound_access_tokens: true,
    grant_types_supported: ['client_credentials'],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_methods_supported: methods,
    scopes_supported: ['peer:connect', 'peer:announce', 'node:read', 'node:routes', 'nats:connect'],
  }
}
