import type { Site } from '../../harness/backends/backend.ts'
import { shownSite } from '../../harness/demonstrations/demonstration.ts'
import { type EnrolOptions, Federation, gatewayNode } from '../../harness/demonstrations/federation/index.ts'
import { type Database, openDatabase } from '../../harness/site/database.ts'
import { anchorOf } from '../../harness/site/site-files.ts'
import type { Call, Target } from '../caller.ts'
import { type BenchFolder, benchFolder, benchSite, listenerOf, type NodeIdentity } from '../site.ts'

// Two gateways with more rows than the topology has, and a peer of the bench.

/** No certificate ends while something is measured. */
const leafSeconds = '900'
/** Tasks of alice at the lender: more than one list asks for. */
const rows = 700
/** An insert of very many rows takes its time. */
const answersWithinMs = 60_000

export interface BenchFederation extends AsyncDisposable {
  readonly site: Site
  readonly federation: Federation
  /** What a peer presents that is lent tasks as alice, as many as it likes. */
  readonly peer: NodeIdentity
  /** Where it asks. */
  readonly lender: Target
  /** The lender's, as its owner. */
  readonly database: Database
  readonly folder: BenchFolder
}

/** What is lent to peers of a bench. */
export const scope = { resources: ['tasks'], max_rows_per_query: 1_000 }

export async function benchFederation(withinMs?: number): Promise<BenchFederation> {
  await using opened = new AsyncDisposableStack()
  const site = opened.use(await benchSite('federation', { leafSeconds }, withinMs))
  const federation = new Federation(opened.use(await shownSite(site, 'npm run bench')))
  const database = opened.use(await openDatabase(site, 'db-b', { timeoutMs: answersWithinMs }))
  const folder = opened.use(await benchFolder(site))
  await bringInRows(federation, database)
  const peer = await newPeer({ site, federation })
  const lender = listenerOf(site, gatewayNode('b'), 'federation')
  const owned = opened.move()
  return { site, federation, peer, lender, database, folder, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Another peer that is lent the same. */
export async function newPeer(
  { site, federation }: Pick<BenchFederation, 'site' | 'federation'>,
  options: EnrolOptions = {},
): Promise<NodeIdentity> {
  const { identity } = await federation.enrol({ scope, ...options })
  return { cert: identity.certPem, key: identity.keyPem, ca: await anchorOf(site, 'somebiz') }
}

/** A list, as a peer asks for it. */
export function listOf(limit: number): Call {
  const headers = { 'content-type': 'application/json' }
  return { method: 'POST', path: '/api/federation/v1/list/tasks', headers, body: JSON.stringify({ limit }) }
}

export const capabilities: Call = { method: 'GET', path: '/api/federation/v1/capabilities', headers: {} }

async function bringInRows(federation: Federation, database: Database): Promise<void> {
  const alice = federation.seed('b').user('alice')
  await database.query(
    `INSERT INTO tasks (id, tenant_id, owner_id, title, body)
     SELECT gen_random_uuid(), $1, $2, 'bench ' || n, repeat('text ', 20) FROM generate_series(1, ${rows}) n`,
    [alice.tenant.id, alice.id],
  )
}
