import { join } from 'node:path'
import type { Site, SiteClock } from '../backends/backend.ts'
import { listenAsIssuer, type ScriptedIssuerOptions } from '../counterparts/issuer/scripted-issuer.ts'
import { listenAsPeer, type ScriptedPeerOptions } from '../counterparts/peer/scripted-peer.ts'
import type { DecisionRecord } from '../evidence/decision.ts'
import { evidenceName, recordCall } from '../evidence/history.ts'
import { ownClockSeconds, setOwnClockSeconds } from '../faults/clock/own-clock.ts'
import type { Session, SessionEnd } from '../protocols/session.ts'
import { type Crowd, openCrowd, type Upgrading } from '../protocols/tls/crowd.ts'
import { holderOf, placeOf } from '../topology/holders.ts'
import { networkOf } from '../topology/networks.ts'
import { boundOn } from './bound.ts'
import type { CallOptions, CallParts } from './call.ts'
import type { Credential } from './credential.ts'
import { type Picture, settlesWithinMs } from './effects.ts'
import type { ToldCall } from './evidence-text.ts'
import { markOf } from './far-end.ts'
import { FreshCredentials } from './fresh-credentials.ts'
import { fillDisk } from './full-disk.ts'
import { authorityOf, signingKeyOf } from './insider.ts'
import { makeCall, verdictOf } from './judged-call.ts'
import { Judging } from './judging.ts'
import { type Ledger, SharedControls } from './ledger.ts'
import { observations } from './observation.ts'
import { keptOperatorClient, type OperatorClient, operatorClient, operatorWatcher } from './operator-client.ts'
import { type TestedNode, withShell } from './shell.ts'
import { endpointAt, NotInPlan, plannedCredential, rendered } from './site-files.ts'
import { type StandIn, type StandInOptions, standInForIssuer } from './stand-in.ts'
import { pidOf, targetOf } from './targets.ts'
import { DeniedLate, patienceMs, timeToDeny } from './time-to-deny.ts'
import type { About } from './told-failure.ts'
import { isProbing, type UntilOptions, until, waitAtHand } from './until.ts'
import type { Verdict } from './verdict.ts'

/** Which test asks: where its evidence goes, and what to type to run it again. */
export interface TestName {
  readonly name: string
  readonly again: string
  /** Times that the test held against a bound. */
  readonly measured?: MeasuredTime[]
  readonly calls?: ToldCall[]
}

/** How long something took, and how long it may take, in ms. */
export interface MeasuredTime {
  readonly what: string
  readonly ms: number
  readonly boundMs: number
}

/** What all tests of one file share about their site. */
export class SharedKnowledge {
  readonly pictures = new Map<string, Picture>()
  /** How long a record is waited for, and a target that may have changed, in ms: for sites that write and settle at once. */
  readonly patience?: { readonly recordMs: number; readonly settleMs: number }
  /** Accepted calls that the refusals of several tests are held against. */
  readonly controls = new SharedControls<ScenarioSite>()
  /** By node: what stands in for its auth server, and who was started since. */
  readonly standIns = new Map<string, { readonly standIn: Promise<StandIn>; readonly known: Set<string> }>()
}

/** An admitted session and the verdict on the call that opened it. */
export interface OpenedSession {
  readonly verdict: Verdict
  readonly session: Session
}

/** What a node wrote down since the tap was set. */
export interface Tap {
  decisions(match?: Partial<DecisionRecord>): Promise<readonly DecisionRecord[]>
  logs(): readonly string[]
}

/** A launched site as one test sees it: calls with verdicts, and what a scenario needs around them. */
export class ScenarioSite implements AsyncDisposable {
  readonly site: Site
  readonly ledger: Ledger = []
  /** Sees to it that no call of the test goes unjudged. */
  readonly judging = new Judging()
  readonly test: TestName
  /** What the test is about; for whoever reads how it failed. */
  about: About = {}
  /** What it shares with the other tests of its file. */
  readonly shared: SharedKnowledge
  readonly #owned = new AsyncDisposableStack()
  readonly #decidedBefore = new Map<string, number>()
  readonly #waits: object[] = []
  readonly parts: CallParts
  readonly observerOf: ReturnType<typeof observations>
  /** Accepted calls of tests before this one, where it holds its refusals against them. */
  controls: SharedControls<ScenarioSite> | undefined
  /** Those of the plan, made anew for this test. */
  readonly credentials: FreshCredentials

  constructor(site: Site, test: TestName, shared: SharedKnowledge, parts: CallParts) {
    this.site = site
    this.test = test
    this.shared = shared
    this.parts = parts
    this.observerOf = observations(site, parts)
    this.credentials = new FreshCredentials(site, parts.live)
  }

  /**
   * A bound, or a lifetime, of any unit, as it is on these nodes: where the site is so many times as slow (`Site.slowness`), so many times as long. For what a
   * test measures or lets live itself; those that it hands over (`until`, `denied`, `ended`, `withinMs` of a refusal) are stretched there.
   */
  bound(ms: number): number {
    return boundOn(this.site, ms)
  }

  /** How long a target that may have changed is waited for to be as it was. */
  get settleMs(): number {
    return this.bound(this.shared.patience?.settleMs ?? settlesWithinMs)
  }

  get plan() {
    return this.site.plan
  }

  readonly node = (name: string): TestedNode => withShell(this.site.node(name))

  /**
   * Does an action at `to` from the address of `from`, over a connection of its own, and joins what the caller saw with what
   * the far end wrote down. With a derived credential its base is called first, as positive control; so is the plain call where
   * `options.headers` are attacked.
   */
  async call(
    from: string,
    to: string,
    action: string,
    credential: Credential,
    options: CallOptions = {},
  ): Promise<Verdict> {
    return this.judging.watch(verdictOf(this, from, to, action, credential, options))
  }

  /** The same for an action that opens a session, which stays open until the test closes it or ends. Rejects when refused. */
  async open(from: string, to: string, action: string, credential: Credential): Promise<OpenedSession> {
    const { verdict, session } = await makeCall(this, from, to, action, credential, {})
    if (session === undefined) {
      const reason = verdict.reason ?? verdict.failure?.code ?? 'no reason is known'
      throw new NotInPlan(this.site, `${to} opened no session for ${credential.label} (${reason})`, [])
    }
    this.#owned.defer(() => session.close())
    return { verdict, session }
  }

  /**
   * The clock of one node, which moves away from all others; or, without a name, of all nodes and of the test itself, so that
   * what it makes, checks and expects agrees with them. For scenarios with `clock: 'movable'`.
   */
  clock(node?: string): SiteClock {
    const clock = this.site.clock(node)
    if (node !== undefined) return clock
    const shift = async (seconds: number) => {
      await clock.shift(seconds)
      setOwnClockSeconds(ownClockSeconds() + seconds)
    }
    return { offsetSeconds: clock.offsetSeconds, shift }
  }

  /** Waits for an answer that is neither undefined, null nor false, within a bound; never a fixed time. */
  readonly until = <T>(what: string, probe: () => T | Promise<T>, options: UntilOptions) =>
    until(what, probe, { ...options, withinMs: this.bound(options.withinMs) })

  /**
   * Calls until it is refused, and answers that verdict. The bound, in ms from now, is for the beginning of a call that is still
   * accepted: how long its answer takes is the machine's affair.
   *
   * @throws DeniedLate, NotReached when it is never refused
   */
  async denied(what: string, call: () => Promise<Verdict>, options: { withinMs: number }): Promise<Verdict> {
    const withinMs = this.bound(options.withinMs)
    const { verdict, afterMs } = await timeToDeny(what, call, withinMs, this.bound(patienceMs))
    this.measured(`${what} is refused`, afterMs, withinMs)
    if (afterMs > withinMs) throw new DeniedLate(what, afterMs, withinMs)
    return verdict
  }

  /** How a session ended, whoever ended it. @throws NotReached when it lives on */
  ended({ ended }: Session, options: UntilOptions): Promise<SessionEnd> {
    let end: SessionEnd | undefined
    void ended.then((how) => {
      end = how
    })
    return this.until('the session ends', () => end, options)
  }

  /** Writes a measured time down beside its bound, for the verdict and the evidence, and answers it to be expected. */
  measured(what: string, ms: number, boundMs: number): number {
    const time: MeasuredTime = { what, ms: Math.round(ms), boundMs }
    this.test.measured?.push(time)
    recordCall(this.site, new Date().toISOString(), { test: this.test.name, measured: time })
    return ms
  }

  /**
   * The operator or local API of a node, with the operator certificate of its trust domain. Each call has a connection of its own;
   * but a probe of {@link until}, which only waits for the node, looks over a kept one.
   */
  operator(node: string): OperatorClient {
    const client = operatorClient(this.site, node)
    const watcher = operatorWatcher(this.site, node)
    return { ...client, get: (path) => (isProbing() ? watcher : client).get(path) }
  }

  /** The same over so many connections that are kept until the test ends, for calls by the hundred. */
  readonly keptOperator = async (node: string, connections: number): Promise<OperatorClient> =>
    this.own(await keptOperatorClient(this.site, node, connections))

  /**
   * Decision records of a node so far that hold all members of `match`; with the `conn` of a call those since it began, for the
   * address and port of one connection may be those of another one later.
   */
  async decisions(node: string, match: Partial<DecisionRecord> = {}): Promise<readonly DecisionRecord[]> {
    const since = this.#decidedBefore.get(`${node} ${match.conn}`) ?? 0
    return (await this.site.node(node).decisions()).slice(since).filter((record) => holds(record, match))
  }

  /** A call over `conn` begins when its target has written so many decision records. */
  begins(node: string, conn: string, decided: number): void {
    this.#decidedBefore.set(`${node} ${conn}`, decided)
  }

  /** Which of the waits of this test is at hand, beginning with 1; undefined where whoever asks was not called by a probe. */
  waitAtHand(): number | undefined {
    const wait = waitAtHand()
    if (wait !== undefined && !this.#waits.includes(wait)) this.#waits.push(wait)
    return wait && this.#waits.indexOf(wait) + 1
  }

  /** Answers what a node writes down from now on. */
  async tap(node: string): Promise<Tap> {
    const at = this.site.node(node)
    const { decided, logged } = await markOf(this.site, node)
    return {
      decisions: async (match = {}) => (await at.decisions()).slice(decided).filter((record) => holds(record, match)),
      logs: () => at.logs().slice(logged),
    }
  }

  /** A hostile peer on an address of this run; closed when the test ends. */
  readonly listenAsPeer = async (options: ScriptedPeerOptions) => this.own(await listenAsPeer(options))

  /** A hostile issuer on an address of this run; closed when the test ends. */
  readonly listenAsIssuer = async (options: ScriptedIssuerOptions) => this.own(await listenAsIssuer(options))

  /**
   * Cuts two nodes off from each other as a broken network does: nothing passes, and neither is told. Ended by {@link heal}, or when the
   * test ends. For scenarios with `needs: ['partition']`.
   */
  async partition(a: string, b: string): Promise<void> {
    await this.site.partition(a, b)
    this.#owned.defer(() => this.site.heal())
  }

  /**
   * Fills the disk of a unit, for its process of now: none of its files grows beyond so many bytes. Ended by what comes back, or when the
   * test ends.
   */
  async fullDisk(node: string, unit: string, bytes: number): Promise<() => Promise<void>> {
    const free = await fillDisk(this, node, unit, bytes)
    this.#owned.defer(free)
    return free
  }

  /** Ends all partitions: all passes again, what was held back first. */
  readonly heal = (): Promise<void> => this.site.heal()

  /**
   * So many connections to the listener of an action that say little or nothing, from so many addresses of this run that are nobody's
   * (0: from the address of `from`); beside them one of each in `upgrading`, who asks for the session of the action and then says
   * nothing. Closed when the test ends.
   */
  async crowd(
    from: string,
    to: string,
    action: string,
    credential: Credential,
    { count, addresses, upgrading = [] }: { count: number; addresses: number; upgrading?: readonly Credential[] },
  ): Promise<Crowd> {
    const target = targetOf(this.site, to, action)
    const { path = '/', protocol = '' } = (target.action.request.websocket ?? {}) as Partial<Upgrading>
    const asking = upgrading.map(async (one) => {
      return { path, protocol, identity: await one.identity(), token: await one.token() }
    })
    const endpoint = await endpointAt(this.site, from, target)
    const network = networkOf(this.plan.nodes[to]!, target.listener)
    const seats = addresses === 0 ? [endpoint.seat] : this.site.strangers(addresses, network)
    const identity = await credential.identity()
    return this.own(await openCrowd({ ...endpoint, seats, identity, count, upgrading: await Promise.all(asking) }))
  }

  /** What the main process of a unit holds in memory now, in kB; undefined where the site did not start it. */
  async residentKb(node: string, unit: string): Promise<number | undefined> {
    const pid = pidOf(this.site, node, unit)
    if (pid === undefined) return undefined
    const { stdout } = await this.node(node).exec(['cat', `/proc/${pid}/status`])
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(stdout)?.[1])
  }

  /**
   * A hostile issuer in the place of an auth server, which is stopped meanwhile: same address, ports, name and signing key, and a
   * certificate of the same CA. A node that is started anew knows nothing of the real one. Given back by `restore`, or when the test ends.
   */
  readonly standInForIssuer = async (node: string, options: StandInOptions = {}): Promise<StandIn> =>
    this.own(await standInForIssuer(this, node, options))

  /** The private key that the auth server of a node began to sign with: what an insider would have. */
  readonly signingKey = (node: string) => signingKeyOf(this.site, node)

  /** The issuing key of a real CA, or that of its root: makes trusted certificates that no CA would sign. */
  readonly authority = (node: string, which: 'issuing' | 'root' = 'issuing') => authorityOf(this.site, node, which)

  /** What lies at the holder of a credential: that which the node itself uses, not a fresh one. @throws NotInPlan */
  readonly held = (name: string) => this.credentials.held(name)

  /** Where a credential lies on its holder. @throws NotInPlan */
  pathOf(name: string): string {
    const credential = plannedCredential(this.site, name)
    return rendered(this.site, this.site.node(holderOf(credential)), placeOf(credential))
  }

  /** Path of the file that keeps the evidence of this test when it fails. */
  get evidence(): string {
    return join(this.site.evidence, `${evidenceName(this.test.name)}.md`)
  }

  /** Releases it when the test ends, the last one first, and answers it. */
  own<T extends AsyncDisposable | Disposable>(resource: T): T {
    return this.#owned.use(resource)
  }

  /** From now on this test holds its refusals against accepted calls of tests before it, where they fit. */
  shareControls(): SharedControls<ScenarioSite> {
    this.controls = this.shared.controls
    return this.controls
  }

  /** To be said before a unit is ended: what refusals of its process were held against is looked at while that is there. */
  async beforeEndOf(node: string, unit: string): Promise<void> {
    const process = pidOf(this.site, node, unit)
    if (process !== undefined) await this.shared.controls.closeOf(process, this)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync()
  }
}

function holds(record: DecisionRecord, match: Partial<DecisionRecord>): boolean {
  return Object.entries(match).every(([name, value]) => record[name as keyof DecisionRecord] === value)
}
