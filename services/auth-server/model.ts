import { z } from 'zod'

/** What a token for one resource looks like. */
export interface Grant {
  /** Absolute URI; the name by which a client asks for this grant. */
  resource: string
  /** Audience URIs as they stand in `aud`. */
  aud: string[]
  use: TokenUse
  scopes: string[]
  /** DNS suffixes whose routes the holder may announce. */
  trustedDomains: string[]
  /** The nodes at which the token may be used; undefined means any. */
  trustedNodes?: string[]
  maxTtlSeconds: number
}

export type TokenUse = 'node' | 'peer'

/** A client as the operator registered it. */
export interface Client {
  clientId: string
  method: 'tls_client_auth' | 'self_signed_tls_client_auth'
  /** `tls_client_auth` only: the DNS SAN that its certificate must have, lower case. */
  sanDns?: string
  /** `self_signed_tls_client_auth` only: thumbprints of the certificates, with their public keys. */
  pins: { x5t: string; jwk: Record<string, unknown> }[]
  /** The trust domain at whose anchor its chain must end. */
  trustDomain?: string
  grants: Grant[]
  /** Audience URIs of the tokens that it may introspect. */
  introspects: string[]
}

/** A certificate whose key a client proved to hold, by a TLS handshake. Times in whole seconds. */
export interface Holder {
  clientId: string
  x5t: string
  notBefore: number
  notAfter: number
  sans: string[]
  provenAt: number
}

export type TokenState = 'active' | 'revoked' | 'expired'

/** What is kept of a token: never its text. Times in whole seconds. */
export interface TokenRecord {
  jti: string
  use: TokenUse
  clientId: string
  aud: string[]
  scope: string
  x5t: string
  sans: string[]
  trustedDomains: string[]
  trustedNodes?: string[]
  kid: string
  iat: number
  exp: number
}

export interface StoredToken extends TokenRecord {
  /** Grows with every token; the order of lists. */
  seq: number
  state: TokenState
}

/** Shortest life of a token that may be asked for, in seconds. */
export const SHORTEST_LIFE_SECONDS = 30

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const dnsName = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
/** RFC 7638 and RFC 8705: 256 bits in base64url, of which the last character carries four. */
export const THUMBPRINT = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

const name = z.string().regex(label, 'must be one DNS label')
const host = z
  .string()
  .max(253)
  .transform((text) => text.toLowerCase())
  .refine((text) => dnsName.test(text), 'must be a DNS name')
const audience = z
  .string()
  .max(2048)
  .refine((text) => URL.parse(text)?.protocol === 'https:' && !text.includes('#'), 'must be an https URI')
export const scopeToken = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,64}$/, 'must be one scope token')
export const clientId = name

function unique<Item>(items: readonly Item[]): boolean {
  return new Set(items).size === items.length
}

function grantSchema(longestSeconds: number) {
  return z.strictObject({
    resource: audience,
    aud: z.array(audience).min(1).max(16).refine(unique, 'must not repeat an audience'),
    use: z.enum(['node', 'peer']),
    scopes: z.array(scopeToken).min(1).max(32).refine(unique, 'must not repeat a scope'),
    trustedDomains: z.array(host).max(64).default([]),
    trustedNodes: z.array(name).min(1).max(64).optional(),
    maxTtlSeconds: z.int().min(SHORTEST_LIFE_SECONDS).max(longestSeconds),
  })
}

/** The body of `PUT /clients/{id}`, of which the client id itself is checked against the path. */
export function registrationSchema(longestSeconds: number) {
  const common = {
    client_id: clientId,
    grants: z
      .array(grantSchema(longestSeconds))
      .max(64)
      .default([])
      .refine((grants) => unique(grants.map((grant) => grant.resource)), 'must not repeat a resource'),
    introspects: z.array(audience).max(64).default([]),
  }
  const pem = z.string().max(16_384)
  return z.discriminatedUnion('method', [
    z.strictObject({ ...common, method: z.literal('tls_client_auth'), sanDns: host, trustDomain: name }),
    z.strictObject({
      ...common,
      method: z.literal('self_signed_tls_client_auth'),
      pinnedCertificate: z.union([pem, z.array(pem).min(1).max(8)]),
    }),
  ])
}

export type Registration = z.output<ReturnType<typeof registrationSchema>>
