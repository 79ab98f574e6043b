import { z } from 'zod'
import type { Offer } from '../../topology/kind.ts'
import type { CredentialBase, Template } from '../../topology/plan.ts'
import { credentialSchema, name } from '../../topology/schema.ts'

const user = z.string().regex(/^[A-Z][A-Z0-9_]*\/[a-z][a-z0-9_]*$/, 'must be ACCOUNT/user')

export const natsCredsSchema = credentialSchema(
  'nats-creds',
  'Credentials files of users of a NATS operator, handed over as one set: whoever holds them logs in as the first of these users.',
  {
    issuer: name.meta({ description: 'The node where they are made.' }),
    operator: z.string().min(1).meta({ description: 'Name of the operator.' }),
    users: z.array(user).min(1).meta({ description: '`ACCOUNT/user` of each file; the first is presented.' }),
    certificate: name
      .optional()
      .meta({ description: 'The certificate credential that it is presented over. Default: `cert-<holder>`.' }),
    token: name.optional().meta({
      description:
        'The bound token that is sent with it, over the certificate that it is bound to: of users about whom a callout decides.',
    }),
    of: name.optional().meta({
      description: 'The nats-creds credential in whose set these users are handed over already, to the same holder.',
    }),
  },
)

export type NatsCredsDeclaration = z.output<typeof natsCredsSchema>

/** What a user may do, in subjects: `*` stands for a token, `>` for all that follow. */
export interface Permissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

export interface PlanNatsCreds extends CredentialBase {
  kind: 'nats-creds'
  operator: string
  /** The user that is presented. */
  account: string
  user: string
  permissions: Permissions
  /** Its inboxes are below that. */
  inbox?: string
  /** Its JWT says itself what it may. */
  hasNoRole?: true
  /** All users of the set, as `ACCOUNT/user`. */
  users: string[]
  /** Where the set lies at the holder, and where it is made. */
  folder: Template
  source: Template
  /** The certificate credential that it is presented over. */
  certificate: string
  /** The bound token that is sent with it. */
  token?: string
  /** It is handed over with the set of that credential. */
  of?: string
  /** What an insider of the issuer has. Absent: it is somebody else's. */
  insider?: NatsInsider
}

export interface NatsInsider {
  /** Folder of private keys, as nsc keeps them: `<sort>/<two letters>/<public key>.nk`. */
  keys: Template
  /** Record of the public keys: `accounts` by name, and more. */
  record: Template
  /** An account about whose users no other program decides, and where the record has a signing key of it that stands for no role. */
  signer: { account: string; key: readonly string[] }
  /** Creds file of a user of the system account, who may give the broker claims of accounts. */
  pusher: Template
  /** The unit that revokes a user, on demand: it is given `{ "account", "key" }`, and ends once the broker knows of it. */
  revoke: string
}

/** Whoever makes operators, accounts and users. */
export interface NatsOperator extends Offer {
  operator: string
  /** Users that are handed over, by `ACCOUNT/user`. */
  users: Readonly<Record<string, NatsUser>>
  /** Where it lays the files of a credential, for nobody else: a folder of its node. */
  folder(credential: string): Template
  insider?: NatsInsider
}

export interface NatsUser {
  /** Name of its file. */
  file: string
  permissions: Permissions
  inbox?: string
  hasNoRole?: true
}

declare module '../../topology/credential-types.ts' {
  interface CredentialTypes {
    'nats-creds': { declared: NatsCredsDeclaration; planned: PlanNatsCreds; offered: NatsOperator }
  }
}
