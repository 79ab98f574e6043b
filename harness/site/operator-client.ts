import type { Site } from '../backends/backend.ts'
import type { Endpoint } from '../protocols/endpoint.ts'
import { jsonOf } from '../protocols/http/answer.ts'
import { exchange, type Request } from '../protocols/http/exchange.ts'
import { type KeptConnections, keptConnections } from '../protocols/http/kept-connections.ts'
import { callerWithin, networkOf } from '../topology/networks.ts'
import { insiderAt, operatorOf } from './insider.ts'
import { once } from './once.ts'
import { endpointAt } from './site-files.ts'
import { listenerOf } from './targets.ts'

export interface OperatorAnswer {
  readonly status: number | null
  /** Parsed body; undefined where it is no JSON. */
  readonly json: unknown
  readonly body: string
}

/** JSON calls to a node as its operator, with a certificate that its kind says is one of theirs. */
export interface OperatorClient {
  get(path: string): Promise<OperatorAnswer>
  post(path: string, json?: unknown): Promise<OperatorAnswer>
  put(path: string, json?: unknown): Promise<OperatorAnswer>
  patch(path: string, json?: unknown): Promise<OperatorAnswer>
  delete(path: string): Promise<OperatorAnswer>
}

/** A client for one node. @throws NotInPlan where no kind says who operates it */
export function operatorClient(site: Site, node: string): OperatorClient {
  const endpoint = once(() => operatorEndpoint(site, node))
  return clientOf(async (request) => exchange(await endpoint(), request))
}

function clientOf(send: (request: Request) => Promise<Omit<OperatorAnswer, 'json'>>): OperatorClient {
  const call = (method: string) => async (path: string, json?: unknown) => {
    const content: Request['headers'] = json === undefined ? [] : [['Content-Type', 'application/json']]
    const { status, body } = await send({ method, path, headers: content, body: JSON.stringify(json) })
    return { status, json: jsonOf(body), body }
  }
  return { get: call('GET'), post: call('POST'), put: call('PUT'), patch: call('PATCH'), delete: call('DELETE') }
}

/** A connection that a node closed: it was started anew, or what it proved when it began holds no more. */
const closedCodes = ['ECONNRESET', 'EPIPE', 'ECONNREFUSED']
const watchers = new WeakMap<Site, Map<string, Promise<KeptConnections>>>()

/**
 * Looks at a node with the operator certificate of its trust domain, over connections that are kept for all tests of a site: each call
 * of a test is looked at before and after. A connection that the node closed meanwhile is replaced.
 */
export function operatorWatcher(site: Site, node: string): Pick<OperatorClient, 'get'> {
  const known = watchers.get(site) ?? new Map<string, Promise<KeptConnections>>()
  watchers.set(site, known)
  const anew = async (path: string) => {
    const connections = known.get(node)
    known.delete(node)
    await connections?.then((closed) => closed[Symbol.dispose]())
    return operatorClient(site, node).get(path)
  }
  return {
    async get(path) {
      const connections =
        known.get(node) ?? operatorEndpoint(site, node).then((endpoint) => keptConnections(endpoint, 2))
      known.set(node, connections)
      try {
        const { status, body } = await (await connections).send({ method: 'GET', path, headers: [] })
        return status === 200 ? { status, body, json: jsonOf(body) } : anew(path)
      } catch (failure) {
        if (closedCodes.includes(String((failure as NodeJS.ErrnoException).code))) return anew(path)
        known.delete(node)
        throw failure
      }
    },
  }
}

export async function closeWatchers(site: Site): Promise<void> {
  const known = watchers.get(site)?.values() ?? []
  watchers.delete(site)
  for (const connections of known) (await connections.catch(() => undefined))?.[Symbol.dispose]()
}

/** A client whose calls share a few connections: for many calls that prepare something, and are not themselves what is tried. */
export async function keptOperatorClient(site: Site, node: string, most: number): Promise<OperatorClient & Disposable> {
  const connections = keptConnections(await operatorEndpoint(site, node), most)
  return { ...clientOf((request) => connections.send(request)), [Symbol.dispose]: () => connections[Symbol.dispose]() }
}

async function operatorEndpoint(site: Site, node: string): Promise<Endpoint> {
  const { unit, said } = insiderAt(site, node, 'operator')
  const listener = listenerOf(site, unit, node, said.listener)
  const { node: holder, identity } = await operatorOf(site, node)
  const planned = site.plan.nodes[node]!
  const from = callerWithin(site.plan, holder, { node, network: networkOf(planned, listener) })
  return { ...(await endpointAt(site, from, { ...planned, listener })), identity }
}
