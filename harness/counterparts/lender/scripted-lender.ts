import { type Honest, type ScriptedRequest, ScriptedServer, type ScriptedServerOptions } from '../scripted-server.ts'

export interface ScriptedLenderOptions extends ScriptedServerOptions {
  /** What it has of each resource, as rows on the wire. */
  rows: Readonly<Record<string, readonly LentRow[]>>
}

export interface LentRow {
  readonly id: string
  readonly _source: string
  readonly [member: string]: unknown
}

/** What a lender is asked; `other` is any other path. */
export type LenderEndpoint = 'list' | 'get' | 'search' | 'capabilities' | 'renew' | 'other'
export type LenderRequest = ScriptedRequest<LenderEndpoint>

/** The epoch at which its grant always is. */
const epochTag = '"7"'

/** Listens as a lender that lets everybody in and writes down everything. */
export async function listenAsLender(options: ScriptedLenderOptions): Promise<ScriptedLender> {
  const lender = new ScriptedLender(options)
  await lender.listen()
  return lender
}

/** A lender under the scenario's control. It begins honest: it lends its rows. Scripts change that, from the next request on. It renews nothing. */
export class ScriptedLender extends ScriptedServer<LenderEndpoint> {
  readonly #rows: ScriptedLenderOptions['rows']

  constructor(options: ScriptedLenderOptions) {
    super(options)
    this.#rows = options.rows
  }

  protected override endpointOf(path: string): LenderEndpoint {
    const [, verb = ''] = /^\/api\/federation\/v1\/([a-z]+)/.exec(path) ?? []
    return verbs.find((one) => one === verb) ?? 'other'
  }

  protected override honest({ endpoint, path, headers, body }: LenderRequest): Honest {
    if (endpoint === 'capabilities') return this.#capabilities(headers['if-none-match'])
    const [resource = '', id] = path.split('/').slice(5)
    const rows = this.#rows[resource] ?? []
    if (endpoint === 'list') {
      const { limit = 50 } = JSON.parse(body || '{}') as { limit?: number }
      const items = rows.slice(0, limit)
      return { json: { items, nextCursor: null, _truncated: rows.length > limit, _partial: false } }
    }
    const item = rows.find((row) => row.id === id)
    if (endpoint === 'get' && item !== undefined) return { json: { item } }
    if (endpoint === 'search') return { json: { items: this.#hits(), _truncated: false, _partial: false } }
    return undefined
  }

  #capabilities(known: string | undefined): Honest {
    const headers = { etag: epochTag }
    if (known === epochTag) return { answer: { status: 304, headers } }
    const rest = { excluded_resources: [], max_rows_per_query: 100, grant_expires_at: null }
    const supported = ['list', 'get', 'search', 'capabilities', 'renew']
    const body = { resources: Object.keys(this.#rows), supported_verbs: supported, ...rest }
    return { answer: { headers, body } }
  }

  #hits() {
    return Object.entries(this.#rows).flatMap(([resource, rows]) =>
      rows.map(({ id, title = '', _source }) => ({ resource, id, title, score: 1, _source })),
    )
  }
}

const verbs = ['list', 'get', 'search', 'capabilities', 'renew'] as const
