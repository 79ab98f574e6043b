import { type DecisionLog, openDecisionLog, refusedStart } from '../shared/decision-log.ts'
import { firstRefusal } from '../shared/guard.ts'
import { createLog, failureFields, type Log } from '../shared/log.ts'
import { StartFailure } from '../shared/start-failure.ts'
import { createTlsListener, type TlsListener, type TlsMaterial } from '../shared/tls-listener.ts'
import { type Configuration, nodeName, parseAddress } from './config.ts'
import { type Exchange, serve } from './exchange.ts'
import { operatorTls } from './guards/operator-tls.ts'
import { type Materials, readMaterials, type Start, startConfig } from './guards/start-config.ts'
import { createIssuing } from './issuing.ts'
import { openKeyRing } from './keys.ts'
import { operatorApi } from './operator-api.ts'
import { publicApi } from './public-api.ts'
import { openStore, type Store } from './store/store.ts'
import { tokenApi } from './token-api.ts'

export interface Server {
  /** Re-reads certificates and anchors; what is wrong with them is logged, and the ones in use stay. */
  reload(): void
  /** Lets requests in flight finish, then closes everything. */
  stop(): Promise<void>
}

const STOP_GRACE_MS = 3_000
const PURGE_EVERY_MS = 3_600_000
const PURGE_AFTER_SECONDS = 7 * 86_400
const PURGE_BATCH = 500
const RETIRE_EVERY_MS = 5_000
const SETTLE_EVERY_MS = 5_000
const SETTLE_BATCH = 500

/** Checks everything, then opens the three listeners. Throws `StartFailure` before any socket is open. */
export async function startServer(configuration: Configuration): Promise<Server> {
  const who = { node: nodeName(configuration), unit: configuration.unit }
  const log = createLog(who)
  const decisions = openDecisions(configuration, who)
  try {
    const materials = await checkStart(configuration)
    const store = openStore(configuration.storage.path)
    const keys = await openKeyRing(store.keys, configuration.signing)
    return await run({ configuration, log, decisions, store, keys, materials })
  } catch (failure) {
    if (failure instanceof StartFailure) recordStartFailure(decisions, failure.reason)
    decisions.close()
    throw failure
  }
}

/** Runs guard `start.config`. Throws `StartFailure`. */
export async function checkStart(configuration: Configuration): Promise<Materials> {
  const start: Start = { configuration }
  const found = await firstRefusal([startConfig], start)
  if (found !== undefined) throw new StartFailure(found.refusal.reason, start.message ?? found.refusal.reason)
  return start.materials ?? readMaterials(configuration)
}

interface Parts {
  configuration: Configuration
  log: Log
  decisions: DecisionLog
  store: Store
  keys: Awaited<ReturnType<typeof openKeyRing>>
  materials: Materials
}

async function run(parts: Parts): Promise<Server> {
  const { configuration, log, decisions, store, keys } = parts
  let { materials } = parts
  const issuing = createIssuing(configuration, store, keys, (failure) =>
    log.error('issuing-failed', failureFields(failure)),
  )
  const readiness = readinessOf(store, () => materials.own)
  const api = { configuration, store, keys, issuing, readiness }
  const { host, hostname } = new URL(configuration.issuer)
  const service = { log, decisions, issuer: configuration.issuer, hosts: [hostname, host] }
  const listener = (
    name: 'public' | 'mtls' | 'operator',
    clientCertificate: 'none' | 'requested' | 'required',
    handle: (exchange: Exchange) => Promise<void>,
  ): TlsListener =>
    createTlsListener({
      name,
      ...parseAddress(configuration.listen[name]),
      clientCertificate,
      material: name === 'mtls' ? materials.all : materials.own,
      ...(clientCertificate === 'required' ? { gate: operatorTls } : {}),
      action: `${name}:connect`,
      target: name,
      decisions,
      handshakeRecordsPerMinute: configuration.limits.handshakeRecords,
      onRequest: (request, response, connection) => {
        void serve(service, request, response, connection, handle)
      },
    })
  const listeners = [
    listener('public', 'none', publicApi(configuration, keys)),
    listener('mtls', 'requested', tokenApi(api)),
    listener('operator', 'required', operatorApi(api)),
  ]
  await Promise.all(listeners.map((each) => each.listen()))
  const timers = [
    setInterval(() => attempt(log, 'retire', () => keys.retire()), RETIRE_EVERY_MS),
    setInterval(() => settle(log, store), SETTLE_EVERY_MS),
    setInterval(() => purge(log, store), PURGE_EVERY_MS),
  ]
  log.info('ready', { listen: configuration.listen, issuer: configuration.issuer })
  // The first token waits for this, readiness does not: clients are registered and proven before.
  setImmediate(() => {
    store.warmUp()
    issuing.warmUp().catch((failure: unknown) => log.error('issuing-failed', failureFields(failure)))
    purge(log, store)
  })

  return {
    reload() {
      attempt(log, 'reload', () => {
        materials = readMaterials(configuration)
        const [open, mtls, operator] = listeners as [TlsListener, TlsListener, TlsListener]
        open.reload(materials.own)
        mtls.reload(materials.all)
        operator.reload(materials.own)
        log.info('reloaded', { notAfter: materials.own.leaf.validToDate.toISOString() })
      })
    },
    async stop() {
      for (const timer of timers) clearInterval(timer)
      await Promise.all(listeners.map((each) => each.close(STOP_GRACE_MS)))
      await store.close()
      decisions.close()
      log.info('stopped')
    },
  }
}

function readinessOf(store: Store, material: () => TlsMaterial): () => { ready: boolean; reason?: string } {
  return () => {
    if (!store.isWritable()) return { ready: false, reason: 'storage_unavailable' }
    const isOver = material().leaf.validToDate.getTime() <= Date.now()
    return isOver ? { ready: false, reason: 'certificate_ended' } : { ready: true }
  }
}

/** Small batches, with room for requests between them. */
function purge(log: Log, store: Store): void {
  attempt(log, 'purge', () => {
    const before = Math.floor(Date.now() / 1000) - PURGE_AFTER_SECONDS
    if (store.tokens.purge(before, PURGE_BATCH) === PURGE_BATCH) setImmediate(() => purge(log, store))
  })
}

function settle(log: Log, store: Store): void {
  attempt(log, 'settle', () => {
    if (store.tokens.settle(Math.floor(Date.now() / 1000), SETTLE_BATCH) === SETTLE_BATCH) {
      setImmediate(() => settle(log, store))
    }
  })
}

function attempt(log: Log, what: string, work: () => void): void {
  try {
    work()
  } catch (failure) {
    log.error(`${what}-failed`, failureFields(failure))
  }
}

function openDecisions(configuration: Configuration, who: { node: string; unit: string }): DecisionLog {
  try {
    return openDecisionLog(configuration.decisionLog, who)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new StartFailure(
      'config_invalid',
      `decisionLog ${configuration.decisionLog} cannot be opened (${code}); name a file in a writable folder`,
      { cause },
    )
  }
}

function recordStartFailure(decisions: DecisionLog, reason: string): void {
  decisions.record(refusedStart({ guard: startConfig.id, reason, target: 'auth-server' }))
}
