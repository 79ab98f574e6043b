import { expect, test } from 'vitest'
import { z } from 'zod'
import { certificate } from '../../credentials/certificate/declared.ts'
import { stepCa } from '../../kinds/step-ca/index.ts'
import { compile } from '../../shipped.ts'
import { defineKind } from '../../topology/kind.ts'
import { TopologyInvalid } from '../../topology/mistakes.ts'
import type { TopologyDeclaration } from '../../topology/schema.ts'
import { natsCreds } from './declared.ts'
import type { PlanNatsCreds } from './planned.ts'

const permissions = { publish: ['work.>'], subscribe: [] }
const insider = {
  ...{ keys: '@{dir}/keys', record: '@{dir}/setup.json', revoke: 'revoke' },
  ...{ signer: { account: 'WORK', key: ['keys', 'work'] }, pusher: '@{dir}/push/pusher.creds' },
}

/** Makes users, and is logged in to by them. */
const maker = defineKind({
  name: 'maker',
  summary: 'makes users',
  settings: z.strictObject({}),
  plan: ({ unit }) => ({
    summary: 'makes users',
    files: [],
    service: {
      ready: { tcp: { port: 4222 } },
      listeners: [{ name: unit, port: 4222, protocol: 'tcp', clientCertificate: 'required' }],
    },
    actions: { 'nats:connect': { summary: 'logs in', listener: unit, carrier: 'bearer', request: { nats: {} } } },
  }),
  offers: {
    'nats-creds': ({ unit }) => ({
      ...{ operator: 'HOLO', folder: (name) => `@{dir}/units/${unit}/out/${name}`, insider },
      users: {
        'WORK/worker': { file: 'worker.creds', permissions, inbox: '_INBOX.worker' },
        'ADMIN/boss': { file: 'boss.creds', permissions },
      },
    }),
  },
})

function topology(credentials: TopologyDeclaration['credentials'] = {}): TopologyDeclaration {
  const node = (name: string, units: object) => ({ host: `${name}.test`, domain: 'org', units })
  const cert = (holder: string) => ({ kind: 'certificate', issuer: 'ca', lifetime: '10m', holder, handover: 'enrol' })
  const all = { 'cert-b': cert('b'), creds: declared(), ...credentials }
  return {
    name: 'made-up',
    summary: 'a broker and one who logs in',
    trustDomains: { org: { ca: 'ca' } },
    nodes: {
      ca: node('ca', { ca: { kind: 'step-ca' } }),
      'nats-1': node('nats-1', { maker: { kind: 'maker' } }),
      b: node('b', {}),
    },
    credentials: all,
    accepts: Object.entries(all).flatMap(([credential, { kind }]) =>
      kind === 'nats-creds' ? [{ target: 'nats-1', action: 'nats:connect', credential }] : [],
    ),
  } as unknown as TopologyDeclaration
}

function declared(more: object = {}) {
  const users = ['WORK/worker', 'ADMIN/boss']
  const holder = 'holders' in more ? {} : { holder: 'b' }
  return {
    ...{ kind: 'nats-creds', issuer: 'nats-1', operator: 'HOLO', users, handover: 'copy', ...holder, ...more },
  } as unknown as NonNullable<TopologyDeclaration['credentials']>[string]
}

const kinds = new Map([maker, stepCa].map((kind) => [kind.name, kind]))
const compiled = (credentials?: TopologyDeclaration['credentials']) =>
  compile(topology(credentials), { kinds, credentialKinds: [certificate, natsCreds] })
const planned = (plan: ReturnType<typeof compiled>, name: string) => plan.credentials[name] as PlanNatsCreds

test('a set is handed over as it is, again whenever it changes, and its first user is presented', () => {
  const plan = compiled()
  expect(planned(plan, 'creds')).toEqual({
    ...{ name: 'creds', kind: 'nats-creds', issuer: 'nats-1', holders: ['b'], handover: 'copy', operator: 'HOLO' },
    ...{ account: 'WORK', user: 'worker', permissions, inbox: '_INBOX.worker', users: ['WORK/worker', 'ADMIN/boss'] },
    ...{ folder: '@{dir}/credentials/creds', source: '@{dir}/units/maker/out/creds', certificate: 'cert-b', insider },
    files: { b: '@{dir}/credentials/creds/worker.creds' },
  })
  const unit = plan.nodes.b!.units.find(({ name }) => name === 'creds')!
  expect(unit.after).toEqual(['nats-1/maker'])
  const to = { path: '@{dir}/credentials/creds', mode: '0600' }
  const source = { folder: '@{dir}/units/maker/out/creds' }
  expect(unit.steps).toMatchObject([{ receive: { from: 'nats-1', source, again: 'changed', to } }])
})

test('whom a group may read can be passed by it', () => {
  const handover = { method: 'copy', path: 'in', owner: 'root', group: 'creds', mode: '0640' }
  const unit = compiled({ creds: declared({ handover }) }).nodes.b!.units.find(({ name }) => name === 'creds')!
  const to = { path: '@{dir}/in', mode: '0640', owner: 'root', group: 'creds', folderMode: '2750' }
  expect(unit.steps).toMatchObject([{ receive: { to } }])
})

test('another user of the set is presented from where it lies, and waits for it', () => {
  const plan = compiled({ boss: declared({ users: ['ADMIN/boss'], of: 'creds' }) })
  expect(planned(plan, 'boss')).toMatchObject({
    ...{ account: 'ADMIN', user: 'boss', of: 'creds', folder: '@{dir}/credentials/creds' },
    ...{ source: '@{dir}/units/maker/out/creds', files: { b: '@{dir}/credentials/creds/boss.creds' } },
  })
  const unit = plan.nodes.b!.units.find(({ name }) => name === 'boss')!
  expect(unit).toMatchObject({ after: ['b/creds'], steps: [] })
})

test.each<[string, object, string]>([
  ['another operator', { operator: 'OTHER' }, '"nats-1" makes users of "HOLO"'],
  ['a user that is not handed over', { users: ['SYS/sys'] }, '"HOLO" hands no "SYS/sys" over'],
  ['an issuer that makes none', { issuer: 'b' }, '"b" has no unit that makes credentials of NATS users'],
  ['several holders', { holders: ['b', 'ca'] }, 'a nats-creds has one holder'],
  ['another hand-over', { handover: 'mint' }, '"mint" does not fit a nats-creds'],
  ['a holder without a certificate', { holder: 'ca' }, '"ca" holds no certificate "cert-ca"'],
  ['what is no certificate', { certificate: 'creds' }, '"creds" is no certificate'],
  ['a token that is none', { token: 'cert-b' }, '"cert-b" is no bound token of "b"'],
  ['a token that nobody declared', { token: 'token' }, '"token" is not declared'],
  ['a set that is none', { of: 'cert-b' }, '"cert-b" is no set of nats-creds from "nats-1" to "b"'],
  ['a user that is not in the set', { of: 'small', users: ['ADMIN/boss'] }, '"small" has no "ADMIN/boss" in its set'],
])('%s is a mistake', (_, more, message) => {
  const small = declared({ users: ['WORK/worker'] })
  expect(() => compiled({ creds: declared(more), small })).toThrow(TopologyInvalid)
  expect(() => compiled({ creds: declared(more), small })).toThrow(message)
})
