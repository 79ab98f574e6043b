import type { Duplex } from 'node:stream'
import type { Client } from 'pg'
import type { Site } from '../backends/backend.ts'
import type { Endpoint } from '../protocols/endpoint.ts'
import type { Insider } from '../topology/insider.ts'
import type { Listener } from '../topology/plan.ts'
import { boundOn } from './bound.ts'
import { endpointAt, NotInPlan, readRendered } from './site-files.ts'

export interface DatabaseOptions {
  /** The node from whose seat it is called. Default: its own. */
  from?: string
  /** Default: the role that owns it. */
  user?: string
  /** Default: that of the role that owns it. */
  password?: string
  database?: string
  /** For the login, and for each answer. Default 10 000. */
  timeoutMs?: number
}

/** By `schema.table`: its rows as lines of JSON, sorted as texts. */
type Dump = Readonly<Record<string, readonly string[]>>

/** One session at a database of a site. */
export interface Database extends AsyncDisposable {
  /** Rows of one statement; rejects with the error of the server, whose `code` is its SQLSTATE. */
  query<Row extends Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** Every table that the role may read, in one snapshot. What it may not read, it is refused by name. */
  dump(): Promise<Dump>
}

/** Opens a session from the seat of a node, so that it goes the way that calls of that node go. */
export async function openDatabase(site: Site, node: string, options: DatabaseOptions = {}): Promise<Database> {
  const { stores, listener } = storesOf(site, node)
  const { from = node, user = stores.owner, database = stores.database, timeoutMs: askedMs = 10_000 } = options
  const timeoutMs = boundOn(site, askedMs)
  const { host: ownHost, domain } = site.plan.nodes[node]!
  const place = { host: ownHost, domain, listener, tls: stores.tls }
  const password = options.password ?? (await readRendered(site, node, stores.password, stores.unit))
  const endpoint = await endpointAt(site, from, place)
  const { default: pg } = await import('pg')
  const stream = await streamTo(endpoint, timeoutMs)
  const client = new pg.Client({
    ...{ user, password, database, host: stores.host ?? ownHost, application_name: 'holdfast' },
    ...{ connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs },
    stream: () => stream as never,
    ssl: stores.tls ? { ca: endpoint.anchorPem } : false,
  })
  // A session that the far end ends fails what is asked next, never the process.
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (cause) {
    stream.destroy()
    throw cause
  }
  return sessionOf(client)
}

type Stores = NonNullable<Insider['stores']>

function storesOf(site: Site, node: string): { stores: Stores; listener: Listener } {
  const all = Object.values(site.plan.nodes).flatMap(({ name, units }) =>
    units.flatMap(({ insider, service }) => {
      const stores = insider?.stores
      const listener = service?.listeners.find((one) => one.name === stores?.listener)
      return stores === undefined || listener === undefined ? [] : [{ name, stores, listener }]
    }),
  )
  const found = all.find(({ name }) => name === node)
  if (found !== undefined) return found
  throw new NotInPlan(
    site,
    `${node} has no database`,
    all.map(({ name }) => name),
  )
}

/** A stream that is open already, as pg takes one that it opens itself. */
async function streamTo({ seat, address, port }: Endpoint, timeoutMs: number): Promise<Duplex> {
  const { stream } = await seat.connect({ address, port }, AbortSignal.timeout(timeoutMs))
  const opened = () => void process.nextTick(() => stream.emit('connect'))
  return Object.assign(stream, {
    ...{ connect: opened, setNoDelay: () => {}, setKeepAlive: () => {} },
    ...{ ref: () => {}, unref: () => {} },
  })
}

function sessionOf(client: Client): Database {
  const query = async <Row extends Record<string, unknown>>(text: string, values: readonly unknown[] = []) =>
    (await client.query<Row>(text, [...values])).rows
  return {
    query,
    dump: () => dumpOf(query),
    [Symbol.asyncDispose]: () => client.end(),
  }
}

/** The catalogue knows tables that a role has no right to; `information_schema` would leave those out without a word. */
const tables = `
  SELECT format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  ORDER BY 1`

async function dumpOf(query: Database['query']): Promise<Dump> {
  await query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    const dump: Record<string, string[]> = {}
    for (const { name } of await query<{ name: string }>(tables)) {
      // Names come quoted out of the catalogue.
      const rows = await query<{ row: string }>(`SELECT to_json(t)::text AS row FROM ${name} t`)
      dump[name] = rows.map(({ row }) => row).sort()
    }
    return dump
  } finally {
    await query('ROLLBACK')
  }
}
