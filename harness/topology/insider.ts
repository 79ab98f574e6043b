import type { HttpCall, Template } from './plan.ts'

/**
 * What somebody inside a unit has, or can have done there: said by its kind, so that tests need not know any kind. Each member may be
 * absent, and then tests that need it are refused. Templates are those of the unit.
 */
export interface Insider {
  /** Keys of a CA: the one that it signs with, and that of its root. */
  readonly signs?: Readonly<Record<'issuing' | 'root', { readonly cert: Template; readonly key: Template }>>
  readonly mints?: {
    /** The private JWK that tokens are signed with at first. */
    readonly signingKey: Template
    /** What its decision records call a question about a token. */
    readonly asked?: string
  }
  /** The listeners of an issuer at which it publishes keys and at which its clients call: those of whatever stands in for it. */
  readonly standIn?: { readonly keys: string; readonly clients: string }
  /** The listener at which operators are let in, and the DNS SANs of their certificates. */
  readonly operator?: { readonly listener: string; readonly sans: readonly string[] }
  /** How an operator ends one token, whose `jti` is added to the JSON; and at once all that were signed with the key of now. */
  readonly ends?: { readonly revoke: HttpCall; readonly rotate: HttpCall }
  /** The node whose issuer it may ask about tokens, and audiences of those that it is shown. */
  readonly asks?: { readonly issuer: string; readonly audiences: readonly string[] }
  readonly start?: {
    /** The JSON file that its command names. */
    readonly configuration: Template
    /** Members of it, as `peering.listen`, that say where it listens. */
    readonly listens: readonly string[]
    /** Members that name a file which it writes. */
    readonly writes: readonly string[]
    /** Argument with which it only looks at its configuration. */
    readonly check: string
  }
}
