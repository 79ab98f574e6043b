import { join } from 'node:path'
import { gatewayNode, places } from '../../harness/demonstrations/federation/index.ts'
import { decide } from '../../services/federation-gateway/scope/decide.ts'
import { readScope } from '../../services/federation-gateway/scope/document.ts'
import { listStatement } from '../../services/federation-gateway/scope/sql.ts'
import { nativeUser } from '../../services/federation-gateway/storage/rights.ts'
import { type Baseline, startBaseline } from '../baseline.ts'
import type { LenderConfig } from '../baselines/lender.ts'
import type { Target } from '../caller.ts'
import { identityOf } from '../site.ts'
import { type BenchFederation, scope } from './site.ts'

// What a lender is compared with: servers that have its certificate, demand those of its peers, and ask its database.

export interface Beside extends AsyncDisposable {
  readonly target: Target
}

/** Answers so many rows, by the statement by which the gateway has them, and to GET a text that lies ready. */
export async function startBare(bed: BenchFederation, { limit, body = '' }: { limit: number; body?: string }) {
  const own = await identityOf(bed.site, `${gatewayNode('b')}-tls`, 'somebiz')
  const database = { url: await databaseUrl(bed), statement: await statementOf(bed, limit) }
  return beside(bed, await startBaseline('bare-lender', { ...own, body, database }, bed.folder.hosts))
}

/** The gateway's own listener of peers in a process of its own, but for what is said. */
export async function startLender(bed: BenchFederation, name: string, but: Pick<LenderConfig, 'isSilent' | 'lists'>) {
  const configuration = JSON.parse(await bed.site.node(gatewayNode('b')).readFile(places.configuration)) as object
  const decisionLog = join(bed.folder.path, `${name}.jsonl`)
  const config: LenderConfig = { configuration: { ...configuration, unit: name, decisionLog }, ...but }
  return beside(bed, await startBaseline('lender', config, bed.folder.hosts))
}

function beside({ lender }: BenchFederation, baseline: Baseline): Beside {
  const target = { ...lender, address: '127.0.0.1', port: baseline.port }
  return { target, [Symbol.asyncDispose]: () => baseline[Symbol.asyncDispose]() }
}

async function databaseUrl({ site }: BenchFederation): Promise<string> {
  return (await site.node(gatewayNode('b')).readFile('units/gateway/database/url')).trim()
}

async function statementOf({ federation, database }: BenchFederation, limit: number) {
  const { id: userId, tenant } = federation.seed('b').user('alice')
  const session = {
    query: async <Row extends object>(statement: { text: string; values: readonly unknown[] }) =>
      (await database.query(statement.text, statement.values)) as Row[],
  }
  const alice = await nativeUser(session, { tenantId: tenant.id, userId })
  const decision = decide(readScope(scope).scope!, alice!.rights, { resource: 'tasks', limit })
  if (!decision.allowed) throw new Error(`alice is lent no tasks: ${decision.reason}`)
  return listStatement({ resource: 'tasks', tenantId: tenant.id, userId, predicate: decision.predicate }, limit)
}
