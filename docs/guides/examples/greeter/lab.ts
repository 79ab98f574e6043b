// #region topology
import { defineTopology } from 'holdfast'
import { greeter } from './index.ts'

const certificate = (holder: string) =>
  ({ kind: 'certificate', issuer: 'ca', holder, lifetime: '10m', handover: 'enrol' }) as const

const greeterFor = (name: string, friend: string) => ({
  host: `${name}.lab.test`,
  domain: 'lab',
  units: { greeter: { kind: 'greeter', settings: { certificate: `cert-${name}`, friends: [friend] } } },
})

export default defineTopology({
  name: 'greeter-lab',
  summary: 'Two greeters under one CA, each with a friend that is a stranger to the other.',
  kinds: [greeter],
  value: () => ({
    trustDomains: { lab: { ca: 'ca' } },
    nodes: {
      ca: { host: 'ca.lab.test', domain: 'lab', units: { ca: { kind: 'step-ca' } } },
      door: greeterFor('door', 'alice'),
      gate: greeterFor('gate', 'bob'),
      alice: { host: 'alice.lab.test', domain: 'lab', units: {} },
      bob: { host: 'bob.lab.test', domain: 'lab', units: {} },
    },
    credentials: {
      'cert-door': certificate('door'),
      'cert-gate': certificate('gate'),
      'cert-alice': certificate('alice'),
      'cert-bob': certificate('bob'),
    },
    accepts: [
      { target: 'door', action: 'greeter:greet', credential: 'cert-alice' },
      { target: 'gate', action: 'greeter:greet', credential: 'cert-bob' },
    ],
  }),
})
// #endregion
