import type { z } from 'zod'
import type { CredentialBase } from '../../topology/plan.ts'
import { credentialSchema, name } from '../../topology/schema.ts'
import { type GrantIssuer, type PlanFederationGrant, userName } from '../federation-grant/planned.ts'

export const enrolmentTokenSchema = credentialSchema(
  'enrolment-token',
  'An invitation of a gateway: whoever has it may have one key certified, once, for a grant that waits for it.',
  {
    issuer: name.meta({ description: 'The node whose gateway invites.' }),
    subject: userName.meta({ description: 'The user of that gateway as whom its holder will ask.' }),
    scope: name.meta({ description: 'The scope document of the grant, as the gateway calls it.' }),
  },
)

export type EnrolmentTokenDeclaration = z.output<typeof enrolmentTokenSchema>

export interface PlanEnrolmentToken
  extends CredentialBase,
    Pick<PlanFederationGrant, 'subject' | 'user' | 'scope' | 'document' | 'lender'> {
  kind: 'enrolment-token'
}

declare module '../../topology/credential-types.ts' {
  interface CredentialTypes {
    'enrolment-token': { declared: EnrolmentTokenDeclaration; planned: PlanEnrolmentToken; offered: GrantIssuer }
  }
}
