import { failureFields, type Log } from '../shared/log.ts'
import { nodeName } from './config.ts'
import { hashOfToken } from './enrolment/token.ts'
import { Cursors } from './lending/cursors.ts'
import { Records } from './listeners/records.ts'
import { Keyring } from './sealing/keyring.ts'
import { type Prepared, recordPin, refuseLate } from './start/prepare.ts'
import { AuditWriter } from './storage/audit/writer.ts'
import { admitBootstrapToken, endOtherBootstrapTokens } from './storage/bearer-tokens.ts'
import { Database } from './storage/database.ts'
import { databaseSalt } from './storage/settings.ts'
import { type Tracing, untraced } from './tracing/tracing.ts'

/** What everything in a gateway stands on, in every tier. */
export interface Core {
  /** Sessions as `gateway_app`. */
  readonly database: Database
  readonly records: Records
  readonly audit: AuditWriter
  readonly cursors: Cursors
  /** Undefined without a secret that seals: then there are no peers to be called. */
  readonly keyring: Keyring | undefined
  readonly tracing: Tracing
  readonly log: Log
}

export async function openCore(prepared: Prepared, log: Log): Promise<Core> {
  const { configuration, databaseUrl, secrets, decisions } = prepared
  const database = new Database({ url: databaseUrl, role: 'gateway_app' })
  await recordPin(database, prepared)
  const { sealing } = secrets
  const salt = await databaseSalt(database)
  const audit = await AuditWriter.start({
    session: database,
    decisionLog: configuration.decisionLog,
    name: `${nodeName(configuration)}/${configuration.unit}`,
    capacity: configuration.audit.queue,
    onRejected: (requestId, failure) => log.error('audit-row-rejected', { requestId, ...failureFields(failure) }),
  }).catch((failure: unknown) => refuseLate(prepared, failure))
  await admitOperator(prepared, { database, log })
  return {
    ...{ database, audit, log },
    tracing: await tracingFor(configuration, log),
    records: new Records(decisions, log),
    cursors: new Cursors(sealing, salt),
    keyring: sealing && new Keyring({ ...sealing, salt }),
  }
}

/** Before anybody can ask: whoever hears that the gateway serves may use the token at once. */
async function admitOperator({ configuration, secrets }: Prepared, { database, log }: Operators): Promise<void> {
  const { operatorToken } = secrets
  if (operatorToken === undefined || (await admitBootstrapToken(database, hashOfToken(operatorToken)))) return
  const { operatorTokenFile: file } = configuration.admin
  const message = 'it was withdrawn or replaced, and stays so; put another one there, and start again'
  log.warn('operator-token-withdrawn', { file, message })
}

/** Once the gateway serves: a start that comes to nothing ends no token of one that does. */
export async function endFormerOperators({ secrets }: Prepared, { database, log }: Operators): Promise<void> {
  const { operatorToken } = secrets
  if (!(await endOtherBootstrapTokens(database, operatorToken && hashOfToken(operatorToken)))) return
  const message =
    operatorToken === undefined
      ? 'no admin.operatorTokenFile is configured any more; name its file again, and it counts again'
      : 'another one is in admin.operatorTokenFile now; this one stays out of use'
  log.warn('operator-token-ended', { message })
}

type Operators = Pick<Core, 'database' | 'log'>

/** What keeps spans is loaded where somebody takes them, and nowhere else. */
async function tracingFor({ otlpEndpoint, publicName }: Prepared['configuration'], log: Log): Promise<Tracing> {
  if (otlpEndpoint === undefined) return untraced
  const { tracingTo } = await import('./tracing/otlp.ts')
  return tracingTo({ endpoint: otlpEndpoint, service: publicName, log })
}

/** Once nobody asks for anything any more. */
export async function closeCore({ audit, records, database, tracing }: Core): Promise<void> {
  await Promise.all([audit.close(), tracing.close()])
  records.close()
  await database[Symbol.asyncDispose]()
}
