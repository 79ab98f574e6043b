import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import {
  type Decision,
  type DecisionLog,
  openLogAtStart,
  recordUnanswered,
  refusedStart,
} from '../shared/decision-log.ts'
import { createHealthListener } from '../shared/health-listener.ts'
import { failureFields, type Log } from '../shared/log.ts'
import {
  type BrokerLogin,
  BrokerRefused,
  type BrokerTarget,
  connectBroker,
  judge,
} from '../shared/nats/broker-connection.ts'
import { BrokerLink, LinkFailure } from '../shared/nats/broker-link.ts'
import { demandSelf, type ExpectedSelf } from '../shared/nats/broker-self.ts'
import type { CredsDemand } from '../shared/nats/creds-demand.ts'
import { CredsRefused, credsFor, readCredsSet } from '../shared/nats/creds-set.ts'
import { CURRENT_FILE } from '../shared/nats/manifest.ts'
import { handedTo, roleFor } from '../shared/nats/roles.ts'
import { userId } from '../shared/os-users.ts'
import type { RunningService } from '../shared/service-main.ts'
import { StartFailure } from '../shared/start-failure.ts'
import { readTlsMaterial, type TlsMaterial } from '../shared/tls-material.ts'
import { atWallTime, type Wait } from '../shared/wall-timer.ts'
import { watchFile } from '../shared/watch-file.ts'
import type { Configuration } from './config.ts'
import { Consumption, consumerOf } from './consumption.ts'
import { type Ledger, openLedger } from './ledger.ts'

/** What a start needs, found good. */
export interface Prepared {
  readonly configuration: Configuration
  readonly material: TlsMaterial
  readonly demand: CredsDemand
  readonly decisions: DecisionLog
}

/** Judges what can be judged before anything is dialled. Throws `StartFailure`; what is wrong stands in the decision log, too. */
export function prepare(configuration: Configuration): Prepared {
  const { node, unit, decisionLog, server } = configuration
  const decisions = openLogAtStart(decisionLog, { node, unit })
  const demand: CredsDemand = {
    ...{ folder: configuration.credsDir, uid: userId(undefined), fileMode: 0o600 },
    ...{ manifestFile: CURRENT_FILE, users: handedTo('host'), now: Date.now },
  }
  try {
    judge({ server: new URL(server) })
    const material = materialOf(configuration)
    readCredsSet(demand)
    return { configuration, material, demand, decisions }
  } catch (failure) {
    if (failure instanceof BrokerRefused || failure instanceof CredsRefused) {
      decisions.record(refusedStart({ guard: failure.guard, reason: failure.reason, target: node }))
    }
    if (!(failure instanceof BrokerRefused)) throw failure
    throw new StartFailure(failure.reason, `server ${server} is not tls:, and nobody logs in in plaintext; use tls://`)
  }
}

function materialOf({ tls: { cert, key, ca } }: Configuration): TlsMaterial {
  return readTlsMaterial({ cert, key, anchors: { broker: ca } })
}

const INVENTORY_EVERY_MS = 1_000
const SETTLE_EVERY_MS = 1_000
const LOOK_EVERY_MS = 3_600_000
/** Longer than the stream keeps commands: what comes again after that is not the same command. */
const KEPT_MS = 14 * 86_400_000
/** Of the life of a login: then the next one is made, before the broker ends this one. */
const RENEWED_AT = 0.8

export async function startAgent(prepared: Prepared, log: Log): Promise<RunningService> {
  const agent = new Agent(prepared, log)
  await agent.start()
  return agent
}

/** Logs in at a broker with a bound token, and applies the commands for this host. */
class Agent implements RunningService {
  readonly #prepared: Prepared
  readonly #log: Log
  readonly #ledger: Ledger
  readonly #link: BrokerLink
  readonly #health: ReturnType<typeof createHealthListener>
  readonly #closing: { close(): void }[] = []
  #consumption: Consumption | undefined
  /** The set that was used last: none of another operator, and none older, takes its place. */
  #used: CredsDemand['installed']
  /** One after the other: two that fetch at once would tear the order. */
  #changing: Promise<void> = Promise.resolve()
  #renewal: Wait | undefined
  #isStopping = false
  #told = ''

  constructor(prepared: Prepared, log: Log) {
    const { configuration, decisions, material } = prepared
    this.#prepared = prepared
    this.#log = log
    this.#ledger = openLedger(configuration.storage.path)
    this.#link = new BrokerLink({
      name: 'host',
      retry: configuration.retry,
      log,
      open: () => this.#open(),
      onUp: (connection) => this.#isUp(connection),
      onRefused: ({ guard, reason }) => this.#record({ verdict: 'refused', guard, reason }),
    })
    this.#health = createHealthListener({
      ...{ address: configuration.listen.local, material, decisions, node: configuration.node },
      notReady: async () => this.#notReady(),
    })
  }

  async start(): Promise<void> {
    const { configuration } = this.#prepared
    await this.#health.listen()
    this.#link.start()
    const { credsDir, tokenFile, tls } = configuration
    for (const path of [join(credsDir, CURRENT_FILE), tokenFile]) {
      this.#closing.push(watchFile(path, () => this.#link.renew()))
    }
    this.#closing.push(watchFile(tls.cert, () => this.reload()))
    this.#every(INVENTORY_EVERY_MS, () => this.#tellInventory())
    this.#every(SETTLE_EVERY_MS, () => this.#ledger.settle())
    this.#every(LOOK_EVERY_MS, () => this.#ledger.purge(Date.now() - KEPT_MS))
  }

  reload(): void {
    try {
      this.#health.reload(materialOf(this.#prepared.configuration))
    } catch (failure) {
      this.#log.error('reload-failed', failureFields(failure))
      return
    }
    this.#link.renew()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    this.#renewal?.close()
    for (const each of this.#closing) each.close()
    await this.#changing
    await this.#consumption?.stop()
    await Promise.all([this.#link.close(), this.#health.close(1_000)])
    this.#ledger.close()
    this.#prepared.decisions.close()
  }

  /** Everything is read anew: whatever was renewed is used with the next connection. */
  async #open(): Promise<NatsConnection> {
    const { configuration, demand } = this.#prepared
    const { node, connectTimeoutMs } = configuration
    const { creds } = credsFor(this.#credentials(demand), 'auth_guard')
    const login: BrokerLogin = {
      ...{ creds, token: tokenIn(configuration.tokenFile), inbox: roleFor('host_role', node).inbox },
      name: `${node} host-agent`,
    }
    const connection = await connectBroker(this.#target(), login)
    try {
      const info = await demandSelf(connection, admittedAs(node), connectTimeoutMs)
      await consumerOf(connection, node)
      this.#renewIn(Number(info?.expires ?? 0) / 1e6)
      return connection
    } catch (failure) {
      await connection.close()
      throw failure
    }
  }

  #credentials(demand: CredsDemand) {
    try {
      const set = readCredsSet({ ...demand, installed: this.#used })
      this.#used = set.manifest
      return set
    } catch (failure) {
      if (failure instanceof CredsRefused) {
        this.#record({ verdict: 'refused', guard: failure.guard, reason: failure.reason })
      }
      throw failure
    }
  }

  #target(): BrokerTarget {
    const { configuration } = this.#prepared
    const { certificate, key, trusted } = materialOf(configuration)
    const { server, localAddress, connectTimeoutMs } = configuration
    return { server, localAddress, connectTimeoutMs, ca: trusted, cert: certificate, key }
  }

  /** The broker ends a login with what it rests on. */
  #renewIn(lifeMs: number): void {
    this.#renewal?.close()
    if (lifeMs > 0) this.#renewal = atWallTime(Date.now() + lifeMs * RENEWED_AT, () => this.#link.renew())
  }

  #isUp(connection: NatsConnection): Promise<void> {
    this.#record({ verdict: 'accepted', guard: null, reason: null })
    this.#told = ''
    this.#changing = this.#changing.then(() => this.#fetchOver(connection))
    return this.#changing
  }

  async #fetchOver(connection: NatsConnection): Promise<void> {
    const { configuration } = this.#prepared
    try {
      await this.#consumption?.stop()
      this.#consumption = undefined
      if (connection.isClosed() || this.#isStopping) return
      const options = { host: configuration.node, ledger: this.#ledger, log: this.#log, now: Date.now }
      this.#consumption = await Consumption.start(connection, options)
      this.#tellInventory()
    } catch (failure) {
      this.#log.warn('commands-not-fetched', failureFields(failure))
      await connection.close()
    }
  }

  #notReady(): string | undefined {
    if (!this.#ledger.isWritable()) return 'storage_unavailable'
    const { state, lastError } = this.#link.state()
    if (state !== 'connected') return lastError ?? 'broker_unreachable'
    return this.#consumption === undefined ? 'commands_not_fetched' : undefined
  }

  /** When it has changed. */
  #tellInventory(): void {
    const { node } = this.#prepared.configuration
    const text = JSON.stringify(this.#ledger.summary())
    const { connection } = this.#link
    if (text === this.#told || connection === undefined || connection.isClosed()) return
    this.#told = text
    connection.publish(`INVENTORY.${node}.update`, text)
  }

  #every(ms: number, act: () => void): void {
    const timer = setInterval(() => {
      try {
        act()
      } catch (failure) {
        this.#log.warn('not-done', failureFields(failure))
      }
    }, ms).unref()
    this.#closing.push({ close: () => clearInterval(timer) })
  }

  #record(outcome: Pick<Decision, 'verdict' | 'guard' | 'reason'>): void {
    const { configuration, decisions } = this.#prepared
    recordUnanswered(decisions, this.#log, {
      ...{ conn: '', listener: 'host', requestId: crypto.randomUUID(), action: 'host:connect', layer: 'broker' },
      ...{ status: null, error: null, ms: 0, principal: {}, target: new URL(configuration.server).hostname },
      ...outcome,
    })
  }
}

/** Who the callout makes of this host: a user that is called as the host is, with its role and nothing more. */
function admittedAs(node: string): ExpectedSelf {
  const { account, publish, subscribe } = roleFor('host_role', node)
  return { user: node, accountName: account, publish, subscribe }
}

/** A token that others can read is no secret. */
function tokenIn(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) throw new LinkFailure('token_missing', `${path} is not there; have the token minted into it`)
  if ((stats.mode & 0o077) !== 0) throw new LinkFailure('token_open', `${path} is open to others; chmod it to 0600`)
  return readFileSync(path, 'utf8').trim()
}
