import { z } from 'zod'
import { duration } from '../../topology/schema.ts'

const host = z.string().regex(/^[a-z0-9-]{1,63}$/, 'must be 1 to 63 of a-z, 0-9 and -')

export const messagingSettings = z
  .strictObject({
    server: z.string().describe('Node of the broker.'),
    credentials: z
      .string()
      .default('creds-intake')
      .describe('Unit of this node, a creds-intake, that installs the credentials which it logs in with.'),
    hosts: z.array(host).min(1).max(1_000).describe('Hosts that commands are for.'),
    connectDeadline: duration.default('45s').describe('To be connected after the start.'),
    stream: z
      .strictObject({
        maxAge: duration.optional().describe('How long commands are kept. Default 7d.'),
        maxBytes: z.int().min(1_024).optional().describe('A full stream refuses. Default 512 MiB.'),
      })
      .prefault({})
      .describe('The stream that commands are kept in.'),
    mongo: z
      .boolean()
      .default(false)
      .describe('Whether it is told of files of a MongoDB, which are made for it, and which it only checks.'),
  })
  .describe('How it commands hosts over a broker.')

export type MessagingSettings = z.output<typeof messagingSettings>
