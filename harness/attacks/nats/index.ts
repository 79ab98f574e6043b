import { type Family, inOrder } from '../attack.ts'
import { imports } from './imports.ts'
import { lifecycle } from './lifecycle.ts'
import { logins } from './logins.ts'
import { monitoring } from './monitoring.ts'
import { rights } from './rights.ts'

/** Logins to a broker of operator mode, and what its users may do. */
export const family: Family = {
  name: 'nats',
  summary: 'NATS brokers of operator mode',
  surfaces: {
    'takes:nats-creds': 'an action for which credentials of a NATS user are accepted',
    'speaks:nats': 'an action that is a login to a NATS broker, and what is done then',
    'strict-signing': 'a broker whose operator has users signed by signing keys of their accounts alone',
    'broker-monitoring': 'a broker that tells about itself at a port of its own',
  },
  attacks: inOrder(logins, rights, imports, monitoring, lifecycle),
}
