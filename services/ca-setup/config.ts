import { z } from 'zod'
import type { Program } from '../shared/configuration.ts'

const path = z.string().min(1, 'must be a path')

export const configurationSchema = z.strictObject({
  step: path.describe('Path of step, the command line of smallstep'),
  dir: path.describe('Folder (0700) of all that is made'),
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,47}$/, 'must be a short name')
    .describe('Whose CA it is: NAME root, NAME issuing CA'),
  passwordFile: path.describe('File (0600) with the password of all keys: 16 characters or more'),
  provisioners: z
    .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/, 'must be a name that can be that of a folder'))
    .min(1, 'must name at least one')
    .refine((names) => new Set(names).size === names.length, 'must name each once')
    .describe('Names of the JWK provisioners, each of which gets a key of its own'),
  rootDays: z.int().min(1).max(7300).default(3650).describe('Life of root and issuing CA, in days'),
  rootCrlDays: z
    .int()
    .min(1)
    .max(3650)
    .default(365)
    .describe("Life of the root's CRL, in days; it is made anew once half of that is over"),
})

export type Configuration = z.output<typeof configurationSchema>

export const program: Program<Configuration> = {
  name: 'ca-setup',
  environmentPrefix: 'CA_SETUP',
  schema: configurationSchema as unknown as z.ZodType<Configuration>,
}
