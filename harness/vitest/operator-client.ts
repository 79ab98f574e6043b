import type { Site } from '../backends/backend.ts'
import { type Endpoint, exchange } from '../clients/exchange.ts'
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
    const body = json === undefined ? undefined : JSON.stringify(json)
    const headers = body === undefined ? [] : [['Content-Type', 'application/json'] as const]
    const answer = await exchange(await endpoint, { method, path, headers, body })
    return { status: answer.status, json: parsed(answer.body), body: answer.body }
  }
  return {
    get: (path) => call('GET', path),
    post: (path, json) => call('POST', path, json),
    put: (path, json) => call('PUT', path, json),
    patch: (path, json) => call('PATCH', path, json),
    delete: (path) => call('DELETE', path),
  }
}

async function operatorEndpoint(site: Site, node: string): Promise<Endpoint> {
  const { listener } = operatorListenerOf(site, node)
  const { host, domain } = site.plan.nodes[node]!
  const [anchorPem, operator] = await Promise.all([anchorOf(site, domain), operatorOf(site, domain)])
  const endpoint = endpointOf(site, `https://${host}:${listener.port}`, { from: operator.node, anchorPem })
  return { ...endpoint, identity: operator.identity }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
