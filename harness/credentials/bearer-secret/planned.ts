// #region planned
import { z } from 'zod'
import type { CredentialBase } from '../../topology/plan.ts'
import { credentialSchema, name } from '../../topology/schema.ts'

export const bearerSecretSchema = credentialSchema(
  'bearer-secret',
  'One opaque secret that its holders share: whoever presents it is one of them, and nobody learns which.',
  {
    issuer: name.meta({ description: 'The node that makes it: one of its holders.' }),
    bytes: z.int().min(16).max(256).optional().meta({ description: 'Random bytes that it is made of. Default: 32.' }),
    format: z.enum(['hex', 'base64url']).optional().meta({ description: 'How they are written. Default: `hex`.' }),
  },
)

export type BearerSecretDeclaration = z.output<typeof bearerSecretSchema>

export interface PlanBearerSecret extends CredentialBase {
  kind: 'bearer-secret'
  bytes: number
  format: 'hex' | 'base64url'
}

declare module '../../topology/credential-types.ts' {
  interface CredentialTypes {
    // No unit has to offer it: any node can make one.
    'bearer-secret': { declared: BearerSecretDeclaration; planned: PlanBearerSecret; offered: never }
  }
}
// #endregion
