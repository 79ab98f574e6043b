import { z } from 'zod'
import { durationSeconds } from '../../topology/duration.ts'
import { type Action, defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import { duration, hostText, port } from '../../topology/schema.ts'
import { ownAudiences } from '../checks.ts'
import { certificateOf, referenceService, startOf, tlsFiles } from '../reference-service.ts'
import { foreignDomains, operatorsOf, verificationOf } from './verification.ts'

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

const settings = z
  .strictObject({
    auth: z.string().describe('Node of the auth server whose tokens are accepted.'),
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
  .describe('An orchestrator that exchanges routes with its peers.')

type Settings = z.infer<typeof settings>
export type Unit = UnitContext<Settings>

/** The reference orchestrator under `services/orchestrator`. */
export const orchestrator = defineKind({
  name: 'orchestrator',
  summary: 'orchestrator that exchanges routes with peers by certificate-bound tokens (RFC 8705)',
  settings,
  plan,
  actions: {
    'peering:connect': {
      summary: 'opens a peering session',
      listener: 'peering',
      carrier: 'bearer',
      demands: { scope: ['peer:connect'], audience: 'peering' },
      request: { websocket: { path: '/v1/peering', protocol: 'holdfast-peering.v1', first: { type: 'open' } } },
    },
    'node:read': ofNode("reads the node's state", 'node:read', { method: 'GET', path: '/v1/state', expect: [200] }),
    'node:routes': ofNode('writes a local route', 'node:routes', {
      method: 'PUT',
      path: '/v1/routes/written.test/probe',
      json: { protocol: 'http', endpoint: 'https://written.test/' },
      expect: [200, 201],
    }),
  },
  observe: {
    listener: 'local',
    request: { http: { paths: ['/v1/routes?limit=1000', '/v1/peers?limit=1000'] } },
    // A minted token is renewed in its own time.
    ignore: ['peerTokenExpiresAt'],
  },
})

function ofNode(summary: string, scope: string, http: object): Action {
  const demands = { scope: [scope], audience: 'own' } as const
  return { summary, listener: 'local', carrier: 'bearer', demands, request: { http } }
}

function plan(unit: Unit): KindPlan {
  const { peers, auth, ports, validation } = unit.settings
  const with_ = Object.keys(peers).join(', ') || 'nobody'
  // A plan is plain JSON: settings that were left out are left out there, too.
  const json: unknown = JSON.parse(JSON.stringify(configuration(unit)))
  // Whoever judges by keys alone asks nobody about a token.
  const asking = validation === 'jwks' ? [] : ['introspection-client']
  return {
    summary: `orchestrator ${unit.node}, validates at ${auth}, peers with ${with_}`,
    files: [{ path: '@{unit}/config.json', json }],
    service: referenceService(unit, 'orchestrator', ports.local, [
      { name: 'peering', port: ports.peering, protocol: 'wss', clientCertificate: 'required' },
      { name: 'local', port: ports.local, protocol: 'https', clientCertificate: 'required' },
    ]),
    verification: verificationOf(unit),
    surfaces: ['strict-verifier', 'jwks-client', ...asking, 'dialer', 'peers-api', 'start'],
    insider: {
      operator: { listener: 'local', sans: operatorsOf(unit) },
      asks: { issuer: auth, audiences: ownAudiences(unit) },
      start: startOf('listen.local', 'peering.listen'),
    },
  }
}

function configuration(unit: Unit) {
  const tls = tlsFiles(unit)
  return {
    node: unit.node,
    host: unit.host,
    listen: { local: `@{address}:${unit.settings.ports.local}` },
    tls: { cert: tls.cert, key: tls.key, renewUrl: renewUrlOf(unit) },
    trustDomain: { name: unit.domain, ca: tls.ca },
    operators: operatorsOf(unit),
    storage: { path: '@{unit}/state/orchestrator.db' },
    // Each refused call of a test is looked for in the log.
    limits: { handshakeRecords: 100_000 },
    decisionLog: '@{unit}/decisions.jsonl',
    peering: peeringOf(unit),
  }
}

function peeringOf(unit: Unit) {
  const { settings, topology, domain } = unit
  const { auth, ports, validation, introspectionCacheMs, routes, limits } = settings
  const { trustDomains } = topology
  const nodeToken = nodeTokenOf(unit)
  const { holdTime, ...session } = settings.session
  return {
    listen: `@{address}:${ports.peering}`,
    audience: trustDomains[domain]?.peeringAudience,
    trustDomains: Object.fromEntries(
      foreignDomains(unit).map((name) => {
        return [name, { ca: unit.anchor(name), audience: trustDomains[name]?.peeringAudience }]
      }),
    ),
    auth: { issuer: unit.url(auth, 'public'), ca: unit.anchor(topology.nodes[auth]?.domain ?? domain) },
    validation: { mode: validation, introspectionCacheMs },
    clockSkewSeconds: settings.clockSkewSeconds,
    nodeTokenFile: nodeToken === undefined ? undefined : unit.credential(nodeToken).path,
    peers: peersOf(unit, nodeToken),
    routes,
    limits: { refusalsPerCertificate: 100_000, refusalsPerAddress: 100_000, ...limits },
    session: { ...session, ...(holdTime !== undefined && { holdTimeMs: durationSeconds(holdTime) * 1000 }) },
  }
}

function renewUrlOf(unit: Unit): string | undefined {
  const issuer = unit.topology.credentials[certificateOf(unit)]?.issuer.split('/')[0]
  return unit.settings.renewal === 'off' || issuer === undefined ? undefined : `${unit.url(issuer, 'ca')}/1.0/renew`
}

function peersOf(unit: Unit, nodeToken: string | undefined) {
  return Object.entries(unit.settings.peers).map(([name, { token, domains, trustDomain, enabled }]) => {
    if (name === unit.node) unit.mistake('settings.peers', `names "${name}" itself; a node is no peer of itself`)
    if (token === undefined) checkNodeToken(unit, name, trustDomain ?? unit.domain, nodeToken)
    return {
      name,
      endpoint: unit.url(name, 'peering', 'wss'),
      domains,
      peerTokenFile: token === undefined ? undefined : unit.credential(token).path,
      trustDomain,
      enabled,
    }
  })
}

/** A node token is never sent to another organisation. */
function checkNodeToken(unit: Unit, name: string, domain: string, nodeToken: string | undefined): void {
  const setting = `settings.peers.${name}.token`
  if (domain !== unit.domain) {
    unit.mistake(setting, `is missing, and "${name}" is of the trust domain "${domain}"; name a token that is for it`)
  } else if (unit.topology.trustDomains[domain]?.peeringAudience === undefined) {
    unit.mistake(setting, `is missing; name a token, or give the trust domain "${domain}" a peeringAudience`)
  } else if (nodeToken === undefined) {
    unit.mistake(setting, `is missing, and there is no credential "${unit.node}"; declare one of them`)
  }
}

function nodeTokenOf(unit: Unit): string | undefined {
  if (unit.settings.token !== undefined) return unit.settings.token
  return unit.topology.credentials[unit.node]?.kind === 'bound-token' ? unit.node : undefined
}
