import { z } from 'zod'
import type { Program } from '../shared/configuration.ts'
import { brokerServer, localAddress } from '../shared/nats/broker-settings.ts'
import { authSettings, clockSkewSeconds, httpsUrl, validationSettings } from '../shared/token-settings.ts'

const name = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a DNS label in lower case, at most 63 characters')
const dnsName = z
  .string()
  .max(253)
  .regex(
    /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'must be a DNS name in lower case, with at least one dot',
  )
/** A suffix may be one label only. */
const dnsSuffix = z
  .string()
  .max(253)
  .regex(
    /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'must be a DNS name in lower case',
  )
/** One token of a subject, so that no wildcard and no dot can be smuggled into one. */
export const subjectToken = z.string().regex(/^[a-z0-9-]{1,63}$/, 'must be 1 to 63 of a-z, 0-9 and -')
const file = z.string().min(1, 'must name a file')
const address = z
  .string()
  .regex(/^[0-9A-Za-z.:[\]-]+:\d{1,5}$/, 'must be ADDRESS:PORT')
  .refine((text) => Number(text.slice(text.lastIndexOf(':') + 1)) < 65536, 'the port must be below 65536')

const endpointSchema = z
  .string()
  .max(2048)
  .refine((text) => /^wss?:\/\/[a-z0-9.-]+:\d{1,5}\/?$/.test(text) && URL.canParse(text), 'must be wss://HOST:PORT')

/** One peer: what the API takes, too. */
export const peerInfoSchema = z.strictObject({
  name: name.describe("The peer's name: the `sub` of its tokens."),
  endpoint: endpointSchema.describe('wss://HOST:PORT; HOST is the SAN of its certificate.'),
  domains: z.array(dnsSuffix).max(64).describe('DNS suffixes that it may announce.'),
  peerToken: z.string().optional().describe('What we present to it.'),
  tokenSource: z
    .strictObject({ issuer: httpsUrl, resource: z.url() })
    .optional()
    .describe('Where to fetch that token instead.'),
  trustDomain: name.optional().describe('Its trust domain. Default: our own.'),
  enabled: z.boolean().default(true),
})
const filePeerSchema = peerInfoSchema.extend({
  peerTokenFile: file.optional().describe('File (0600, watched) with the token that we present to it.'),
})

export const routeSchema = z.strictObject({
  domain: dnsSuffix,
  name: z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/, 'must be 1 to 253 letters, digits, . _ -'),
  protocol: z.enum(['http', 'http2', 'grpc', 'graphql', 'tcp']),
  endpoint: z.string().min(1).max(2048),
})

const foreignDomain = z.strictObject({
  ca: file.describe('PEM file with its root certificates.'),
  audience: httpsUrl.optional().describe('Audience URI that all its nodes accept for peering.'),
})

const MISSING_SECTION = 'is missing, and so is messaging; a node needs a section that gives it work to do'

/** Exchanging routes with peers, and judging the tokens of callers. */
const peering = z.strictObject({
  listen: address.default('0.0.0.0:9443').describe('ADDRESS:PORT for other nodes.'),
  audience: httpsUrl.optional().describe('Audience URI that all nodes of our trust domain accept for peering.'),
  trustDomains: z.record(name, foreignDomain).default({}).describe('Other trust domains that peers may belong to.'),
  auth: authSettings(file, 'trustDomain.ca'),
  validation: validationSettings,
  clockSkewSeconds,
  nodeTokenFile: file.optional().describe("File (0600, watched) with this node's own token."),
  peers: z.array(filePeerSchema).default([]).describe('Peers that this file declares.'),
  routes: z.array(routeSchema).default([]).describe('Local routes that this file declares.'),
  limits: z
    .strictObject({
      refusalsPerCertificate: z.int().min(10).max(100_000).default(60).describe('Refusals a minute.'),
      refusalsPerAddress: z
        .int()
        .min(10)
        .max(100_000)
        .default(600)
        .describe('Refusals a minute; of IPv6 a /64 counts as one.'),
      sessions: z.int().min(1).max(100_000).default(1024).describe('Inbound sessions at once.'),
    })
    .prefault({}),
  session: z
    .strictObject({
      holdTimeMs: z.int().min(3_000).max(600_000).default(90_000).describe('Hold time that is offered, in ms.'),
      reconnectInitialMs: z.int().min(100).max(60_000).default(1_000).describe('First back-off, in ms.'),
      reconnectMaximumMs: z.int().min(100).max(600_000).default(60_000).describe('Longest back-off, in ms.'),
    })
    .prefault({}),
})

/** Commands for hosts, and what they tell, over a broker. */
const messaging = z.strictObject({
  server: brokerServer,
  ca: file.optional().describe('PEM file with the roots of the broker. Default: trustDomain.ca.'),
  cert: file.optional().describe('PEM file: our certificate for the broker. Default: tls.cert.'),
  key: file.optional().describe('PEM file (0600) with its key. Default: tls.key.'),
  localAddress,
  credsDir: file.describe('Folder (0700) in which credentials were installed; watched.'),
  connectTimeoutMs: z.int().min(100).max(60_000).default(2_000).describe('For one attempt, in ms.'),
  connectDeadlineSeconds: z.int().min(1).max(3_600).default(120).describe('To be connected after the start.'),
  hosts: z.array(subjectToken).max(1_000).default([]).describe('Hosts that commands are for.'),
  stream: z
    .strictObject({
      maxAgeSeconds: z.int().min(60).max(31_536_000).default(604_800).describe('How long commands are kept.'),
      maxBytes: z.int().min(1_024).max(1e12).default(536_870_912).describe('A full stream refuses.'),
    })
    .prefault({}),
  mongo: z
    .strictObject({
      clusterIdFile: file.optional().describe('File (0600), checked at the start and not used.'),
      passwordFile: file.optional().describe('File (0600), checked at the start and not used.'),
    })
    .prefault({}),
})

/** What every node has stands on top; each kind of work has a section of its own. */
const schema = z
  .strictObject({
    node: name.describe("This node's name: the `sub` of its tokens."),
    host: dnsName.describe("This node's DNS name; https://HOST is its audience."),
    listen: z
      .strictObject({
        local: address.default('127.0.0.1:9444').describe('ADDRESS:PORT for operators and the node itself.'),
      })
      .prefault({}),
    tls: z.strictObject({
      cert: file.describe('PEM file: leaf, then intermediates.'),
      key: file.describe('PEM file (0600) with its key.'),
      renewUrl: httpsUrl
        .optional()
        .describe(
          'Where the certificate is renewed over mutual TLS (step-ca: https://CA/1.0/renew). Default: it is not.',
        ),
    }),
    trustDomain: z.strictObject({
      name: name.describe('Our own trust domain.'),
      ca: file.describe('PEM file with its root certificates.'),
    }),
    operators: z.array(dnsName).default([]).describe('DNS SANs of operator certificates.'),
    storage: z.strictObject({ path: file.describe('SQLite file, in a folder of 0700.') }),
    decisionLog: file.describe('JSONL file for decision records.'),
    limits: z
      .strictObject({
        handshakes: z.int().min(10).max(100_000).default(256).describe('Handshakes and upgrades open at once.'),
        handshakeRecords: z
          .int()
          .min(10)
          .max(100_000)
          .default(600)
          .describe('Refused handshakes on record in each minute, for each listener.'),
      })
      .prefault({}),
    peering: peering.optional().describe('Exchanging routes with peers.'),
    messaging: messaging.optional().describe('Commands for hosts, over a broker.'),
  })
  .refine(({ peering, messaging }) => peering !== undefined || messaging !== undefined, {
    path: ['peering'],
    error: MISSING_SECTION,
  })

export type Configuration = z.output<typeof schema>
/** Of a node that exchanges routes. */
export type PeeringConfiguration = Configuration & { peering: z.output<typeof peering> }
/** Of a node that is connected to a broker. */
export type MessagingConfiguration = Configuration & { messaging: z.output<typeof messaging> }
export type FilePeer = z.output<typeof filePeerSchema>

export function doesPeering(configuration: Configuration): configuration is PeeringConfiguration {
  return configuration.peering !== undefined
}

export function doesMessaging(configuration: Configuration): configuration is MessagingConfiguration {
  return configuration.messaging !== undefined
}
export type PeerInfo = z.output<typeof peerInfoSchema>
export type RouteInfo = z.output<typeof routeSchema>

export const program: Program<Configuration> = {
  name: 'orchestrator',
  environmentPrefix: 'ORCHESTRATOR',
  schema,
  secrets: ['peering.peers.peerToken'],
}

/** Host and port of a `listen` setting; an IPv6 address may stand in brackets. */
export function addressOf(text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon).replaceAll(/[[\]]/g, ''), port: Number(text.slice(colon + 1)) }
}
