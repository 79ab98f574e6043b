import { defineTopology } from 'holdfast'
import { mint } from './mint.ts'

const host = (name: string) => `${name}.somebiz.local.io`

const certificate = (org: string, holder: string, subject = host(holder)) =>
  ({ kind: 'certificate', issuer: `ca-${org}`, holder, subject, lifetime: '1h', handover: 'enrol' }) as const

const token = (issuer: string, holder: string, audience: string, scope: readonly string[]) =>
  ({ kind: 'bound-token', issuer, subject: holder, holder, audience: [audience], scope, handover: 'mint' }) as const

const operator = (org: string) => host(`operator.org-${org}`)

const orchestrator = (org: string, other: string, auth: string) => ({
  host: host(`node-${org}`),
  domain: `org-${org}`,
  units: {
    orchestrator: {
      kind: 'orchestrator',
      settings: {
        auth,
        validation: 'jwks',
        operators: [operator(org)],
        peers: {
          [`node-${other}`]: {
            token: `peer-${org}-to-${other}`,
            domains: [`${other}.test`],
            trustDomain: `org-${other}`,
          },
        },
      },
    },
  },
})

const peerScope = ['peer:connect', 'peer:announce']

export default defineTopology({
  name: 'another-mint',
  summary: 'Two organisations that peer, one of which has its tokens from a mint that is not ours.',
  kinds: [mint],
  value: () => ({
    trustDomains: { 'org-a': { ca: 'ca-a', issuer: 'auth-a' }, 'org-b': { ca: 'ca-b', issuer: 'mint-b' } },
    nodes: {
      'ca-a': { host: host('ca-a'), domain: 'org-a', units: { ca: { kind: 'step-ca' } } },
      'auth-a': {
        host: host('auth-a'),
        domain: 'org-a',
        units: { auth: { kind: 'auth-server', settings: { operators: [operator('a')] } } },
      },
      'node-a': orchestrator('a', 'b', 'auth-a'),
      'ca-b': { host: host('ca-b'), domain: 'org-b', units: { ca: { kind: 'step-ca' } } },
      'mint-b': {
        host: host('mint-b'),
        domain: 'org-b',
        units: { mint: { kind: 'mint', settings: { operator: 'operator-b' } } },
      },
      'node-b': orchestrator('b', 'a', 'mint-b'),
    },
    credentials: {
      'cert-auth-a': certificate('a', 'auth-a'),
      'operator-a': certificate('a', 'auth-a', operator('a')),
      'cert-node-a': certificate('a', 'node-a'),
      'cert-mint-b': certificate('b', 'mint-b'),
      'operator-b': certificate('b', 'mint-b', operator('b')),
      'cert-node-b': certificate('b', 'node-b'),
      'node-b': token('mint-b', 'node-b', 'node-b', ['node:read', 'node:routes']),
      'peer-a-to-b': { ...token('mint-b', 'node-a', 'node-b', peerScope), domains: ['a.test'] },
      'peer-b-to-a': { ...token('auth-a', 'node-b', 'node-a', peerScope), domains: ['b.test'] },
    },
    accepts: [
      { target: 'node-b', action: 'peering:connect', credential: 'peer-a-to-b' },
      { target: 'node-a', action: 'peering:connect', credential: 'peer-b-to-a' },
      { target: 'node-b', action: 'node:read', credential: 'node-b' },
      { target: 'node-b', action: 'node:routes', credential: 'node-b' },
    ],
  }),
})
