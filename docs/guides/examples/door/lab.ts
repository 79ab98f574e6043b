import { defineTopology } from 'holdfast'
import { door } from './index.ts'

const certificate = (issuer: string, holder: string) =>
  ({ kind: 'certificate', issuer, holder, lifetime: '10m', handover: 'enrol' }) as const

const node = (name: string, domain: string, units = {}) => ({ host: `${name}.${domain}.test`, domain, units })

export default defineTopology({
  name: 'door-lab',
  summary: 'A door, one of its own organisation, and one of another.',
  kinds: [door],
  value: () => ({
    trustDomains: { lab: { ca: 'ca' }, elsewhere: { ca: 'ca-elsewhere' } },
    nodes: {
      ca: node('ca', 'lab', { ca: { kind: 'step-ca' } }),
      'ca-elsewhere': node('ca', 'elsewhere', { ca: { kind: 'step-ca' } }),
      door: node('door', 'lab', { door: { kind: 'door' } }),
      gate: node('gate', 'elsewhere', { door: { kind: 'door' } }),
      alice: node('alice', 'lab'),
      mallory: node('mallory', 'elsewhere'),
    },
    credentials: {
      'cert-door': certificate('ca', 'door'),
      'cert-gate': certificate('ca-elsewhere', 'gate'),
      'cert-alice': certificate('ca', 'alice'),
      'cert-mallory': certificate('ca-elsewhere', 'mallory'),
    },
    accepts: [
      { target: 'door', action: 'door:enter', credential: ['cert-alice', 'cert-door'] },
      { target: 'gate', action: 'door:enter', credential: ['cert-mallory', 'cert-gate'] },
    ],
  }),
})
