import { z } from 'zod'
import type { Program } from '../shared/configuration.ts'

const schema = z.strictObject({
  backend: z
    .enum(['p2p'], 'must be p2p: there is no other')
    .default('p2p')
    .describe('who runs pipelines: a cluster of peers, which is all that there is'),
  p2pLeader: z
    .string({ error: 'is missing; give --p2p-leader or HOLDFAST_P2P_LEADER' })
    .refine(isOrigin, 'must be https://HOST[:PORT] or http://HOST[:PORT], with nothing behind it')
    .describe('URL of a node: the leader, or any other, which forwards to it'),
  caFile: z
    .string()
    .min(1, 'must name a file')
    .optional()
    .describe('PEM file with the roots by which nodes prove who they are; no other root counts'),
  repeatForMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(45_000)
    .describe('for how long what could not be done yet is asked again, in ms'),
})

export type Configuration = z.output<typeof schema>

export const program: Program<Configuration> = {
  name: 'p2p',
  environmentPrefix: 'HOLDFAST_P2P',
  schema,
  variables: { p2pLeader: 'HOLDFAST_P2P_LEADER' },
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || !['https:', 'http:'].includes(url.protocol)) return false
  return `${url.username}${url.password}${url.search}${url.hash}` === '' && url.pathname === '/'
}
