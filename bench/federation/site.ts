import type { Site } from '../../harness/backends/backend.ts'
import { shownSite } from '../../harness/demonstrations/demonstration.ts'
import { Federation } from '../../harness/demonstrations/federation/index.ts'
import { openDatabase } from '../../harness/site/database.ts'
import type { ScenarioSite } from '../../harness/site/scenario-site.ts'
import { anchorOf } from '../../harness/site/site-files.ts'
import { benchSite, type NodeIdentity } from '../site.ts'

// Two gateways with more rows than the topology has, and a peer of the bench.

/** No certificate ends while something is measured. */
const leafSeconds = '900'
/** Tasks of alice at the lender: more than one list asks for. */
const rows = 700

export interface BenchFederation extends AsyncDisposable {
  readonly site: Site
  readonly federation: Federation
  /** What a peer presents that is lent tasks as alice, 50 rows of them or more. */
  readonly peer: NodeIdentity
}

export async function benchFederation(): Promise<BenchFederation> {
  await using opened = new AsyncDisposableStack()
  const site = opened.use(await benchSite('federation', { leafSeconds }))
  const shown = opened.use(await shownSite(site, 'npm run bench'))
  const bed = await withRows(site, shown)
  const owned = opened.move()
  return { ...bed, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

async function withRows(site: Site, shown: ScenarioSite): Promise<Omit<BenchFederation, typeof Symbol.asyncDispose>> {
  const federation = new Federation(shown)
  const alice = federation.seed('b').user('alice')
  await using database = await openDatabase(site, 'db-b')
  await database.query(
    `INSERT INTO tasks (id, tenant_id, owner_id, title, body)
     SELECT gen_random_uuid(), $1, $2, 'bench ' || n, repeat('text ', 20) FROM generate_series(1, ${rows}) n`,
    [alice.tenant.id, alice.id],
  )
  const scope = { resources: ['tasks'], max_rows_per_query: 1_000 }
  const { identity } = await federation.enrol({ scope })
  const peer = { cert: identity.certPem, key: identity.keyPem, ca: await anchorOf(site, 'somebiz') }
  return { site, federation, peer }
}
