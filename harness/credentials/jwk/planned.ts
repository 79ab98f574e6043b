import { z } from 'zod'
import type { Offer } from '../../topology/kind.ts'
import type { CredentialBase, Enrol } from '../../topology/plan.ts'
import { credentialSchema } from '../../topology/schema.ts'

export const jwkSchema = credentialSchema(
  'jwk',
  'The private key of a JWK provisioner: whoever has it signs one-time tokens, for which the CA signs certificates.',
  {
    issuer: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,62}(\/[A-Za-z0-9._@-]+)?$/, 'must be NODE or NODE/PROVISIONER')
      .meta({ description: 'The node whose CA believes it, or `node/provisioner`. Default: its first provisioner.' }),
  },
)

export type JwkDeclaration = z.output<typeof jwkSchema>

export interface PlanJwk extends CredentialBase {
  kind: 'jwk'
  /** The provisioner, and where its key lies on the node of the CA. */
  provisioner: Enrol['provisioner']
}

/** A CA, as one must know it to have the keys of its provisioners. */
export interface ProvisionerKeys extends Offer {
  /** By the name of the provisioner; the first is the one that is meant where none is named. */
  keys: Readonly<Record<string, Omit<Enrol['provisioner'], 'name'>>>
}

declare module '../../topology/credential-types.ts' {
  interface CredentialTypes {
    jwk: { declared: JwkDeclaration; planned: PlanJwk; offered: ProvisionerKeys }
  }
}
