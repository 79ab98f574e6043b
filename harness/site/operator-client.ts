import type { Site } from '../backends/backend.ts'
import type { Endpoint } from '../protocols/endpoint.ts'
import { jsonOf } from '../protocols/http/answer.ts'
import { exchange, type Request } from '../protocols/http/exchange.ts'
import { type KeptConnections, keptConnections } from '../protocols/http/kept-connections.ts'
import { anchorOf, endpointOf, operatorOf } from './site-files.ts'
import { operatorListenerOf } from './targets.ts'

export interface OperatorAnswer {
  readonly status: number | null
  /** Parsed body; undefined where it is no JSON. */
  readonly json: unknown
  readonly body: string
}

/** JSON calls to the operator or local API of a node, with the operator certificate of its trust domain. */
export interface OperatorClient {
  get(path: string): Promise<OperatorAnswer>
  post(path: string, json?: unknown): Promise<OperatorAnswer>
  put(path: string, json?: unknown): Promise<OperatorAnswer>
  patch(path: string, json?: unknown): Promise<OperatorAnswer>
  delete(path: string): Promise<OperatorAnswer>
}

/** A client for one node; `listener` where it is another than `operator` or `local`. */
export function operatorClient(site: Site, node: string): OperatorClient {
  let endpoint: Promise<Endpoint> | undefined
  const call = async (method: string, path: string, json?: unknown): Promise<OperatorAnswer> => {
    endpoint ??= operatorEndpoint(site, node)
    const answer = await exchange(await endpoint, jsonRequest(method, path, json))
    return { status: answer.status, json: jsonOf(answer.body), body: answer.body }
  }
  return clientOf(call)
}

function jsonRequest(method: string, path: string, json: unknown): Request {
  if (json === undefined) return { method, path, headers: [] }
  return { method, path, headers: [['Content-Type', 'application/json']], body: JSON.stringify(json) }
}

function clientOf(call: (method: string, path: string, json?: unknown) => Promise<OperatorAnswer>): OperatorClient {
  return {
    get: (path) => call('GET', path),
    post: (path, json) => call('POST', path, json),
    put: (path, json) => call('PUT', path, json),
    patch: (path, json) => call('PATCH', path, json),
    delete: (path) => call('DELETE', path),
  }
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
  const kept = () => {
    const connections = known.get(node) ?? operatorEndpoint(site, node).then((endpoint) => keptConnections(endpoint, 2))
    known.set(node, connections)
    return connections
  }
  const anew = async (path: string) => {
    const connections = known.get(node)
    known.delete(node)
    await connections?.then((closed) => closed[Symbol.dispose]())
    return operatorClient(site, node).get(path)
  }
  return {
    async get(path) {
      try {
        const { status, body } = await (await kept()).send({ method: 'GET', path, headers: [] })
        return status === 200 ? { status, body, json: jsonOf(body) } : anew(path)
      } catch (failure) {
        if (closedCodes.includes(String((failure as NodeJS.ErrnoException).code))) return anew(path)
        known.delete(node)
        throw failure
      }
    },
  }
}

/** Closes the connections over which the nodes of a site are looked at. */
export async function closeWatchers(site: Site): Promise<void> {
  const known = watchers.get(site)?.values() ?? []
  watchers.delete(site)
  for (const connections of known) (await connections.catch(() => undefined))?.[Symbol.dispose]()
}

/** A client whose calls share a few connections: for many calls that prepare something, and are not themselves what is tried. */
export async function keptOperatorClient(site: Site, node: string, most: number): Promise<OperatorClient & Disposable> {
  const connections = keptConnections(await operatorEndpoint(site, node), most)
  const call = async (method: string, path: string, json?: unknown): Promise<OperatorAnswer> => {
    const answer = await connections.send(jsonRequest(method, path, json))
    return { status: answer.status, json: jsonOf(answer.body), body: answer.body }
  }
  return { ...clientOf(call), [Symbol.dispose]: () => connections[Symbol.dispose]() }
}

async function operatorEndpoint(site: Site, node: string): Promise<Endpoint> {
  const { listener } = operatorListenerOf(site, node)
  const { host, domain } = site.plan.nodes[node]!
  const [anchorPem, operator] = await Promise.all([anchorOf(site, domain), operatorOf(site, domain)])
  const endpoint = endpointOf(site, `https://${host}:${listener.port}`, { from: operator.node, anchorPem })
  return { ...endpoint, identity: operator.identity }
}
