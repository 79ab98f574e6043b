import type { Request } from '../../protocols/http/exchange.ts'
import { type KeptConnections, keptConnections } from '../../protocols/http/kept-connections.ts'
import type { Credential } from '../../site/credential.ts'
import { endpointAt } from '../../site/site-files.ts'
import type { Spoken } from '../../topology/kind.ts'
import type { Lab } from '../lab.ts'

/** The path of the target's request. */
export function pathOf({ planned }: Lab): string {
  return saidIn(planned.action.request).path
}

/** What is said in a protocol that asks in HTTP, whichever that is. */
function saidIn(request: Spoken): { readonly method?: string; readonly path: string; readonly json?: unknown } {
  return Object.values(request)[0] as { path: string }
}

/** The target's request as it is sent, with this token. */
export function requestWith(lab: Lab, token: string): Request {
  const { method = 'GET', path, json } = saidIn(lab.planned.action.request)
  const headers = [['Authorization', `Bearer ${token}`] as const]
  if (json === undefined) return { method, path, headers }
  return { method, path, headers: [...headers, ['Content-Type', 'application/json']], body: JSON.stringify(json) }
}

/** Connections to the target that are kept and used again, over the certificate of a credential. */
export async function keptTo(lab: Lab, credential: Credential, most: number): Promise<KeptConnections> {
  const endpoint = await endpointAt(lab.site.site, lab.target.from, lab.planned)
  const { certificate: identity } = await credential.presented()
  return keptConnections({ ...endpoint, identity }, most)
}
