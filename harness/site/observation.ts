import type { Site } from '../backends/backend.ts'
import type { LiveKinds } from '../credentials/live-kind.ts'
import { jsonOf } from '../protocols/http/answer.ts'
import { exchange } from '../protocols/http/exchange.ts'
import { linesOf } from '../protocols/http/prepared.ts'
import type { Looking } from '../protocols/protocol.ts'
import type { Protocols } from '../protocols/spoken.ts'
import type { Observation } from '../topology/kind.ts'
import { type CallParts, spokenIn } from './call.ts'
import { type Observer, type Picture, withoutVolatile } from './effects.ts'
import { FreshCredentials } from './fresh-credentials.ts'
import { type OperatorClient, operatorClient, operatorWatcher } from './operator-client.ts'
import { endpointAt } from './site-files.ts'
import { acceptedAt, type Target } from './targets.ts'

/** What somebody sees of a unit, without what changes by itself. */
export async function pictureSeen(
  { request, ignore }: Pick<Observation, 'request' | 'ignore'>,
  looking: Looking,
  protocols: Protocols,
): Promise<Picture> {
  const { protocol, said } = spokenIn(request, protocols)
  return withoutVolatile(await protocol.observation?.picture(said, looking), ignore) as Picture
}

type Reader = Pick<OperatorClient, 'get'>

/**
 * What looks at the target of an action before and after a call, as its kind says that it is to be done; why nobody can, where it
 * has no observation. Clients are kept for the test: the credential of each is minted once.
 */
export function observations(site: Site, { protocols, live }: CallParts) {
  const clients = new Map<string, Reader>()
  const clientAt = (target: Target, action: string): Reader => {
    const [accepted] = acceptedAt(site.plan, target.node, action)
    if (accepted === undefined) return operatorClient(site, target.node)
    const key = `${target.node} ${action}`
    const client = clients.get(key) ?? acceptedClient(site, live, target, accepted)
    clients.set(key, client)
    return client
  }
  return (target: Target, action: string): Observer | string => {
    const { node, host, kind, observation } = target
    if (observation === undefined) return `kind ${kind} has no observation`
    const looking = observation.as === 'accepted' ? clientAt(target, action) : operatorWatcher(site, node)
    return () => pictureSeen(observation, { ...looking, host }, protocols)
  }
}

/** Looks with a credential that is accepted there. */
function acceptedClient(
  site: Site,
  live: LiveKinds,
  target: Target,
  { credential, caller }: ReturnType<typeof acceptedAt>[number],
): Reader {
  let fresh = new FreshCredentials(site, live)
  const get = async (path: string) => {
    const presented = await fresh.named(credential).presented()
    const endpoint = { ...(await endpointAt(site, caller, target)), identity: presented.certificate }
    const { status, body } = await exchange(endpoint, { method: 'GET', path, headers: linesOf(presented) })
    return { status, body, json: jsonOf(body) }
  }
  return {
    async get(path) {
      const answer = await get(path)
      if (answer.status !== 401) return answer
      // Its issuer may have ended all that it made so far.
      fresh = new FreshCredentials(site, live)
      return get(path)
    },
  }
}
