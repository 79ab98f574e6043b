import { z } from 'zod'
import type { Program } from '../shared/configuration.ts'

const path = z.string().startsWith('/', 'must be an absolute path')
const identifier = z
  .string()
  .regex(/^[a-z_][a-z0-9_]{0,62}$/, 'must be a name that needs no quotes: lower-case letters, digits, underscores')

const configurationSchema = z.strictObject({
  server: path.describe('path of the program postgres, version 15 or newer; initdb lies beside it'),
  data: path.describe('data folder that is made, by rename once it is whole'),
  database: identifier.describe('name of the database'),
  owner: identifier.refine((name) => !name.startsWith('pg_'), 'must not begin with pg_').describe('role that owns it'),
  passwordFile: path.describe('file (0600) with the password of that role'),
  versionSettings: path.describe('file that is written: settings of this version of the server alone, for `include`'),
  templates: path
    .optional()
    .describe('folder of empty clusters that are copied. Default: one of this user, in that for temporary files'),
})

export type Configuration = z.output<typeof configurationSchema>

export const program: Program<Configuration> = {
  name: 'postgres-setup',
  environmentPrefix: 'POSTGRES_SETUP',
  schema: configurationSchema as unknown as z.ZodType<Configuration>,
}
