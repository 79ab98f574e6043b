import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { headers } from '@nats-io/transport-node'
import type { TokenPolicy } from '../shared/bound-token.ts'
import { type DecisionLog, openLogAtStart, recordUnanswered, refusedStart } from '../shared/decision-log.ts'
import { createHealthListener } from '../shared/health-listener.ts'
import { createIssuerClient, type IssuerClient } from '../shared/issuer-client.ts'
import { failureFields, type Log } from '../shared/log.ts'
import { BrokerRefused, type BrokerTarget, connectBroker, judge } from '../shared/nats/broker-connection.ts'
import { BrokerLink, type LinkOptions } from '../shared/nats/broker-link.ts'
import type { Creds } from '../shared/nats/creds-text.ts'
import type { RunningService } from '../shared/service-main.ts'
import { StartFailure } from '../shared/start-failure.ts'
import { readAnchors, readTlsMaterial, type TlsMaterial } from '../shared/tls-material.ts'
import { createTokenPolicy, isAuthReady } from '../shared/token-policy.ts'
import { watchFile } from '../shared/watch-file.ts'
import { type Answers, answersOf } from './answers.ts'
import type { Configuration } from './config.ts'
import { Judge, type Judged } from './decisions.ts'
import type { Hosts, LoginContext, Sentinel } from './guards/callout-login.ts'
import { type CalloutKeys, readKeys, readSetup, sentinelOf } from './keys.ts'
import { OneATurn } from './one-a-turn.ts'
import { putOut } from './put-out.ts'
import { type LoginRequest, readRequest } from './request.ts'

/** What a start needs, found good. */
export interface Prepared {
  readonly configuration: Configuration
  readonly material: TlsMaterial
  readonly authAnchors: readonly string[]
  readonly keys: CalloutKeys
  readonly decisions: DecisionLog
}

/** Throws `StartFailure`. */
export function prepare(configuration: Configuration): Prepared {
  const { node, unit, decisionLog, server, auth, tls } = configuration
  const decisions = openLogAtStart(decisionLog, { node, unit })
  try {
    judge({ server: new URL(server) })
  } catch (failure) {
    if (!(failure instanceof BrokerRefused)) throw failure
    decisions.record(refusedStart({ guard: failure.guard, reason: failure.reason, target: node }))
    throw new StartFailure(failure.reason, `server ${server} is not tls:, and nobody logs in in plaintext; use tls://`)
  }
  const authAnchors = readAnchors(auth.ca ?? tls.ca).map(String)
  return { configuration, material: materialOf(configuration), authAnchors, keys: readKeys(configuration), decisions }
}

function materialOf({ tls: { cert, key, ca } }: Configuration): TlsMaterial {
  return readTlsMaterial({ cert, key, anchors: { broker: ca } })
}

const REQUESTS = '$SYS.REQ.USER.AUTH'
const SERVER_CURVE_HEADER = 'Nats-Server-Xkey'
const RETRY = { initialMs: 250, maximumMs: 5_000 }
const GRACE_MS = 1_000

export async function startCallout(prepared: Prepared, log: Log, load: () => Configuration): Promise<RunningService> {
  const callout = new Callout(prepared, log, load)
  await callout.start()
  return callout
}

/** Somebody who was let in. */
interface Admitted {
  readonly context: LoginContext
  /** When the login ends by itself, in seconds since 1970. */
  readonly exp: number
}

/** A login that the broker asks about. */
interface Asked {
  readonly connection: NatsConnection
  readonly message: Msg
  /** On the clock of the process. */
  readonly cameAt: number
}

/** Decides about logins that the broker asks about, and about those who are in, again and again. */
class Callout implements RunningService {
  readonly #prepared: Prepared
  readonly #log: Log
  readonly #load: () => Configuration
  readonly #client: IssuerClient
  readonly #policy: TokenPolicy
  readonly #judge: Judge
  readonly #requests: BrokerLink
  readonly #kicks: BrokerLink
  readonly #health: ReturnType<typeof createHealthListener>
  readonly #admitted = new Set<Admitted>()
  readonly #asked: OneATurn<Asked>
  readonly #stop = new AbortController()
  /** Users have others after a rotation. */
  #keys: CalloutKeys
  #answers: Answers
  #sentinel: Sentinel
  #watching: { close(): void } | undefined
  #material: TlsMaterial
  #hosts: Hosts
  #recheck: NodeJS.Timeout | undefined

  constructor(prepared: Prepared, log: Log, load: () => Configuration) {
    const { configuration, material, authAnchors, keys, decisions } = prepared
    const { node, host, hosts, decideWithinMs, userSeconds, localAddress } = configuration
    this.#prepared = prepared
    this.#log = log
    this.#load = load
    this.#material = material
    this.#hosts = hosts
    this.#client = createIssuerClient(
      () => ({ ca: authAnchors, cert: this.#material.certificate, key: this.#material.key }),
      localAddress,
    )
    this.#policy = createTokenPolicy(node, configuration, this.#client, log)
    this.#keys = keys
    this.#answers = answersOf(keys)
    this.#sentinel = sentinelOf(keys.setup)
    this.#judge = new Judge({
      ...{ node, decisions, decideWithinMs, userSeconds, log, policy: this.#policy, audience: `https://${host}` },
      sentinel: () => this.#sentinel,
      hosts: () => this.#hosts,
    })
    this.#asked = new OneATurn((asked) => {
      this.#answer(asked).catch((cause: unknown) => log.error('login-not-answered', failureFields(cause)))
    })
    this.#requests = this.#link(
      'callout',
      () => this.#keys.callout,
      (connection) => this.#listen(connection),
    )
    this.#kicks = this.#link('kick', () => this.#keys.kick)
    this.#health = createHealthListener({
      ...{ address: configuration.listen.local, material, decisions, node },
      notReady: () => this.#notReady(),
    })
  }

  async start(): Promise<void> {
    await this.#health.listen()
    // The first caller should not have to wait for the keys.
    void isAuthReady(this.#policy)
    this.#requests.start()
    this.#kicks.start()
    // Of a setup it is written last.
    this.#watching = watchFile(this.#prepared.configuration.setupFile, () => this.#takeKeys())
    // What was written since it was read for this start, nobody tells of any more.
    this.#takeKeys()
    this.#recheckLater()
  }

  reload(): void {
    try {
      const configuration = this.#load()
      this.#material = materialOf(configuration)
      this.#hosts = configuration.hosts
    } catch (failure) {
      this.#log.error('reload-failed', failureFields(failure))
      return
    }
    this.#health.reload(this.#material)
    this.#client.renew()
    this.#requests.renew()
    this.#kicks.renew()
    this.#log.info('reloaded', { hosts: Object.keys(this.#hosts).length })
  }

  async stop(): Promise<void> {
    clearTimeout(this.#recheck)
    this.#watching?.close()
    this.#stop.abort()
    this.#asked.flush()
    await Promise.all([this.#requests.close(), this.#kicks.close(), this.#health.close(GRACE_MS)])
    this.#client.close()
    this.#prepared.decisions.close()
  }

  /** What a rotation made is used as soon as it is whole; until then what there was before it is good. */
  #takeKeys(): void {
    const { configuration } = this.#prepared
    const { callout, kick } = this.#keys
    try {
      const setup = readSetup(configuration)
      // It needs none of our files, which may be copies that only the next start makes.
      this.#sentinel = sentinelOf(setup)
      this.#keys = readKeys(configuration, setup)
    } catch (failure) {
      this.#log.error('keys-not-taken', failureFields(failure))
      return
    }
    this.#answers = answersOf(this.#keys)
    if (this.#keys.callout.jwt !== callout.jwt) this.#requests.renew()
    if (this.#keys.kick.jwt !== kick.jwt) this.#kicks.renew()
    this.#log.info('keys-taken', { generation: this.#keys.setup.generation })
  }

  #link(name: string, creds: () => Creds, onUp?: LinkOptions['onUp']): BrokerLink {
    const { node } = this.#prepared.configuration
    return new BrokerLink({
      ...{ name, retry: RETRY, log: this.#log },
      open: () => connectBroker(this.#target(), { creds: creds(), inbox: `_INBOX.${name}`, name: `${node} ${name}` }),
      onUp,
      onRefused: ({ guard, reason }) => {
        const refusal = { ...refusedStart({ guard, reason, target: node }), listener: name, layer: 'broker' as const }
        recordUnanswered(this.#prepared.decisions, this.#log, { ...refusal, action: 'callout:connect' })
      },
    })
  }

  #target(): BrokerTarget {
    const { server, localAddress, connectTimeoutMs } = this.#prepared.configuration
    const { certificate, key, trusted } = this.#material
    return { server, localAddress, connectTimeoutMs, ca: trusted, cert: certificate, key }
  }

  async #notReady(): Promise<string | undefined> {
    for (const link of [this.#requests, this.#kicks]) {
      const { state, lastError } = link.state()
      if (state !== 'connected') return lastError ?? 'broker_unreachable'
    }
    return (await isAuthReady(this.#policy)) ? undefined : 'auth_unavailable'
  }

  /** In a queue group, so that of several callouts one answers. */
  #listen(connection: NatsConnection): void {
    connection.subscribe(REQUESTS, {
      queue: 'auth-callout',
      callback: (failure, message) => {
        if (failure === null) this.#asked.add({ connection, message, cameAt: performance.now() })
      },
    })
  }

  async #answer({ connection, message, cameAt }: Asked): Promise<void> {
    const serverCurve = message.headers?.get(SERVER_CURVE_HEADER) || undefined
    const request = readRequest(message.data, serverCurve, this.#keys.curve)
    const judged = await this.#judge.login(request, connection.info?.server_id ?? '', cameAt)
    // What cannot be read cannot be answered: there is nobody to name.
    if (request === undefined || serverCurve === undefined) return
    const answer = await this.#answerFor(request, judged)
    const sealed = this.#keys.curve.seal(new TextEncoder().encode(answer), serverCurve)
    const sent = headers()
    sent.set(SERVER_CURVE_HEADER, this.#keys.setup.keys.curve)
    message.respond(sealed, { headers: sent })
  }

  async #answerFor(request: LoginRequest, judged: Judged): Promise<string> {
    if (judged.host === undefined) return this.#answers.deny(request, judged.decision)
    const { host, exp, context } = judged
    const answer = await this.#answers.allow(request, host, exp)
    this.#admitted.add({ context, exp })
    return answer
  }

  #recheckLater(): void {
    this.#recheck = setTimeout(() => {
      this.#recheckAll()
        .catch((failure: unknown) => this.#log.error('recheck-failed', failureFields(failure)))
        .finally(() => this.#recheckLater())
    }, this.#prepared.configuration.recheckMs).unref()
  }

  async #recheckAll(): Promise<void> {
    const now = this.#policy.now() / 1000
    for (const one of this.#admitted) if (one.exp <= now) this.#admitted.delete(one)
    // A host whose connection breaks again and again stands here many times until its logins end, and is asked about once.
    const looks = [...Map.groupBy(this.#admitted, ({ context }) => context.token).values()].map((same) =>
      // What fails of one keeps nobody else in.
      this.#recheckSame(same).catch((failure: unknown) => this.#log.error('recheck-failed', failureFields(failure))),
    )
    await Promise.all(looks)
  }

  /** All of these came with one token. */
  async #recheckSame(same: readonly Admitted[]): Promise<void> {
    if (await this.#judge.live(same.map(({ context }) => context))) return
    for (const one of same) {
      this.#admitted.delete(one)
      const isIn = () => one.exp > this.#policy.now() / 1000
      void putOut(() => this.#kick(one.context.request), { isIn, signal: this.#stop.signal })
    }
  }

  /** @returns whether it left this process */
  async #kick({ server, client }: LoginRequest): Promise<boolean> {
    // The broker does nothing for whoever names no place for an answer.
    const options = { reply: '_INBOX.kick.answer' }
    try {
      await this.#kicks.use(async (connection) =>
        connection.publish(`$SYS.REQ.SERVER.${server.id}.KICK`, JSON.stringify({ cid: client.cid }), options),
      )
      return true
    } catch (failure) {
      this.#log.warn('kick-not-sent', failureFields(failure))
      return false
    }
  }
}
