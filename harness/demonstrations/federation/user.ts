import { BearerClient } from './bearer-client.ts'
import type { ListBody, Resource } from './peer.ts'
import type { Reply } from './reply.ts'

/** Where rows are asked for: at home, at a lender by its common name, or everywhere. */
export type Source = 'local' | 'all' | `federated:${string}`

/** What comes with every answer. */
export interface Gathered {
  readonly _sources: readonly {
    readonly source: string
    readonly state: 'ok' | 'offline' | 'refused' | 'skipped'
    readonly reason?: string
    readonly cached: boolean
    readonly truncated: boolean
  }[]
  readonly _cached: boolean
  readonly _notices: readonly { readonly code: string; readonly source: string; readonly since: string }[]
}

export interface GatheredRow {
  readonly id: string
  readonly _source: string
  readonly [member: string]: unknown
}

export interface GatheredRows extends Gathered {
  readonly items: readonly GatheredRow[]
  readonly nextCursor?: string | null
  readonly _truncated: boolean
  readonly _partial: boolean
}

/** The query API of a gateway, as one of its users. Sources of a question go with what is asked. */
export class AskingUser extends BearerClient {
  list(resource: Resource, asked: ListBody & { readonly source?: Source } = {}): Promise<Reply<GatheredRows>> {
    return this.call<GatheredRows>('POST', `/api/query/list/${resource}`, asked)
  }

  getRow(
    resource: Resource,
    id: string,
    asked: { readonly source?: Source } = {},
  ): Promise<Reply<Gathered & { readonly item: GatheredRow }>> {
    return this.call('POST', `/api/query/get/${resource}/${id}`, asked)
  }

  search(
    q: string,
    asked: { readonly resources?: readonly string[]; readonly limit?: number; readonly source?: Source } = {},
  ): Promise<Reply<GatheredRows>> {
    return this.call<GatheredRows>('POST', '/api/query/search', { q, ...asked })
  }

  capabilities({ source }: { readonly source?: Source } = {}): Promise<Reply<Gathered>> {
    const query = source === undefined ? '' : `?source=${encodeURIComponent(source)}`
    return this.call<Gathered>('GET', `/api/query/capabilities${query}`)
  }
}
