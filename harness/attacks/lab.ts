import type { JWK } from 'jose'
import type { ScriptedIssuer } from '../counterparts/issuer/scripted-issuer.ts'
import { HoldfastError } from '../errors.ts'
import { tokensIn } from '../evidence/redact.ts'
import type { Secrets } from '../evidence/secret-search.ts'
import { issueLeaf, type SigningAuthority } from '../pki/authority.ts'
import type { Identity } from '../pki/certificate.ts'
import type { Request } from '../protocols/http/exchange.ts'
import { type KeptConnections, keptConnections } from '../protocols/http/kept-connections.ts'
import type { CallOptions } from '../site/call.ts'
import { Credential } from '../site/credential.ts'
import { failureText } from '../site/failure-text.ts'
import type { FreshCredentials } from '../site/fresh-credentials.ts'
import { markJudged } from '../site/judging.ts'
import { type Judged, judgedAsDiffering, type KnownDifference } from '../site/known-differences.ts'
import type { ScenarioSite } from '../site/scenario-site.ts'
import { endpointOf, NotInPlan } from '../site/site-files.ts'
import { sharedStandIn } from '../site/stand-in.ts'
import type { Verdict } from '../site/verdict.ts'
import type { Action } from '../topology/kind.ts'
import type { PlanUnit } from '../topology/plan.ts'
import type { ActionVerification } from '../topology/verification.ts'
import { judge, type Outcome } from './outcome.ts'
import type { Scope } from './scope.ts'
import type { AttackTarget } from './surfaces.ts'

/** What a step of an attack demanded does not hold: the attack works, or something got in its way. Code `HOLDFAST_ATTACK_WORKS`. */
export class AttackWorks extends HoldfastError {
  constructor(what: string) {
    super('HOLDFAST_ATTACK_WORKS', what)
  }
}

/** What the attacks on one site share. */
export interface LabParts {
  readonly credentials: FreshCredentials
  /** Everything that the catalogue tries at the target. */
  readonly scopes: () => readonly Scope[]
  /** What all of them presented, which must be written down nowhere. */
  readonly secrets: Secrets
  /** As what the target is known to come out otherwise. */
  readonly known?: KnownDifference
}

/** Where one attack is tried: a launched site, one target in it, and everything that an insider could lay hands on. */
export class Lab {
  readonly site: ScenarioSite
  readonly target: AttackTarget
  /** How many demands were made so far: steps without a verdict must make one. */
  demands = 0
  /** Whether some call came out as the target is known to differ. */
  differed = false
  /** All that is tried at the target, this attack included. */
  readonly scopes: () => readonly Scope[]
  readonly #credentials: FreshCredentials
  readonly #known: KnownDifference | undefined
  readonly #secrets: Secrets
  readonly #presented = new Set<string>()
  readonly #nothing = new Credential('nothing', async () => ({}))

  constructor(site: ScenarioSite, target: AttackTarget, { credentials, scopes, known, secrets }: LabParts) {
    this.site = site
    this.target = target
    this.scopes = scopes
    this.#credentials = credentials
    this.#known = known
    this.#secrets = secrets
  }

  get plan() {
    return this.site.plan
  }

  /** The credential that is accepted at the target. Shared by all attacks of a site: derive from it, do not revoke it. */
  good(): Credential {
    const { name, node, surfaces } = this.target
    const asks = surfaces.has('client-certificate') || [...surfaces].some((one) => one.startsWith('takes:'))
    // Nothing is presented where nothing is asked for.
    if (name !== node && !asks) return this.#nothing
    return this.#credentials.named(this.target.credential)
  }

  /** One more of its kind, for an attack that spoils it. */
  anew(name: string = this.target.credential): Credential {
    return this.#credentials.anew(name)
  }

  /** Any credential of the plan, shared likewise. */
  credential(name: string): Credential {
    return this.#credentials.named(name)
  }

  /**
   * The target's action with a credential (the good one, unless another is given). One that was derived brings its positive
   * control with it.
   */
  call(credential: Credential = this.good(), options: CallOptions = {}): Promise<Verdict> {
    return this.callAt({}, credential, options)
  }

  /** Another action, at another node, or from another one. */
  async callAt(
    at: { from?: string; node?: string; action?: string },
    credential: Credential,
    options: CallOptions = {},
  ): Promise<Verdict> {
    const { from, node, action } = { ...this.target, ...at }
    const verdict = await this.site.call(from, node, action, credential, options)
    for (let one: Credential | undefined = credential; one !== undefined; one = one.base) {
      const { token } = await one.presented()
      if (token !== undefined) this.presents(token)
    }
    const { headers, path, form, json, body } = options
    for (const token of tokensIn(JSON.stringify([headers, path, form, json, body]))) this.presents(token)
    return verdict
  }

  /** Tells of a token that is shown to somebody, and must be written down nowhere. Those of calls are known. */
  presents(token: string): void {
    this.#presented.add(token)
    this.#secrets.addToken(token)
  }

  /** Every token that this attack showed so far. */
  get presented(): readonly string[] {
    return [...this.#presented]
  }

  /** A token for another certificate of a holder, who proves it first. */
  mint(identity: Identity, name: string = this.target.credential): Promise<string> {
    return this.#credentials.mint(name, identity)
  }

  /** A certificate renewed by its CA: same key, another thumbprint. `name`: the credential that it is one of. */
  renewed(identity: Identity, name: string): Promise<Identity> {
    return this.#credentials.renew(name, identity)
  }

  /**
   * A scripted issuer in the place of the target's, honest again, and the target started anew so that it knows no other. It is the
   * same one for all attacks on the stage `scripted-issuer`.
   */
  async standIn(): Promise<ScriptedIssuer> {
    // Made real while there is somebody who mints.
    await this.good().presented()
    const { issuer, isNew } = await sharedStandIn(this.site, this.issuer, `${this.target.node}/${this.target.unit}`)
    if (isNew) await this.restart()
    return issuer
  }

  /** Stops the target and starts it again: it forgets what it has learned. */
  async restart(): Promise<void> {
    await this.site.node(this.target.node).stop(this.target.unit)
    await this.site.node(this.target.node).start(this.target.unit)
  }

  /** The private key of the auth server whose tokens the target believes: what an insider would sign with. */
  signingKey(): Promise<JWK> {
    return this.site.signingKey(this.issuer)
  }

  /** How the target judges callers, as the plan says. @throws NotInPlan */
  get verification(): ActionVerification {
    const verification = this.#unit.verification?.[this.target.action]
    if (verification === undefined)
      throw new NotInPlan(this.site.site, `${this.target.name} does not say how it judges`, [])
    return verification
  }

  /** The audience by which the target calls itself. @throws NotInPlan */
  get audience(): string {
    const [own] = this.verification.audiences
    if (own === undefined) throw new NotInPlan(this.site.site, `${this.target.name} has no audience`, [])
    return own
  }

  /** The path of the target's request. */
  get path(): string {
    const { request } = this.#action
    return 'http' in request ? request.http.path : request.websocket.path
  }

  /** The target's request as it is sent, with this token. */
  request(token: string): Request {
    const { request } = this.#action
    const headers = [['Authorization', `Bearer ${token}`] as const]
    if (!('http' in request)) return { method: 'GET', path: request.websocket.path, headers }
    const { method, path, json } = request.http
    if (json === undefined) return { method, path, headers }
    return { method, path, headers: [...headers, ['Content-Type', 'application/json']], body: JSON.stringify(json) }
  }

  /** Connections to the target that are kept and used again, over the certificate of a credential. */
  async kept(credential: Credential, most: number): Promise<KeptConnections> {
    const { listener } = this.#action
    const { port, address } = this.#unit.service?.listeners.find(({ name }) => name === listener) ?? {}
    const { from, host, domain } = this.target
    const anchorPem = await this.site.anchor(domain)
    const endpoint = endpointOf(this.site.site, `https://${host}:${port}`, { from, anchorPem })
    const { identity } = await credential.presented()
    // A service that is up already does not listen at the address of its node.
    return keptConnections({ ...endpoint, ...(address !== undefined && { address }), identity }, most)
  }

  /** Whether somebody else wrote the target: it says less about its refusals, and answers in words of its own. */
  get isForeign(): boolean {
    return this.#unit.proof !== undefined
  }

  /** What the main process of the target holds in memory now, in kB; undefined where the site did not start it. */
  memoryKb(): Promise<number | undefined> {
    const { node, unit } = this.target
    return this.site.residentKb(node, unit)
  }

  get #unit(): PlanUnit {
    const unit = this.plan.nodes[this.target.node]?.units.find(({ name }) => name === this.target.unit)
    if (unit === undefined) throw new NotInPlan(this.site.site, `there is no ${this.target.name}`, [])
    return unit
  }

  get #action(): Action {
    const action = this.#unit.actions?.[this.target.action]
    if (action === undefined) throw new NotInPlan(this.site.site, `${this.target.name} has no action`, [])
    return action
  }

  /** How far the times of a token may be off there; what is not told is taken for none. */
  get skewSeconds(): number {
    return this.verification.clockSkewSeconds ?? 0
  }

  /** A listener at the caller's, with a certificate of the CA that the target trusts; it serves these keys and counts who comes. */
  async listenAsIssuer(keys: readonly JWK[] = []): Promise<ScriptedIssuer> {
    const { address, host } = this.site.node(this.target.from)
    const authority = await this.authority('target')
    const certificate = await issueLeaf({ authority, subject: host, sans: [host] })
    return this.site.listenAsIssuer({ address, host, certificate, keys })
  }

  /** The node of the auth server whose tokens the target believes. */
  get issuer(): string {
    const url = this.verification.issuer
    const domain = Object.values(this.plan.trustDomains).find(({ issuerUrl }) => issuerUrl === url)
    if (domain?.issuer === undefined) throw new NotInPlan(this.site.site, `nobody issues tokens of ${url}`, [])
    return domain.issuer
  }

  /** The CA key that signs for a trust domain. Default: that of the caller; `target`: that of the target. */
  authority(whose: 'caller' | 'target' = 'caller'): Promise<SigningAuthority> {
    const domain = whose === 'target' ? this.target.domain : this.plan.nodes[this.target.from]!.domain
    return this.site.authority(this.plan.trustDomains[domain]!.ca)
  }

  /** The root key behind `authority()`. */
  root(): Promise<SigningAuthority> {
    const { domain } = this.plan.nodes[this.target.from]!
    return this.site.authority(this.plan.trustDomains[domain]!.ca, 'root')
  }

  /** Something that must hold beside the verdict; `otherwise` says what the attacker gained. */
  demand(holds: boolean, otherwise: string): void {
    this.demands += 1
    if (!holds) throw new AttackWorks(`${this.target.name}: ${otherwise}\nagain     ${this.site.again}`)
  }

  /** Judges a call on the way to the attack, with all that is asserted of a refusal. */
  judge(verdict: Verdict, outcome: Outcome): void {
    this.demands += 1
    // What must be accepted on the way is a control, and none of what the target is known for.
    const isControl = outcome.every(({ is }) => is === 'accepted')
    const { expected, problems } = isControl ? judge(outcome, verdict) : this.judged(verdict, outcome)
    markJudged(verdict)
    if (problems.length > 0) throw new AttackWorks(failureText(expected, verdict, problems))
  }

  /** What was expected, and what speaks against it: as the target is known to differ, where it is. */
  judged(verdict: Verdict, outcome: Outcome): Judged {
    const standard = judge(outcome, verdict)
    if (this.#known === undefined) return standard
    this.differed = true
    return judgedAsDiffering(verdict, standard, this.#known)
  }
}
