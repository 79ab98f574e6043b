import { type Family, inOrder } from '../attack.ts'
import { certificates } from './certificates.ts'
import { connections } from './connections.ts'
import { liberal } from './liberal.ts'
import { names } from './names.ts'
import { proxies } from './proxies.ts'
import { requests } from './requests.ts'
import { servers } from './servers.ts'
import { starts } from './start.ts'
import { ways } from './ways.ts'

/** TLS, certificates, and what stands in front of a service. */
// #region family
export const family: Family = {
  name: 'tls',
  summary: 'TLS, certificates and proxies',
  surfaces: {
    start: 'a unit whose configuration is a file of the plan, and that can be started with another one',
  },
  attacks: inOrder(certificates, servers, connections, starts, proxies, requests, names, liberal, ways),
}
// #endregion family
