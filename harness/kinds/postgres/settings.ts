import { z } from 'zod'
import { name, port } from '../../topology/schema.ts'

const identifier = z
  .string()
  .regex(/^(?!pg_)[a-z_][a-z0-9_]{0,62}$/, 'must be lower-case letters, digits and underscores, and not begin with pg_')
const file = z.string().min(1)

export const settings = z
  .strictObject({
    database: identifier.optional().describe('Name of the database that is made.'),
    owner: identifier
      .refine((role) => role !== 'postgres', 'must not be postgres, who may do everything')
      .optional()
      .describe(
        'The role that owns it, and may make others. Its password is made anew for each run. Default: the name of the database.',
      ),
    port: port.default(5432).describe('Its port.'),
    certificate: name
      .optional()
      .describe('The certificate credential that it serves with: then nobody is let in without TLS. Default: no TLS.'),
    url: z
      .url({ protocol: /^postgres(ql)?$/, error: 'must be postgres://USER@HOST:PORT/DATABASE' })
      .optional()
      .describe(
        'A server that is up already: `postgres://USER@HOST:PORT/DATABASE`, where that user owns that database.',
      ),
    password: file.optional().describe('With `url`: file (mode 0600) with the password of that user.'),
    ca: file.optional().describe('With `url`: file with the roots that its certificate leads to, or `system`.'),
  })
  .refine(({ url, database }) => (url === undefined) !== (database === undefined), {
    path: ['database'],
    error: 'must be there, or url, and not both',
  })
  .refine(({ url, password, ca }) => (url === undefined ? !password && !ca : password !== undefined), {
    path: ['password'],
    error: 'goes with url, and so does ca: the password of a database that is made here is made with it',
  })
  .refine(({ url, owner, certificate }) => url === undefined || (!owner && !certificate), {
    path: ['url'],
    error: 'goes without owner and certificate: who is up has its own',
  })
  .describe('A PostgreSQL with one database and the role that owns it, or such a one that is up at a URL.')

export type Settings = z.output<typeof settings>
