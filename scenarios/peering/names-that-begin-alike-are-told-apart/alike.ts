import { defineTopology } from 'holdfast'

const host = (name: string) => `${name}.somebiz.local.io`
const organisations = { a: 'org', b: 'org-b' } as const
type Org = keyof typeof organisations
interface Unit {
  kind: string
  settings?: Record<string, unknown>
}
type Nodes = Record<string, { host: string; domain: string; units: Record<string, Unit> }>

const certificate = (org: Org, holder: string, subject = host(holder)) =>
  ({ kind: 'certificate', issuer: `ca-${org}`, holder, subject, lifetime: '1h', handover: 'enrol' }) as const

const token = (issuer: Org, holder: string, audience: string, scope: readonly string[]) =>
  ({
    kind: 'bound-token',
    issuer: `auth-${issuer}`,
    subject: holder,
    holder,
    audience: [audience],
    scope,
    handover: 'mint',
  }) as const

const operator = (org: Org) => host(`operator.org-${org}`)
const peerScope = ['peer:connect', 'peer:announce']

function nodes(org: Org, other: Org): Nodes {
  const domain = organisations[org]
  const peer = { token: `peer-${org}-to-${other}`, domains: [`${other}.test`], trustDomain: organisations[other] }
  const settings = {
    auth: `auth-${org}`,
    validation: 'jwks',
    operators: [operator(org)],
    peers: { [`node-${other}`]: peer },
  }
  return {
    [`ca-${org}`]: { host: host(`ca-${org}`), domain, units: { ca: { kind: 'step-ca' } } },
    [`auth-${org}`]: {
      host: host(`auth-${org}`),
      domain,
      units: { auth: { kind: 'auth-server', settings: { operators: [operator(org)] } } },
    },
    [`node-${org}`]: { host: host(`node-${org}`), domain, units: { orchestrator: { kind: 'orchestrator', settings } } },
  }
}

function credentials(org: Org, other: Org) {
  return {
    [`cert-auth-${org}`]: certificate(org, `auth-${org}`),
    [`operator-${org}`]: certificate(org, `auth-${org}`, operator(org)),
    [`cert-node-${org}`]: certificate(org, `node-${org}`),
    [`node-${org}`]: token(org, `node-${org}`, `node-${org}`, ['node:read', 'node:routes']),
    [`peer-${org}-to-${other}`]: {
      ...token(other, `node-${org}`, `node-${other}`, peerScope),
      domains: [`${org}.test`],
    },
  }
}

export default defineTopology({
  name: 'alike',
  summary: 'Two organisations that peer; the name of one begins with that of the other.',
  value: () => ({
    trustDomains: {
      [organisations.a]: { ca: 'ca-a', issuer: 'auth-a' },
      [organisations.b]: { ca: 'ca-b', issuer: 'auth-b' },
    },
    nodes: { ...nodes('a', 'b'), ...nodes('b', 'a') },
    credentials: { ...credentials('a', 'b'), ...credentials('b', 'a') },
    accepts: [
      { target: 'node-b', action: 'peering:connect', credential: 'peer-a-to-b' },
      { target: 'node-a', action: 'peering:connect', credential: 'peer-b-to-a' },
      { target: 'node-a', action: 'node:read', credential: 'node-a' },
      { target: 'node-a', action: 'node:routes', credential: 'node-a' },
      { target: 'node-b', action: 'node:read', credential: 'node-b' },
      { target: 'node-b', action: 'node:routes', credential: 'node-b' },
    ],
  }),
})
