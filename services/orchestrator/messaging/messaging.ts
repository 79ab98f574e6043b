import type { NatsConnection } from '@nats-io/transport-node'
import { type Decision, recordUnanswered } from '../../shared/decision-log.ts'
import { failureFields } from '../../shared/log.ts'
import {
  type BrokerLogin,
  type BrokerRefused,
  type BrokerTarget,
  connectBroker,
} from '../../shared/nats/broker-connection.ts'
import { BrokerLink } from '../../shared/nats/broker-link.ts'
import { demandSelf, type ExpectedSelf } from '../../shared/nats/broker-self.ts'
import { type RoleName, roleFor, type UserName } from '../../shared/nats/roles.ts'
import { StartFailure } from '../../shared/start-failure.ts'
import type { MessagingConfiguration } from '../config.ts'
import type { LocalOperation } from '../local-call.ts'
import type { OwnNode } from '../own-node.ts'
import type { Section } from '../section.ts'
import { iso } from '../state.ts'
import { type CommandTable, openCommandTable } from './command-table.ts'
import { Commands } from './commands.ts'
import { Credentials } from './credentials.ts'
import { Inventory } from './inventory.ts'
import type { ReadyMessaging } from './prepare.ts'
import { prepareStream, streamState } from './work-stream.ts'

export { readMessaging } from './prepare.ts'

type Node = OwnNode<MessagingConfiguration>

/** One of the two connections: in each account we are somebody else. */
interface Connection {
  readonly name: 'work' | 'control'
  readonly user: UserName
  readonly role: RoleName
  readonly link: BrokerLink
}

const RETRY = { initialMs: 250, maximumMs: 5_000 }
const STATUS_EVERY_MS = 10_000
const LOOK_EVERY_MS = 1_000

/** What the section `messaging` adds to a node: a work connection that commands go out on, and a control connection. */
export class Messaging implements Section {
  readonly operations: readonly LocalOperation[]
  readonly #node: Node
  readonly #ready: ReadyMessaging
  readonly #credentials: Credentials
  readonly #table: CommandTable
  readonly #commands: Commands
  readonly #inventory: Inventory
  readonly #work: Connection
  readonly #control: Connection
  readonly #end: (failure: Error) => void
  readonly #timers: NodeJS.Timeout[] = []
  #deadline: NodeJS.Timeout | undefined
  /** Both connections were up at once. */
  #hasStarted = false

  /** @param end what did not come about after the start, for whoever ends the process */
  constructor(node: Node, ready: ReadyMessaging, end: (failure: Error) => void) {
    const { configuration, decisions, log } = node
    const { hosts, connectTimeoutMs } = configuration.messaging
    this.#node = node
    this.#ready = ready
    this.#end = end
    this.#credentials = new Credentials(ready.demand, { decisions, log, node: configuration.node })
    this.#table = openCommandTable(ready.commandsPath)
    this.#inventory = new Inventory(hosts)
    this.#work = this.#connection('work', 'orchestrator_user', 'orchestrator_role', async (connection) => {
      this.#inventory.followStatuses(connection)
      await prepareStream(connection, configuration.messaging)
    })
    this.#control = this.#connection('control', 'admin_user', 'admin_role', async (connection) => {
      this.#inventory.followUpdates(connection)
    })
    const { link } = this.#work
    this.#commands = new Commands({ table: this.#table, link, hosts, timeoutMs: connectTimeoutMs, log })
    this.operations = [this.#commands.operation, this.#inventory.operation]
  }

  async state(): Promise<object> {
    const { messaging } = this.#node.configuration
    const stream = await this.#work.link
      .use((connection) => streamState(connection, messaging))
      .catch(() => ({ stream: null, consumers: null }))
    const [work, control] = [this.#work, this.#control].map((connection) => this.#shown(connection))
    return { messaging: { work, control, ...stream } }
  }

  async notReady(): Promise<string | undefined> {
    if (!this.#table.isWritable()) return 'storage_unavailable'
    const problem = this.#problem()
    if (problem !== undefined) return problem
    return this.#credentials.lifeLeft() === 'over' ? 'credentials_ending' : undefined
  }

  /** The broker takes whatever certificate is valid. */
  needs(): boolean {
    return false
  }

  async listen(): Promise<void> {}

  start(): void {
    const { connectDeadlineSeconds: seconds } = this.#node.configuration.messaging
    this.#commands.start()
    this.#credentials.watch(() => this.#renew())
    this.#deadline = setTimeout(() => {
      const problem = this.#problem() ?? 'broker_unreachable'
      const { server } = this.#node.configuration.messaging
      const found = `${problem}: not connected to ${server} within ${seconds} s (${this.#problems()})`
      this.#end(new Error(`${found}; ${wayOut(problem)}`))
    }, seconds * 1_000).unref()
    this.#timers.push(setInterval(() => this.#publishStatus(), STATUS_EVERY_MS).unref())
    this.#timers.push(setInterval(() => this.#credentials.lifeLeft(), LOOK_EVERY_MS).unref())
    this.#work.link.start()
    this.#control.link.start()
  }

  reloaded(): void {
    this.#renew()
  }

  async renewed(): Promise<void> {
    this.#renew()
  }

  async stop(): Promise<void> {
    clearTimeout(this.#deadline)
    for (const timer of this.#timers) clearInterval(timer)
    this.#commands.stop()
    this.#credentials.close()
    await Promise.all([this.#work.link.close(), this.#control.link.close()])
  }

  close(): void {
    this.#table.close()
  }

  /** With newer credentials, or another certificate: the next connections first, then those before are drained. */
  #renew(): void {
    this.#work.link.renew()
    this.#control.link.renew()
  }

  #connection(
    name: Connection['name'],
    user: UserName,
    role: RoleName,
    setUp: (connection: NatsConnection) => Promise<void>,
  ): Connection {
    const link = new BrokerLink({
      name,
      retry: RETRY,
      log: this.#node.log,
      open: async () => {
        const target = this.#target()
        const expected = this.#expected(user, role)
        const connection = await connectBroker(target, this.#login(name, user, role))
        try {
          await demandSelf(connection, expected, target.connectTimeoutMs)
          await setUp(connection)
          return connection
        } catch (failure) {
          await connection.close()
          throw failure
        }
      },
      onUp: () => this.#isUp(name, user),
      onRefused: (refused) => this.#refused(name, refused),
    })
    return { name, user, role, link }
  }

  #target(): BrokerTarget {
    const { configuration, certificates, localAddress } = this.#node
    const { server, connectTimeoutMs, localAddress: own } = configuration.messaging
    const { newest } = certificates
    const anchors = (newest.anchors.get(configuration.trustDomain.name) ?? []).map(String)
    const tls = this.#ready.ownTls?.()
    return {
      ...{ server, connectTimeoutMs, localAddress: own ?? localAddress },
      ...{ ca: tls === undefined ? anchors : [tls.ca] },
      ...{ cert: tls?.cert ?? newest.certificate, key: tls?.key ?? newest.key },
    }
  }

  #login(name: string, user: UserName, role: RoleName): BrokerLogin {
    const { inbox } = roleFor(role)
    return { creds: this.#credentials.of(user).creds, inbox, name: `${this.#node.configuration.node} ${name}` }
  }

  #expected(user: UserName, role: RoleName): ExpectedSelf {
    const { publish, subscribe } = roleFor(role)
    const { account, key } = this.#credentials.of(user).entry.user
    return { publish, subscribe, account, user: key }
  }

  #isUp(name: Connection['name'], user: UserName): void {
    this.#record(name, { verdict: 'accepted', guard: null, reason: null, principal: this.#principal(user) })
    if (this.#hasStarted || !this.#areUp()) return
    this.#hasStarted = true
    clearTimeout(this.#deadline)
    this.#commands.publishPending().catch((failure: unknown) => {
      this.#node.log.error('pending-not-published', failureFields(failure))
    })
  }

  /** A broker that is not the one that was meant, or that takes us for somebody else: after a start there is nothing to wait for. */
  #refused(name: Connection['name'], { guard, reason }: BrokerRefused): void {
    this.#record(name, { verdict: 'refused', guard, reason, principal: {} })
    if (this.#hasStarted) return
    const { server } = this.#node.configuration.messaging
    this.#end(new StartFailure(reason, `${name} connection to ${server}: ${guard} refused it; ${wayOut(reason)}`))
  }

  #record(listener: string, outcome: Pick<Decision, 'verdict' | 'guard' | 'reason' | 'principal'>): void {
    const { decisions, log, configuration } = this.#node
    recordUnanswered(decisions, log, {
      ...{ conn: '', listener, requestId: crypto.randomUUID(), action: 'messaging:connect' },
      ...{ layer: this.#hasStarted ? 'broker' : 'start-up', status: null, error: null, ms: 0 },
      target: new URL(configuration.messaging.server).hostname,
      ...outcome,
    })
  }

  #principal(user: UserName): Record<string, string> {
    const { key, account, name } = this.#credentials.of(user).entry.user
    return { user: key, name, account }
  }

  #areUp(): boolean {
    return [this.#work, this.#control].every(({ link }) => link.state().state === 'connected')
  }

  /** Why one of the two is not up. */
  #problem(): string | undefined {
    const down = [this.#work, this.#control].map(({ link }) => link.state()).find(({ state }) => state !== 'connected')
    return down && (down.lastError ?? 'broker_unreachable')
  }

  #problems(): string {
    return [this.#work, this.#control].map(({ name, link }) => `${name}: ${link.state().lastError ?? 'up'}`).join(', ')
  }

  #shown({ user, role, link }: Connection) {
    const { state, since, lastError } = link.state()
    const { entry, creds } = this.#credentials.of(user)
    const { exp } = creds.claims
    return {
      ...{ state: this.#stateOf(link), since: iso(since), server: this.#node.configuration.messaging.server },
      ...{ account: entry.user.account, user: entry.user.key, name: user, role },
      generation: this.#credentials.generation,
      ...(exp === undefined ? {} : { expiresAt: iso(exp * 1000) }),
      ...(state === 'connected' || lastError === undefined ? {} : { lastError }),
    }
  }

  #stateOf(link: BrokerLink): string {
    const { state, lastError } = link.state()
    return state === 'connecting' && lastError === 'credentials_revoked' ? lastError : state
  }

  #publishStatus(): void {
    const { configuration, log } = this.#node
    const status = { node: configuration.node, at: iso(Date.now()), generation: this.#credentials.generation }
    this.#control.link
      .use(async (connection) => connection.publish('ADMIN.orchestrator.status', JSON.stringify(status)))
      .catch((failure: unknown) => log.warn('status-not-published', failureFields(failure)))
  }
}

const WAYS_OUT: Readonly<Record<string, string>> = {
  broker_unreachable: 'see that the broker runs, and can be reached from here',
  login_refused:
    'see the log of the broker: whether the claims of its accounts were pushed, and these credentials are of it',
  endpoint_plaintext: 'the broker offers no TLS: see to it that it does',
  server_untrusted: 'see that messaging.ca is the root of the broker',
  server_name_mismatch: 'see that messaging.server names the host that its certificate is for',
  account_unexpected: 'have the credentials of this node handed over anew',
  permissions_unexpected: 'bring the role at the broker back to what it must be',
}

function wayOut(reason: string): string {
  return WAYS_OUT[reason] ?? 'see the decision log'
}
