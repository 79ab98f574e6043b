import type { Site } from '../backends/backend.ts'
import type { Endpoint } from '../protocols/endpoint.ts'
import { jsonOf } from '../protocols/http/answer.ts'
import { carried } from '../protocols/http/carry.ts'
import { exchange } from '../protocols/http/exchange.ts'
import type { Looking } from '../protocols/protocol.ts'
import type { Protocols } from '../protocols/spoken.ts'
import type { Observation } from '../topology/kind.ts'
import { type CallParts, spokenIn } from './call.ts'
import { type Observer, type Picture, withoutVolatile } from './effects.ts'
import { FreshCredentials } from './fresh-credentials.ts'
import { type OperatorClient, operatorClient, operatorWatcher } from './operator-client.ts'
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
type EndpointOf = (from: string, target: Target) => Promise<Endpoint>

/** Looks at targets before and after a call, as their kinds say that it is to be done. */
export class Observations {
  readonly #site: Site
  readonly #parts: CallParts
  readonly #endpointOf: EndpointOf
  readonly #clients = new Map<string, Reader>()

  constructor(site: Site, parts: CallParts, endpointOf: EndpointOf) {
    this.#site = site
    this.#parts = parts
    this.#endpointOf = endpointOf
  }

  /** What looks at the target of an action; undefined where its kind has no observation. */
  observer(target: Target, action: string): Observer | undefined {
    const { node, observation } = target
    if (observation === undefined) return undefined
    const isAccepted = observation.as === 'accepted'
    const looking = isAccepted ? this.#accepted(target, action) : operatorWatcher(this.#site, node)
    return () => pictureSeen(observation, { ...looking, host: target.host }, this.#parts.protocols)
  }

  /** One client for each target of the test: its credential is minted once. */
  #accepted(target: Target, action: string): Reader {
    const [accepted] = acceptedAt(this.#site.plan, target.node, action)
    const key = `${target.node} ${action}`
    const known = this.#clients.get(key)
    if (known !== undefined || accepted === undefined) return known ?? operatorClient(this.#site, target.node)
    const client = this.#as(accepted, target)
    this.#clients.set(key, client)
    return client
  }

  #as({ credential, caller }: ReturnType<typeof acceptedAt>[number], target: Target): Reader {
    const begin = () => new FreshCredentials(this.#site, this.#parts.live)
    let fresh = begin()
    const get = async (path: string) => {
      const presented = await fresh.named(credential).presented()
      const endpoint = { ...(await this.#endpointOf(caller, target)), identity: presented.certificate }
      const { status, body } = await exchange(endpoint, { method: 'GET', path, headers: carried(presented).headers })
      return { status, body, json: jsonOf(body) }
    }
    return {
      async get(path) {
        const answer = await get(path)
        if (answer.status !== 401) return answer
        // Its issuer may have ended all that it made so far.
        fresh = begin()
        return get(path)
      },
    }
  }
}

export function unobservable({ kind }: Target): string {
  return `kind ${kind} has no observation`
}
