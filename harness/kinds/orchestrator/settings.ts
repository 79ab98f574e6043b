import { z } from 'zod'
import { duration, hostText, port } from '../../topology/schema.ts'
import { messagingSettings } from './messaging-settings.ts'

const peer = z
  .strictObject({
    token: z
      .string()
      .optional()
      .describe(
        'Bound token that is presented to it. Default: the node token, within a domain with a peering audience.',
      ),
    domains: z.array(hostText).max(64).describe('DNS suffixes whose routes it may announce.'),
    trustDomain: z.string().optional().describe('Trust domain of its certificate. Default: our own.'),
    enabled: z.boolean().optional().describe('Default: true.'),
  })
  .describe('A node to peer with.')

const route = z.strictObject({
  domain: z.string(),
  name: z.string(),
  protocol: z.enum(['http', 'http2', 'grpc', 'graphql', 'tcp']),
  endpoint: z.string(),
})

export const settings = z
  .strictObject({
    auth: z
      .string()
      .optional()
      .describe('Node of the auth server whose tokens are accepted. Without it the node exchanges no routes.'),
    messaging: messagingSettings
      .optional()
      .describe('The broker over which it commands hosts. Without it, it commands none.'),
    peers: z.record(z.string(), peer).default({}).describe('Nodes to peer with, by name.'),
    certificate: z.string().optional().describe('Certificate credential of this node. Default: `cert-<node>`.'),
    token: z
      .string()
      .optional()
      .describe("This node's own token. Default: the credential named like the node, if any."),
    renewal: z
      .enum(['on', 'off'])
      .default('off')
      .describe(
        'Whether it renews its certificate at two thirds of its life, and fetches what tokens it may for the new one.',
      ),
    validation: z.enum(['jwks', 'introspection', 'both']).default('both').describe('How tokens are verified.'),
    introspectionCacheMs: z.int().min(0).max(5_000).optional().describe('How long an answer is kept. Default 1 000.'),
    operators: z
      .array(hostText)
      .optional()
      .describe("DNS SANs of operator certificates. Default: those of the domain's auth server."),
    routes: z.array(route).default([]).describe('Local routes from the start on.'),
    session: z
      .strictObject({
        holdTime: duration.optional().describe('The same as `holdTimeMs`, as a duration of 3s to 10m.'),
        holdTimeMs: z.int().min(3_000).max(600_000).optional(),
        reconnectInitialMs: z.int().min(100).max(60_000).optional(),
        reconnectMaximumMs: z.int().min(100).max(600_000).optional(),
      })
      .prefault({})
      .describe('Hold time and back-off, in ms.'),
    limits: z
      .strictObject({ refusalsPerCertificate: z.int(), refusalsPerAddress: z.int() })
      .partial()
      .prefault({})
      .describe('Refusals a minute. Default here 100 000 each: whoever tests refusals is refused often.'),
    clockSkewSeconds: z.int().min(0).max(60).optional().describe('Tolerance for the times in tokens. Default 30.'),
    ports: z
      .strictObject({ peering: port.default(9443), local: port.default(9444) })
      .prefault({})
      .describe('Ports of its two listeners.'),
  })
  .refine(({ auth, messaging }) => auth !== undefined || messaging !== undefined, {
    path: ['auth'],
    error: 'is missing, and so is messaging; an orchestrator needs one of them at least',
  })
  .describe('An orchestrator that exchanges routes with its peers, commands hosts over a broker, or both.')

export type Settings = z.output<typeof settings>
