import type { JWK } from 'jose'
import type { Identity } from '../pki/certificate.ts'
import type { SecretSummary } from './bearer-secret/live.ts'
import type { TokenSummary } from './bound-token/judged.ts'
import type { CertificateSummary } from './certificate/live.ts'
import type { Invitation, InvitationSummary } from './enrolment-token/live.ts'
import type { JwkSummary } from './jwk/live.ts'
import type { CredsSummary } from './nats-creds/live.ts'
import type { UserCreds } from './nats-creds/user-creds.ts'

/**
 * What a call can carry of credentials, by name: the one list of parts, closed so that every use of one is found by its type. A
 * credential kind says which of them it is presented as.
 */
export interface Presented {
  readonly certificate?: Identity
  readonly token?: string
  readonly secret?: string
  readonly creds?: UserCreds
  readonly jwk?: JWK
  readonly invitation?: Invitation
}

/** Where each lies on a machine. */
export interface Places {
  readonly certificate?: { readonly cert: string; readonly key: string }
  readonly token?: string
  readonly secret?: string
  readonly creds?: string
  readonly jwk?: string
  readonly invitation?: string
}

/** What may be shown of each: never a secret. */
export interface Summaries {
  readonly certificate?: CertificateSummary
  readonly token?: TokenSummary
  readonly secret?: SecretSummary
  readonly creds?: CredsSummary
  readonly jwk?: JwkSummary
  readonly invitation?: InvitationSummary
}

/** Where the lists below name all there are, and an error that names those that are missing where they do not. */
type Listed<Names, All extends Names> = All

export type PartName = Listed<keyof Places & keyof Summaries, keyof Presented>

/** Parts that are texts: where a protocol has no place of its own for one, it is a bearer's. In the order in which they are sent. */
export const textParts = ['token', 'secret'] as const satisfies readonly PartName[]
export type TextPart = Listed<(typeof textParts)[number], TextName>
type TextName = { [Name in PartName]: Part<Name> extends string ? Name : never }[PartName]

/** The value of a part that is there. */
export type Part<Name extends PartName> = NonNullable<Presented[Name]>
