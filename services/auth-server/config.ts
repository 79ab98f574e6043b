import { z } from 'zod'
import { type ConfigurationSources, loadConfiguration, type Program } from '../shared/configuration.ts'
import { SIGNING_ALGORITHMS } from './keys.ts'
import { SHORTEST_LIFE_SECONDS } from './model.ts'

const path = z.string().min(1, 'must be a path')
const name = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a name: lower-case letters, digits, hyphens')
const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[^:\s[\]]+):[0-9]{1,5}$/, 'must be ADDRESS:PORT')
  .refine((text) => isPort(parseAddress(text).port), 'must have a port from 1 to 65535')
const host = z
  .string()
  .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/, 'must be a DNS name')
  .transform((text) => text.toLowerCase())
const LONGEST_LIFE_SECONDS = 86_400
const seconds = z.int().min(SHORTEST_LIFE_SECONDS).max(LONGEST_LIFE_SECONDS)

export const configurationSchema = z
  .strictObject({
    issuer: z
      .string()
      .refine(isIssuer, 'must be an https URL without query, fragment, user or trailing slash')
      .describe('URL of this server, and the iss of its tokens'),
    node: name
      .optional()
      .describe('name of this machine in logs and decision records; default: first label of the issuer'),
    unit: name.default('auth-server').describe('name of this program in logs and decision records'),
    listen: z
      .strictObject({
        public: address.default('0.0.0.0:8443').describe('metadata and keys, no client certificate'),
        mtls: address.default('0.0.0.0:8444').describe('tokens, introspection, revocation, holders'),
        operator: address.default('0.0.0.0:8445').describe('operator API and health'),
      })
      .prefault({}),
    tls: z.strictObject({
      cert: path.describe('PEM file: own certificate, then intermediates'),
      key: path.describe('PEM file (0600): its private key'),
      ca: path.describe('PEM file: root of the own trust domain'),
    }),
    trustDomain: name.describe('name of the own trust domain'),
    trustDomains: z
      .record(name, z.strictObject({ ca: path }))
      .default({})
      .describe('foreign trust domains whose certificates clients may have, each with the PEM file of its root'),
    operators: z.array(host).min(1, 'must name at least one').describe('DNS SANs of operator certificates'),
    storage: z.strictObject({ path: path.describe('SQLite file, kept 0600 in a folder of 0700') }),
    signing: z
      .strictObject({
        alg: z.enum(SIGNING_ALGORITHMS).default('ES256').describe('algorithm of new keys'),
        importKey: path.optional().describe('private JWK file (0600) to begin with when the storage has no key'),
      })
      .prefault({}),
    tokens: z
      .strictObject({
        nodeSeconds: seconds.default(3600).describe('life of a node token that asks for none'),
        peerSeconds: seconds.default(900).describe('life of a peer token that asks for none'),
        maximumSeconds: seconds.default(LONGEST_LIFE_SECONDS).describe('longest life that a grant may allow'),
      })
      .prefault({}),
    limits: z
      .strictObject({
        handshakeRecords: z
          .int()
          .min(10)
          .max(100_000)
          .default(600)
          .describe('refused handshakes on record in each minute, for each listener'),
      })
      .prefault({}),
    decisionLog: path.describe('JSONL file of decision records, kept 0600'),
  })
  .refine((configuration) => !Object.hasOwn(configuration.trustDomains, configuration.trustDomain), {
    path: ['trustDomains'],
    message: 'must not name the own trust domain; its root is tls.ca',
  })

export type Configuration = z.output<typeof configurationSchema>

export const program: Program<Configuration> = {
  name: 'auth-server',
  environmentPrefix: 'AUTH_SERVER',
  schema: configurationSchema as unknown as z.ZodType<Configuration>,
}

/** Throws `StartFailure` that names every wrong key. */
export function loadConfig(sources: ConfigurationSources): Configuration {
  return loadConfiguration(program, sources)
}

/** The address and port of a `listen` setting. */
export function parseAddress(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(at + 1)) }
}

export function nodeName(configuration: Configuration): string {
  return configuration.node ?? (new URL(configuration.issuer).hostname.split('.')[0] as string)
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65_535
}

function isIssuer(text: string): boolean {
  const url = URL.parse(text)
  if (url === null) return false
  const isBare = url.search === '' && url.hash === '' && url.username === '' && url.password === ''
  // The issuer is compared as a whole string, so there is one way to write it.
  return url.protocol === 'https:' && isBare && url.pathname === '/' && text === url.origin
}
