import { z } from 'zod'
import type { Program } from '../shared/configuration.ts'
import { brokerServer, localAddress } from '../shared/nats/broker-settings.ts'

const file = z.string().min(1, 'must name a file or folder')
const address = z.string().regex(/^[0-9A-Za-z.:[\]-]+:\d{1,5}$/, 'must be ADDRESS:PORT')

const schema = z.strictObject({
  node: z
    .string()
    .regex(/^[a-z0-9-]{1,63}$/, 'must be 1 to 63 of a-z, 0-9 and -')
    .describe('Name of this host: one token of the subjects that it may use.'),
  unit: z.string().min(1).default('host-agent').describe('Name of this unit, for its records.'),
  server: brokerServer,
  tls: z.strictObject({
    cert: file.describe('PEM file: leaf, then intermediates; watched.'),
    key: file.describe('PEM file (0600) with its key.'),
    ca: file.describe('PEM file with the roots of the broker.'),
  }),
  localAddress,
  listen: z
    .strictObject({ local: address.default('127.0.0.1:9445').describe('ADDRESS:PORT for /healthz and /readyz.') })
    .prefault({}),
  credsDir: file.describe('Folder (0700) in which the sentinel credentials were installed; watched.'),
  tokenFile: file.describe('File (0600, watched) with the bound token of this host.'),
  storage: z.strictObject({ path: file.describe('SQLite file, in a folder of 0700.') }),
  decisionLog: file.describe('JSONL file for decision records.'),
  connectTimeoutMs: z.int().min(100).max(60_000).default(5_000).describe('For one attempt, in ms.'),
  retry: z
    .strictObject({
      initialMs: z.int().min(10).max(60_000).default(1_000).describe('First back-off, in ms.'),
      maximumMs: z.int().min(10).max(600_000).default(30_000).describe('Longest back-off, in ms.'),
    })
    .prefault({}),
})

export type Configuration = z.output<typeof schema>

export const program: Program<Configuration> = {
  name: 'host-agent',
  environmentPrefix: 'HOST_AGENT',
  schema,
}
