import { expect, test } from 'vitest'
import { boundToken } from '../../credentials/bound-token/declared.ts'
import { certificate } from '../../credentials/certificate/declared.ts'
import { natsCreds } from '../../credentials/nats-creds/declared.ts'
import { compile } from '../../shipped.ts'
import { mistakesIn } from '../../topology/fixtures/mistakes-in.ts'
import type { TopologyDeclaration } from '../../topology/schema.ts'
import { authCallout } from '../auth-callout/index.ts'
import { authServer } from '../auth-server/index.ts'
import { credsIntake } from '../creds-intake/index.ts'
import { stepCa } from '../step-ca/index.ts'
import { brokerOf } from '../testing/broker.ts'
import { hostAgent } from './index.ts'

// A callout and the host that it lets in: what their programs are told follows from the topology.

const broker = brokerOf({
  'AUTH/auth_guard': { file: 'auth_guard.creds', permissions: { publish: [], subscribe: [] } },
})
const shipped = [broker, stepCa, authServer, credsIntake, authCallout, hostAgent]
const kinds = new Map(shipped.map((kind) => [kind.name, kind]))

interface Changes {
  readonly callout?: object
  readonly agent?: object
}

function planOf({ callout, agent }: Changes = {}) {
  const node = (name: string, units: object) => ({ host: `${name}.test`, domain: 'org', units })
  const enrolled = (holder: string, subject?: string) => ({
    kind: 'certificate',
    issuer: 'ca',
    lifetime: '10m',
    holder,
    handover: 'enrol',
    subject,
  })
  const token = { audience: ['nats-1'], scope: ['nats:connect'], handover: 'mint' }
  const declared = {
    name: 'hosts',
    summary: 'a host that is let in by a callout',
    trustDomains: { org: { ca: 'ca', issuer: 'auth' } },
    nodes: {
      ca: node('ca', { ca: { kind: 'step-ca' } }),
      auth: node('auth', { auth: { kind: 'auth-server' } }),
      'nats-1': node('nats-1', {
        broker: { kind: 'broker' },
        'auth-callout': { kind: 'auth-callout', settings: { auth: 'auth', hosts: ['host-1'], ...callout } },
      }),
      'host-1': node('host-1', {
        'sentinel-intake': { kind: 'creds-intake', settings: { from: 'sentinel', receiver: 'host' } },
        'host-agent': { kind: 'host-agent', settings: { server: 'nats-1', token: 'host-1-token', ...agent } },
      }),
    },
    credentials: {
      ...{ 'cert-auth': enrolled('auth'), 'cert-nats-1': enrolled('nats-1'), 'cert-host-1': enrolled('host-1') },
      operator: enrolled('auth', 'operator.auth.test'),
      'host-1-token': { kind: 'bound-token', issuer: 'auth', subject: 'host-1', holder: 'host-1', ...token },
      sentinel: {
        ...{ kind: 'nats-creds', issuer: 'nats-1', operator: 'HOLO', users: ['AUTH/auth_guard'] },
        ...{ holder: 'host-1', handover: 'copy' },
      },
    },
    accepts: ['host-1-token', 'sentinel'].map((credential) => ({
      target: 'nats-1',
      action: 'nats:connect',
      credential,
    })),
  }
  return compile(declared as unknown as TopologyDeclaration, {
    kinds,
    credentialKinds: [certificate, boundToken, natsCreds],
  })
}

function unitOf(name: 'auth-callout' | 'host-agent', changes?: Changes) {
  const units = Object.values(planOf(changes).nodes).flatMap((node) => node.units)
  const unit = units.find((one) => one.name === name)!
  return { ...unit, json: unit.files[0]!.json as Record<string, unknown> }
}

function mistakesOf(changes: Changes): string {
  return mistakesIn(() => planOf(changes))
    .map(({ message }) => message)
    .join('\n')
}

test('a callout has the keys of the setup beside it, and lets in the hosts that are declared', () => {
  const { json, insider, service } = unitOf('auth-callout')

  expect(json).toMatchObject({
    ...{ node: 'nats-1', host: 'nats-1.test', server: 'tls://nats-1.test:4222', localAddress: '@{address}' },
    setupFile: '@{dir}/units/nats-auth-setup/state/setup.json',
    keysDir: '@{dir}/units/nats-auth-setup/state/local-keys',
    auth: { issuer: 'https://auth.test:8443' },
    hosts: { 'host-1': { host: 'host-1.test' } },
  })
  expect(insider?.asks).toEqual({ issuer: 'auth', audiences: ['https://nats-1.test'] })
  expect(service?.listeners.map(({ name }) => name)).toEqual(['local'])
})

test('times are said as durations', () => {
  const { json } = unitOf('auth-callout', { callout: { recheck: '2s', loginLifetime: '1m' } })
  expect(json).toMatchObject({ recheckMs: 2_000, userSeconds: 60 })
  const { json: agent } = unitOf('host-agent', { agent: { retry: { initial: '1s', maximum: '5s' } } })
  expect(agent.retry).toEqual({ initialMs: 1_000, maximumMs: 5_000 })
})

test('an agent logs in with what its intake installed and with its token, once both are there', () => {
  const { json, after } = unitOf('host-agent')

  expect(json).toMatchObject({
    ...{ node: 'host-1', server: 'tls://nats-1.test:4222', localAddress: '@{address}' },
    credsDir: '@{dir}/units/sentinel-intake/nats-creds',
    tokenFile: expect.stringContaining('host-1-token'),
  })
  expect(after).toEqual(expect.arrayContaining(['host-1/sentinel-intake', 'host-1/cert-host-1']))
})

test('the auth server tells the callout about tokens that are for the broker', () => {
  const text = JSON.stringify(planOf().nodes.auth)
  expect(text).toContain('"introspects":["https://nats-1.test"]')
})

test.each<[string, Changes, string]>([
  ['lets in a node that is not there', { callout: { hosts: ['host-9'] } }, '"host-9" is no node'],
  ['has no intake', { agent: { credentials: 'host-agent' } }, 'is no creds-intake of "host-1"'],
  ['has another credential as its token', { agent: { token: 'sentinel' } }, '"sentinel" is no bound token'],
])('whoever %s is a mistake', (_, changes, message) => {
  expect(mistakesOf(changes)).toContain(message)
})
