import { z } from 'zod'
import type { Program } from '../shared/configuration.ts'
import { brokerServer, localAddress } from '../shared/nats/broker-settings.ts'
import { authSettings, clockSkewSeconds, validationSettings } from '../shared/token-settings.ts'

const name = z.string().regex(/^[a-z0-9-]{1,63}$/, 'must be 1 to 63 of a-z, 0-9 and -')
const dnsName = z
  .string()
  .max(253)
  .regex(
    /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'must be a DNS name in lower case',
  )
const file = z.string().min(1, 'must name a file or folder')
const address = z.string().regex(/^[0-9A-Za-z.:[\]-]+:\d{1,5}$/, 'must be ADDRESS:PORT')

const schema = z.strictObject({
  node: name.describe('Name of this node: as whom the auth server is asked about tokens.'),
  unit: z.string().min(1).default('auth-callout').describe('Name of this unit, for its records.'),
  host: dnsName.describe('DNS name of the broker; https://HOST is the audience that tokens must have.'),
  server: brokerServer,
  tls: z.strictObject({
    cert: file.describe('PEM file: leaf, then intermediates.'),
    key: file.describe('PEM file (0600) with its key.'),
    ca: file.describe('PEM file with the roots of the broker.'),
  }),
  localAddress,
  listen: z
    .strictObject({ local: address.default('127.0.0.1:9446').describe('ADDRESS:PORT for /healthz and /readyz.') })
    .prefault({}),
  setupFile: file.describe('setup.json of the broker: public keys and names.'),
  keysDir: file.describe('Folder (0700) with the key files and credentials that are for the callout alone.'),
  auth: authSettings(file, 'tls.ca'),
  validation: validationSettings,
  clockSkewSeconds,
  hosts: z
    .record(name, z.strictObject({ host: dnsName.describe('SAN that its certificate must hold.') }))
    .default({})
    .describe('Hosts that are let in, by name; read anew with SIGHUP.'),
  decideWithinMs: z.int().min(100).max(2_500).default(2_000).describe('Longest time for one decision, in ms.'),
  recheckMs: z.int().min(100).max(60_000).default(5_000).describe('How often those who are in are judged again.'),
  userSeconds: z.int().min(30).max(3_600).default(300).describe('Longest life of a login.'),
  connectTimeoutMs: z.int().min(100).max(60_000).default(2_000).describe('For one attempt, in ms.'),
  decisionLog: file.describe('JSONL file for decision records.'),
})

export type Configuration = z.output<typeof schema>

export const program: Program<Configuration> = {
  name: 'auth-callout',
  environmentPrefix: 'AUTH_CALLOUT',
  schema,
}
