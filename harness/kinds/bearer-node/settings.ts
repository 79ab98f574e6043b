import { z } from 'zod'
import { name, port } from '../../topology/schema.ts'

export const settings = z
  .strictObject({
    cluster: name.default('cluster').describe('The cluster: all units of this kind that name the same one are peers.'),
    token: name.default('cluster-token').describe('The bearer secret that it shares with its peers.'),
    tokenSource: z
      .enum(['file', 'environment', 'flag'])
      .default('file')
      .describe('Where the program finds it. The other two show it to whoever lists processes of its user.'),
    requireAuth: z.boolean().default(true).describe('Whether a start without a token is refused.'),
    readAccess: z.enum(['open', 'token']).default('open').describe('Who may read.'),
    headerAlias: z.string().optional().describe('One more header field whose whole value is the token.'),
    maxOverlapSeconds: z.int().min(1).optional().describe('Longest overlap of two tokens. Default: a day.'),
    leaseMs: z.int().min(1_000).max(600_000).optional().describe('Lease of the leader, in ms. Default: 10 000.'),
    peerTimeoutMs: z.int().min(100).optional().describe('Until a silent peer is lost, in ms. Default: 10 000.'),
    proxies: z
      .array(name)
      .default([])
      .describe(
        'Nodes with a proxy in front of it: it knows them by their certificates, and peers call it through the first.',
      ),
    pipelines: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('What can be run, by name. Default: that of the program.'),
    tls: z.boolean().default(true).describe('Whether it speaks TLS.'),
    certificate: name.optional().describe('The certificate credential of its node. Default: `cert-<node>`.'),
    port: port.default(8770).describe('Port that it listens on.'),
  })
  .describe('A node of a cluster whose members share one token.')

export type Settings = z.output<typeof settings>
