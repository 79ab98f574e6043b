import type { Attack } from './attack.ts'
import { certificates } from './tls-certificates.ts'
import { connections } from './tls-connections.ts'
import { names } from './tls-names.ts'
import { proxies } from './tls-proxies.ts'
import { requests } from './tls-requests.ts'
import { servers } from './tls-servers.ts'
import { starts } from './tls-start.ts'

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
