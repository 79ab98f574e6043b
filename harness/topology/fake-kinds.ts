import { z } from 'zod'
import type { Kinds } from './compilation.ts'
import type { ServiceKind } from './kind.ts'
import type { Service } from './plan.ts'

// Kinds for unit tests of compiling: the same shapes as the real ones, and programs that nobody starts.

function service(listeners: Service['listeners']): Service {
  return { command: { program: { path: '/bin/true' }, args: [] }, ready: { tcp: { port: 1 } }, listeners }
}

const ca: ServiceKind = {
  name: 'step-ca',
  summary: 'a CA',
  settings: z.strictObject({ port: z.int().default(443) }),
  plan: (unit) => ({
    summary: `CA of ${unit.domain}`,
    files: [],
    service: service([
      {
        name: 'ca',
        port: (unit.settings as { port: number }).port,
        protocol: 'https',
        clientCertificate: 'none',
      },
    ]),
  }),
  offers: {
    certificate: (unit) => ({
      root: '@{dir}/units/ca/root.pem',
      url: unit.url(unit.node, 'ca'),
      by: 'holder',
      provisioners: { holdfast: { keyFile: '@{dir}/units/ca/provisioner.jwk' } },
      minimumLifetime: 10,
      maximumLifetime: 86_400,
    }),
  },
}

const authServer: ServiceKind = {
  name: 'auth-server',
  summary: 'an auth server',
  settings: z.strictObject({ operators: z.array(z.string()).default([]) }),
  plan(unit) {
    const operator = unit.node.replace(/^auth/, 'operator')
    unit.credential(`cert-${unit.node}`)
    for (const token of unit.issued('bound-token')) unit.anchor(unit.topology.nodes[token.holders[0]!]!.domain)
    return {
      summary: `auth server of ${unit.domain}`,
      files: [],
      service: service([
        { name: 'public', port: 8443, protocol: 'https', clientCertificate: 'none' },
        { name: 'mtls', port: 8444, protocol: 'https', clientCertificate: 'requested' },
        { name: 'operator', port: 8445, protocol: 'https', clientCertificate: 'required' },
      ]),
      companions: [
        {
          name: 'clients',
          kind: 'register',
          summary: 'registers clients',
          after: [`${unit.node}/${unit.unit}`, `${unit.node}/${unit.credential(operator).declaration ? operator : ''}`],
          files: [],
          steps: [],
        },
      ],
    }
  },
  offers: {
    'bound-token': (unit) => ({
      url: unit.url(unit.node, 'public'),
      by: 'operator',
      prove: (token) => ({
        method: 'PUT',
        url: `${unit.url(unit.node, 'mtls')}/holders/self`,
        json: { client_id: token.subject },
        expect: [200],
      }),
      mint: (token) => ({
        method: 'POST',
        url: `${unit.url(unit.node, 'operator')}/operator/v1/tokens`,
        tls: { ca: unit.anchor(unit.domain) },
        json: { clientId: token.subject, resource: token.resource },
        expect: [201],
      }),
      member: 'access_token',
      after: `${unit.node}/clients`,
      lifetime: { node: 3_600, peer: 900, maximum: 86_400 },
    }),
  },
}

const peer = z.strictObject({
  token: z.string().optional(),
  domains: z.array(z.string()),
  trustDomain: z.string().optional(),
})

const orchestratorSettings = z.strictObject({
  auth: z.string(),
  operators: z.array(z.string()).default([]),
  validation: z.enum(['jwks', 'introspection', 'both']).default('both'),
  peers: z.record(z.string(), peer).default({}),
})

const orchestrator: ServiceKind = {
  name: 'orchestrator',
  summary: 'an orchestrator',
  settings: orchestratorSettings,
  plan(unit) {
    const settings = unit.settings as z.output<typeof orchestratorSettings>
    unit.credential(`cert-${unit.node}`)
    unit.credential(unit.node)
    unit.url(settings.auth, 'public')
    const endpoints = Object.entries(settings.peers).map(([name, { token, trustDomain }]) => {
      if (token !== undefined) unit.credential(token)
      unit.anchor(trustDomain ?? unit.domain)
      return unit.url(name, 'peering', 'wss')
    })
    return {
      summary: `orchestrator ${unit.node}`,
      files: [{ path: '@{unit}/config.json', json: { endpoints } }],
      service: service([
        { name: 'peering', port: 9443, protocol: 'wss', clientCertificate: 'required' },
        { name: 'local', port: 9444, protocol: 'https', clientCertificate: 'required' },
      ]),
    }
  },
  actions: {
    'peering:connect': {
      summary: 'opens a peering session',
      listener: 'peering',
      carrier: 'bearer',
      demands: { scope: ['peer:connect'], audience: 'peering' },
      request: { websocket: { path: '/v1/peering', protocol: 'holdfast-peering.v1' } },
    },
    'node:read': {
      summary: 'reads routes',
      listener: 'local',
      carrier: 'bearer',
      demands: { scope: ['node:read'], audience: 'own' },
      request: { http: { method: 'GET', path: '/v1/routes', expect: [200] } },
    },
    'node:routes': {
      summary: 'writes a route',
      listener: 'local',
      carrier: 'bearer',
      demands: { scope: ['node:routes'], audience: 'own' },
      request: { http: { method: 'PUT', path: '/v1/routes/a.test/x', expect: [200, 201] } },
    },
    'peers:write': {
      summary: 'writes a peer',
      listener: 'local',
      carrier: 'none',
      request: { http: { method: 'GET', path: '/v1/peers', expect: [200] } },
    },
  },
}

/** Service kinds that only compiling knows. */
export const fakeKinds: Kinds = new Map([ca, authServer, orchestrator].map((kind) => [kind.name, kind]))
