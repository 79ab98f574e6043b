import { defineTopology } from '../../../topology/define.ts'
import { madeRevoke, madeSetup } from './made-setup.ts'

const node = (name: string, units = {}) => ({ host: `${name}.lab.test`, domain: 'lab', units })
const certificate = (holder: string) =>
  ({ kind: 'certificate', issuer: 'ca', holder, lifetime: '10m', handover: 'enrol' }) as const
const users = { kind: 'nats-creds', issuer: 'nats-1', operator: 'HOLO', holder: 'b', handover: 'copy' } as const
const accept = (action: string, credential: string) => ({ target: 'nats-1', action, credential })

/** A broker alone, and one who logs in as any of three users. */
export default defineTopology({
  name: 'broker-lab',
  summary: 'A broker of operator mode, and one who logs in as any of three users.',
  kinds: [madeSetup, madeRevoke],
  value: () => ({
    trustDomains: { lab: { ca: 'ca' } },
    nodes: {
      ca: node('ca', { ca: { kind: 'step-ca' } }),
      'nats-1': node('nats-1', {
        'nats-auth-setup': { kind: 'made-setup' },
        'nats-server': {
          kind: 'nats-server',
          settings: { tries: { publish: ['work.a.cmd'], subscribe: ['work.a.status'] } },
          after: ['nats-auth-setup'],
        },
        revoke: { kind: 'made-revoke', settings: { setup: 'nats-auth-setup' }, start: 'on demand' },
      }),
      b: node('b'),
    },
    credentials: {
      'cert-nats-1': certificate('nats-1'),
      'cert-b': certificate('b'),
      creds: { ...users, users: ['WORK/worker', 'WORK/reporter', 'ADMIN/boss'] },
      reporter: { ...users, users: ['WORK/reporter'], of: 'creds' },
      boss: { ...users, users: ['ADMIN/boss'], of: 'creds' },
    },
    accepts: [
      accept('nats:connect', 'creds'),
      accept('nats:connect', 'reporter'),
      accept('nats:connect', 'boss'),
      accept('nats:publish/work.a.cmd', 'creds'),
      accept('nats:subscribe/work.a.status', 'creds'),
    ],
  }),
})
