import { z } from 'zod'
import type { Offer } from '../../topology/kind.ts'
import type { CredentialBase, HttpCall, UnitRef } from '../../topology/plan.ts'
import { credentialSchema, duration, hostText, name } from '../../topology/schema.ts'

export const boundTokenSchema = credentialSchema(
  'bound-token',
  'An access token that is bound to a certificate (RFC 8705).',
  {
    issuer: name.meta({ description: 'The node whose auth server mints it.' }),
    subject: name.meta({ description: 'The node that it speaks for: its `sub`.' }),
    audience: z
      .array(z.string().min(1))
      .min(1)
      .meta({ description: '`NODE` stands for `https://<host of NODE>`, `peering@DOMAIN` for its peering audience.' }),
    scope: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be one scope token')).min(1),
    domains: z.array(hostText).optional().meta({ description: 'DNS suffixes whose routes the holder may announce.' }),
    nodes: z.array(name).optional().meta({ description: 'The nodes at which the token may be used. Default: any.' }),
    lifetime: duration.optional().meta({ description: 'Default: what the issuer gives tokens of this use.' }),
    boundTo: name
      .optional()
      .meta({ description: 'The certificate credential that it is bound to. Default: `cert-<holder>`.' }),
    use: z
      .enum(['node', 'peer'])
      .optional()
      .meta({ description: 'Default: `node` when issuer and holder are of one trust domain, else `peer`.' }),
  },
)

export type BoundTokenDeclaration = z.output<typeof boundTokenSchema>

export interface PlanBoundToken extends CredentialBase {
  kind: 'bound-token'
  lifetimeSeconds: number
  /** The `iss` of its issuer. */
  iss: string
  /** Its `sub`. */
  subject: string
  /** The certificate credential that it is bound to. */
  boundTo: string
  /** Audience URIs as they stand in `aud`. */
  audience: string[]
  scope: string[]
  domains?: string[]
  /** The nodes at which it may be used; absent: any. */
  nodes?: string[]
  /** The resource URI and `token_use` that it is minted with. */
  resource: string
  use: 'node' | 'peer'
  /** It is no JWT: only its issuer knows what it stands for. */
  opaque?: true
  /**
   * How to make one more like it: set by the issuer's kind. With `prove`, for a certificate that was proven before and is named then;
   * without, its holder asks with the certificate itself. `revoke`: a call of the holder to which the `token` is added.
   */
  mint: { prove?: HttpCall; mint: HttpCall; member: string; revoke?: HttpCall }
}

/** A token before its issuer said how it is minted. */
export type TokenOrder = Omit<PlanBoundToken, 'mint'>

/** An issuer of tokens; its `url` is their `iss`. */
export interface TokenIssuer extends Offer {
  url: string
  by: 'operator' | 'holder'
  /** What it writes into `sub`. Default: the name of the node that the token speaks for. */
  sub?(subject: string): string
  /** Proves the holder's certificate; made by the holder, whose TLS files are filled in by the compiler. Absent: to ask for a token proves it. */
  prove?(token: TokenOrder): Omit<HttpCall, 'tls'>
  /**
   * Mints; made by the operator on the issuer's node, or by the holder with the TLS files of its certificate: by whom the offer says.
   * `x5t#S256` may be added to its JSON by the harness.
   */
  mint(token: TokenOrder): Omit<HttpCall, 'tls'> & Partial<Pick<HttpCall, 'tls'>>
  /** Ends a token; made by the holder likewise. Absent: an insider does. */
  revoke?(token: TokenOrder): Omit<HttpCall, 'tls'>
  /** Member of the JSON answer that holds the token. */
  member: string
  /** The oneshot after which holders can prove themselves and tokens can be minted. */
  after: UnitRef
  /** In seconds: default and maximum life of a token. */
  lifetime: { node: number; peer: number; maximum: number }
  /** Its tokens are no JWTs. */
  opaque?: true
}

declare module '../../topology/credential-types.ts' {
  interface CredentialTypes {
    'bound-token': { declared: BoundTokenDeclaration; planned: PlanBoundToken; offered: TokenIssuer }
  }
}
