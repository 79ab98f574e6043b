import type { z } from 'zod'
import type { Offer } from '../../topology/kind.ts'
import type { CredentialBase, Template } from '../../topology/plan.ts'
import { credentialSchema, name, text } from '../../topology/schema.ts'
import type { ScopeDocument, Subject } from './lent.ts'

/** A user, as gateways call one. */
export const userName = text(/^[a-z][a-z0-9-]{0,62}$/, 'must be the name of a user')

export const federationGrantSchema = credentialSchema(
  'federation-grant',
  'A grant of a gateway, and the certificate that stands for it: whoever holds it is lent rows, as one user of the lender.',
  {
    issuer: name.meta({ description: 'The node whose gateway lends.' }),
    subject: userName.meta({ description: 'The user of the lender as whom its holder asks.' }),
    scope: name.meta({ description: 'The scope document, as the lender calls it.' }),
  },
)

export type FederationGrantDeclaration = z.output<typeof federationGrantSchema>

export interface PlanFederationGrant extends CredentialBase {
  kind: 'federation-grant'
  /** The name of the user, and all that lending goes by. */
  subject: string
  user: Subject
  /** The name of its scope document, and what stands in it. */
  scope: string
  document: ScopeDocument
  lender: Lender
}

/** What a gateway looks for in certificates unless it is told otherwise: verdicts name what stands there. */
export const defaultOids = { grant: '1.3.6.1.4.1.99999.1', subject: '1.3.6.1.4.1.99999.2' }

/** A gateway, as one must know it to be lent something. */
export interface Lender {
  /** `https://<host>:<port>` of the listener at which it is administered and where invitations are redeemed; the root of its certificate, on its node and at the holder. */
  url: string
  anchor: Template
  /** The same of the listener at which it lends. */
  lends: string
  /** File on its node with the token of an operator. */
  operatorToken: Template
  /** The node of the CA that signs for it, and the extensions that name grant and user in a certificate. */
  signer: string
  oids: { grant: string; subject: string }
  /** In seconds: how long a certificate is good once its successor was used. */
  overlapSeconds: number
}

export interface GrantIssuer extends Offer, Omit<Lender, 'anchor' | 'url'> {
  url: string
  /** By name. */
  subjects: Readonly<Record<string, Subject>>
  scopes: Readonly<Record<string, ScopeDocument>>
  /** In seconds. */
  lifetimeSeconds: number
}

declare module '../../topology/credential-types.ts' {
  interface CredentialTypes {
    'federation-grant': { declared: FederationGrantDeclaration; planned: PlanFederationGrant; offered: GrantIssuer }
  }
}
