import { BearerClient } from './bearer-client.ts'
import type { ListBody, Resource } from './peer.ts'
import type { Reply } from './reply.ts'

/** Where rows are asked for: at home, at a lender by its common name, or everywhere. */
export type Source = 'local' | 'all' | `federated:${string}`

/** The query API of a gateway, as one of its users. */
export class AskingUser extends BearerClient {
  list(resource: Resource, { source, ...body }: ListBody & { source?: Source } = {}): Promise<Reply<unknown>> {
    return this.post(`/api/query/list/${resource}${from(source)}`, body)
  }

  getRow(resource: Resource, id: string, { source }: { source?: Source } = {}): Promise<Reply<unknown>> {
    return this.post(`/api/query/get/${resource}/${id}${from(source)}`)
  }

  search(q: string, { source, ...body }: { resources?: readonly string[]; limit?: number; source?: Source } = {}) {
    return this.post(`/api/query/search${from(source)}`, { q, ...body })
  }

  capabilities({ source }: { source?: Source } = {}): Promise<Reply<unknown>> {
    return this.get(`/api/query/capabilities${from(source)}`)
  }
}

function from(source: Source | undefined): string {
  return source === undefined ? '' : `?source=${encodeURIComponent(source)}`
}
