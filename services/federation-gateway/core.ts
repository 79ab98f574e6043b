import { failureFields, type Log } from '../shared/log.ts'
import { nodeName } from './config.ts'
import { hashOfToken } from './enrolment/token.ts'
import { Cursors } from './lending/cursors.ts'
import { Records } from './listeners/records.ts'
import { Keyring } from './sealing/keyring.ts'
import { type Prepared, recordPin, refuseLate } from './start/prepare.ts'
import { AuditWriter } from './storage/audit/writer.ts'
import { setBootstrapToken } from './storage/bearer-tokens.ts'
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
  const { operatorToken, sealing } = secrets
  if (!(await setBootstrapToken(database, operatorToken && hashOfToken(operatorToken)))) {
    const { operatorTokenFile: file } = configuration.admin
    log.warn('operator-token-withdrawn', {
      file,
      message: 'it stays withdrawn; put another one there, and start again',
    })
  }
  const salt = await databaseSalt(database)
  const audit = await AuditWriter.start({
    session: database,
    decisionLog: configuration.decisionLog,
    name: `${nodeName(configuration)}/${configuration.unit}`,
    capacity: configuration.audit.queue,
    onRejected: (requestId, failure) => log.error('audit-row-rejected', { requestId, ...failureFields(failure) }),
  }).catch((failure: unknown) => refuseLate(prepared, failure))
  return {
    ...{ database, audit, log },
    tracing: await tracingFor(configuration, log),
    records: new Records(decisions, log),
    cursors: new Cursors(sealing, salt),
    keyring: sealing && new Keyring({ ...sealing, salt }),
  }
}

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
