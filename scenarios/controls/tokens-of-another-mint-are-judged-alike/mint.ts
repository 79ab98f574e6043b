import { fileURLToPath } from 'node:url'
import { defineKind, type KindPlan, type PlanBoundToken, type TokenIssuer, type UnitContext } from 'holdfast'
import { z } from 'zod'

const settings = z
  .strictObject({
    operator: z.string().describe('Certificate credential of an operator, held by this node.'),
    port: z.int().min(1).max(65_535).default(8443).describe('Port of its one listener.'),
  })
  .describe('An authorization server of oidc-provider, configured from its documentation alone.')

type Unit = UnitContext<z.infer<typeof settings>>

/** Another mint in the place of an auth server: nothing of it is ours but this declaration. */
export const mint = defineKind({
  name: 'mint',
  summary: 'authorization server of oidc-provider, configured from its documentation alone',
  settings,
  plan,
  offers: { 'bound-token': issuer },
  actions: {
    'token:request': {
      summary: 'asks for a token by client credentials',
      listener: 'public',
      carrier: 'none',
      request: { http: { method: 'POST', path: '/token', expect: [200] } },
    },
  },
})

const program = fileURLToPath(new URL('../../../fixtures/controls/mint/mint.mjs', import.meta.url))

function plan(unit: Unit): KindPlan {
  const { settings, host, domain } = unit
  const { path } = unit.credential(`cert-${unit.node}`)
  const key = '@{unit}/signing.json'
  const domains = new Set([
    domain,
    ...unit.issued('bound-token').map(({ holders }) => unit.topology.nodes[holders[0]!]!.domain),
  ])
  const json = {
    issuer: issuerUrl(unit),
    listen: `@{address}:${settings.port}`,
    tls: { cert: `${path}/cert.pem`, key: `${path}/key.pem`, ca: [...domains].map((name) => unit.anchor(name)) },
    signing: { importKey: key },
    operator: operatorSan(unit),
    clients: clientsOf(unit),
  }
  const args = ['crypto', 'jwk', 'create', '@{unit}/signing.pub.json', key, '--kty', 'EC', '--crv', 'P-256']
  return {
    summary: `mint of ${domain}, at ${issuerUrl(unit)}`,
    files: [{ path: '@{unit}/mint.json', json }],
    steps: [
      {
        run: {
          program: { tool: 'step' },
          args: [...args, '--alg', 'ES256', '--use', 'sig', '--no-password', '--insecure', '--force'],
          env: { STEPPATH: '@{unit}/step' },
        },
      },
    ],
    service: {
      command: { program: { script: program }, args: ['@{unit}/mint.json'], env: { NODE_ENV: 'production' } },
      ready: {
        http: { url: `https://${host}:${settings.port}/jwks`, tls: { ca: unit.anchor(domain) }, expect: [200] },
      },
      listeners: [{ name: 'public', port: settings.port, protocol: 'https', clientCertificate: 'requested' }],
    },
    proof: { proof: 'status alone' },
    insider: { mints: { signingKey: key } },
  }
}

function issuer(unit: Unit): TokenIssuer {
  const url = issuerUrl(unit)
  const folder = unit.credentialPath(unit.settings.operator)
  const tls = { ca: unit.anchor(unit.domain), cert: `${folder}/cert.pem`, key: `${folder}/key.pem` }
  return {
    url,
    by: 'operator',
    prove: ({ subject }) => ({
      method: 'PUT',
      url: `${url}/holders/self`,
      json: { client_id: subject },
      expect: [200],
    }),
    mint: ({ subject, resource }) => {
      return { method: 'POST', url: `${url}/tokens`, tls, json: { clientId: subject, resource }, expect: [201] }
    },
    member: 'access_token',
    after: `${unit.node}/${unit.unit}`,
    lifetime: { node: 3_600, peer: 900, maximum: 86_400 },
  }
}

function issuerUrl({ host, settings }: Unit): string {
  return `https://${host}:${settings.port}`
}

function operatorSan({ topology, settings, host }: Unit): string {
  const operator = topology.credentials[settings.operator]
  return operator?.kind === 'certificate' ? (operator.subject ?? host) : host
}

/** A client for each subject, with what it may have a token for. */
function clientsOf(unit: Unit) {
  const bySubject = Map.groupBy(unit.issued('bound-token'), ({ subject }) => subject)
  return [...bySubject].map(([id, tokens]) => ({
    id,
    san: unit.topology.nodes[id]!.host,
    scope: [...new Set(tokens.flatMap(({ scope }) => scope))],
    grants: tokens.map(grantOf),
  }))
}

function grantOf({ resource, audience, scope, use, domains = [], lifetimeSeconds }: PlanBoundToken) {
  return { resource, audience, scope, use, domains, seconds: lifetimeSeconds }
}
