import { z } from 'zod'
import { type ConfigurationSources, loadConfiguration, type Program } from '../shared/configuration.ts'
import { MANIFEST_FILE } from '../shared/nats/manifest.ts'
import { USER_NAMES, USERS } from '../shared/nats/roles.ts'

const path = z.string().min(1, 'must be a path')
const DAY_SECONDS = 86_400

const handover = z.strictObject({
  dir: path.describe('Folder of one receiver, for nobody else'),
  users: z
    .array(z.enum(USER_NAMES))
    .min(1, 'must name at least one user')
    .refine((users) => new Set(users).size === users.length, 'must name each user once')
    .refine(
      (users) => users.every((name) => USERS[name].receiver !== undefined),
      'must name users that are handed over; those of SYS and callout_user stay on this host',
    )
    .describe('Whose credentials are handed over'),
  owner: z.string().min(1).optional().describe('User that owns folder and files. Default: who runs this program'),
  group: z.string().min(1).optional().describe('Group by which the receiver reads. Default: only the owner reads'),
})

export const configurationSchema = z.strictObject({
  nsc: path.describe('Path of nsc, 2.14 or newer'),
  operator: z
    .string()
    .regex(/^[A-Z][A-Z0-9_-]{0,31}$/, 'must be a name in capital letters')
    .default('HOLO')
    .describe('Name of the operator'),
  stateDir: path.describe('Folder (0700) of the store and of all that is made from it'),
  resolverDir: path.describe("Folder in which the broker's resolver keeps account claims"),
  lifetimes: z
    .strictObject({
      userMinutes: z.int().min(1).max(525_600).default(1440).describe('Life of credentials, in minutes'),
      accountDays: z.int().min(1).max(3650).default(365).describe('Life of an account, in days'),
    })
    .prefault({}),
  handovers: z
    .array(handover)
    .default([])
    .refine((all) => new Set(all.map(({ dir }) => dir)).size === all.length, 'must have a folder each')
    .describe('Folders that credentials are copied to, one for each receiver'),
  broker: z
    .strictObject({
      url: z
        .string()
        .regex(/^tls:\/\/[a-z0-9.-]+:[0-9]{1,5}$/, 'must be tls://HOST:PORT; nothing is pushed without TLS')
        .describe('tls://HOST:PORT of the broker'),
      ca: path.describe('PEM file: root of its certificate'),
      cert: path.describe('PEM file: own certificate, then intermediates'),
      key: path.describe('PEM file: its private key'),
      timeoutSeconds: z.int().min(1).max(60).default(1).describe('How long an answer of the broker may take'),
    })
    .optional()
    .describe('Where claims are pushed to'),
  overlapSeconds: z
    .int()
    .min(0)
    .max(DAY_SECONDS)
    .default(60)
    .describe('How long credentials that were replaced go on working'),
})

export type Configuration = z.output<typeof configurationSchema>
export type Handover = Configuration['handovers'][number]
export type Broker = NonNullable<Configuration['broker']>

export const program: Program<Configuration> = {
  name: 'nats-setup',
  environmentPrefix: 'NATS_SETUP',
  schema: configurationSchema as unknown as z.ZodType<Configuration>,
}

/** Throws `StartFailure` that names every wrong key. */
export function loadConfig(sources: ConfigurationSources): Configuration {
  return loadConfiguration(program, sources)
}

/** What must lie in a hand-over folder, and nothing else. */
export function filesOf({ users }: Handover): string[] {
  return [...users.map((name) => USERS[name].creds), MANIFEST_FILE]
}
