import { defineTopology } from 'holdfast'
import { clubhouse } from './index.ts'

const node = (name: string, units = {}) => ({ host: `${name}.lab.test`, domain: 'lab', units })

const house = (name: string) =>
  node(name, { clubhouse: { kind: 'clubhouse', settings: { secret: `secret-of-${name}` } } })

const certificate = (holder: string) =>
  ({ kind: 'certificate', issuer: 'ca', holder, lifetime: '10m', handover: 'enrol' }) as const

export default defineTopology({
  name: 'clubhouse-lab',
  summary: 'Two clubs, each with a secret that its members share.',
  kinds: [clubhouse],
  value: () => ({
    trustDomains: { lab: { ca: 'ca' } },
    nodes: {
      ca: node('ca', { ca: { kind: 'step-ca' } }),
      north: house('north'),
      south: house('south'),
      alice: node('alice'),
      bob: node('bob'),
      carol: node('carol'),
    },
    credentials: {
      'cert-north': certificate('north'),
      'cert-south': certificate('south'),
      // #region declared
      'secret-of-north': {
        kind: 'bearer-secret',
        issuer: 'north',
        holders: ['alice', 'bob', 'north'],
        handover: { method: 'copy', path: 'club/secret', mode: '0400' },
      },
      'secret-of-south': {
        kind: 'bearer-secret',
        issuer: 'south',
        holders: ['carol', 'south'],
        format: 'base64url',
        handover: 'copy',
      },
      // #endregion
    },
    accepts: [
      // #region accepts
      { target: 'north', action: 'clubhouse:enter', credential: 'secret-of-north' }, // by alice, its first holder
      { target: 'north', action: 'clubhouse:enter', credential: 'secret-of-north', by: 'bob' },
      // #endregion
      { target: 'south', action: 'clubhouse:enter', credential: 'secret-of-south' },
    ],
  }),
})
