import { durationSeconds } from '../../topology/duration.ts'
import type { Action } from '../../topology/kind.ts'
import type { Listener } from '../../topology/plan.ts'
import type { Unit } from './index.ts'
import { foreignDomains, type PeeringUnit } from './verification.ts'

// What the section `peering` adds to an orchestrator.

export const peeringActions = {
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
} satisfies Readonly<Record<string, Action>>

/** Where it exchanges no routes, only its state can be read: by certificate, for no token is good for it. */
export const ownState: Readonly<Record<string, Action>> = {
  'node:read': { ...peeringActions['node:read'], carrier: 'none', demands: undefined },
}

export function peeringSummary({ settings: { auth, peers } }: PeeringUnit): string {
  return `validates at ${auth}, peers with ${Object.keys(peers).join(', ') || 'nobody'}`
}

export function peeringListener({ settings: { ports } }: PeeringUnit): Listener {
  return { name: 'peering', port: ports.peering, protocol: 'wss', clientCertificate: 'required' }
}

/** Whoever judges by keys alone asks nobody about a token. */
export function peeringSurfaces({ settings: { validation } }: PeeringUnit): string[] {
  const asking = validation === 'jwks' ? [] : ['introspection-client']
  return ['strict-verifier', 'jwks-client', ...asking, 'dialer', 'peers-api']
}

function ofNode(summary: string, scope: string, http: object): Action {
  const demands = { scope: [scope], audience: 'own' } as const
  return { summary, listener: 'local', carrier: 'bearer', demands, request: { http } }
}

export function peeringOf(unit: PeeringUnit) {
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
