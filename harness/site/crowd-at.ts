import { type Crowd, openCrowd, type Upgrading } from '../protocols/tls/crowd.ts'
import type { Credential } from './credential.ts'
import type { ScenarioSite } from './scenario-site.ts'
import { endpointOf } from './site-files.ts'
import { targetOf } from './targets.ts'

export interface CrowdSize {
  readonly count: number
  readonly addresses: number
  readonly upgrading?: readonly Credential[]
}

/**
 * Many connections to the listener of an action that say little or nothing, from so many addresses of this run that are nobody's
 * (0: from the address of `from`); beside them one of each in `upgrading`, who asks for the session of the action and then says
 * nothing.
 */
export async function crowdAt(
  site: ScenarioSite,
  { from, to, action }: Readonly<Record<'from' | 'to' | 'action', string>>,
  credential: Credential,
  { count, addresses, upgrading = [] }: CrowdSize,
): Promise<Crowd> {
  const { host, listener, domain, action: asked } = targetOf(site.site, to, action, undefined)
  const { request } = asked
  const session = (request.websocket ?? { path: '/', protocol: '' }) as Pick<Upgrading, 'path' | 'protocol'>
  const asking = upgrading.map(async (one) => {
    return { ...session, identity: await one.identity(), token: await one.token() }
  })
  const anchorPem = await site.anchor(domain)
  const endpoint = endpointOf(site.site, `https://${host}:${listener.port}`, { from, anchorPem })
  const seats = addresses === 0 ? [endpoint.seat] : site.site.strangers(addresses)
  const identity = await credential.identity()
  return openCrowd({ ...endpoint, seats, identity, count, upgrading: await Promise.all(asking) })
}
