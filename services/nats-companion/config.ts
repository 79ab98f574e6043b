import { z } from 'zod'
import { type ConfigurationSources, loadConfiguration, type Program } from '../shared/configuration.ts'

const path = z.string().min(1, 'must be a path')
const name = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a name: lower-case letters, digits, hyphens')

const configurationSchema = z.strictObject({
  node: name.describe('name of this machine in decision records'),
  unit: name.default('nats-server').describe('name of the broker in decision records'),
  listener: name.default('nats').describe('name of its listener there'),
  log: path.describe('log file of the broker, with `debug`, `logtime` and `logtime_utc`'),
  monitoring: z
    .string()
    .regex(/^http:\/\/(127\.[0-9.]+|\[::1\]|localhost):[0-9]{1,5}\/?$/, 'must be http://LOOPBACK-ADDRESS:PORT')
    .describe('URL of its monitoring port, which must be on loopback'),
  decisionLog: path.describe('JSONL file of decision records, kept 0600'),
  callout: z
    .strictObject({
      unit: name.default('auth-callout').describe('name of the callout in decision records'),
      account: z.string().min(1).describe('name of the account whose users are asked about'),
      users: z.array(z.string().min(1)).default([]).describe('users of it who are let in without the callout'),
      decisionLog: path.describe('decision log of the callout, whose records have the number of a connection as `cid`'),
    })
    .optional(),
})

export type Configuration = z.output<typeof configurationSchema>

export const program: Program<Configuration> = {
  name: 'nats-companion',
  environmentPrefix: 'NATS_COMPANION',
  schema: configurationSchema as unknown as z.ZodType<Configuration>,
}

/** Throws `StartFailure` that names every wrong key. */
export function loadConfig(sources: ConfigurationSources): Configuration {
  return loadConfiguration(program, sources)
}
