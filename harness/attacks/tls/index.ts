import type { Attack } from '../attack.ts'
import { certificates } from './certificates.ts'
import { connections } from './connections.ts'
import { names } from './names.ts'
import { proxies } from './proxies.ts'
import { requests } from './requests.ts'
import { servers } from './servers.ts'
import { starts } from './start.ts'

/** TLS, certificates, and what stands in front of a service, in the order of their ids. */
export const tls: readonly Attack[] = [
  ...certificates,
  ...servers,
  ...connections,
  ...starts,
  ...proxies,
  ...requests,
  ...names,
].toSorted((a, b) => a.id.localeCompare(b.id))
