import { z } from 'zod'
import type { Program } from '../shared/configuration.ts'

const name = z.string().regex(/^[a-z0-9-]{1,63}$/, 'must be 1 to 63 of a-z, 0-9 and -')
const dnsName = z
  .string()
  .max(253)
  .regex(
    /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'must be a DNS name in lower case',
  )
const file = z.string().min(1, 'must name a file or folder')
const httpsUrl = z.url({ protocol: /^https$/, error: 'must be an https URL' })
const address = z.string().regex(/^[0-9A-Za-z.:[\]-]+:\d{1,5}$/, 'must be ADDRESS:PORT')

const schema = z.strictObject({
  node: name.describe('Name of this node: as whom the auth server is asked about tokens.'),
  unit: z.string().min(1).default('auth-callout').describe('Name of this unit, for its records.'),
  host: dnsName.describe('DNS name of the broker; https://HOST is the audience that tokens must have.'),
  server: z
    .string()
    .regex(/^[a-z]+:\/\/[a-z0-9.-]+:\d{1,5}$/, 'must be tls://HOST:PORT')
    .describe('tls://HOST:PORT of the broker; HOST is the SAN of its certificate.'),
  tls: z.strictObject({
    cert: file.describe('PEM file: leaf, then intermediates.'),
    key: file.describe('PEM file with its key.'),
    ca: file.describe('PEM file with the roots of the broker.'),
  }),
  localAddress: z.string().min(1).optional().describe('Address that connections come from. Default: any.'),
  listen: z
    .strictObject({ local: address.default('127.0.0.1:9446').describe('ADDRESS:PORT for /healthz and /readyz.') })
    .prefault({}),
  setupFile: file.describe('setup.json of the broker: public keys and names.'),
  keysDir: file.describe('Folder (0700) with the key files and credentials that are for the callout alone.'),
  auth: z.strictObject({
    issuer: httpsUrl.describe('Issuer of the tokens that are accepted here, compared as a whole text.'),
    jwksUri: httpsUrl.optional().describe('Default: ISSUER/jwks.'),
    introspectionEndpoint: httpsUrl.optional().describe("Default: what the issuer's metadata say."),
    ca: file.optional().describe('Anchor of the auth server. Default: tls.ca.'),
  }),
  validation: z
    .strictObject({
      mode: z.enum(['jwks', 'introspection', 'both']).default('both').describe('How tokens are verified.'),
      introspectionCacheMs: z.int().min(0).max(5000).default(1000).describe('How long an answer is kept, in ms.'),
    })
    .prefault({}),
  clockSkewSeconds: z.int().min(0).max(60).default(30).describe('Tolerance for exp, nbf and iat.'),
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
