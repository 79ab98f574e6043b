import type { JWK } from 'jose'
import type { PlanBoundToken } from '../credentials/bound-token/planned.ts'
import { tokensIn } from '../credentials/bound-token/secrets.ts'
import { type TokenTrust, trustIn } from '../credentials/bound-token/trust.ts'
import type { PlanCertificate } from '../credentials/certificate/planned.ts'
import { NotIssued } from '../credentials/live-kind.ts'
import { credentialsOf } from '../credentials/of-kind.ts'
import { guessedBy } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'
import type { SigningAuthority } from '../pki/authority.ts'
import type { Identity } from '../pki/certificate.ts'
import type { CallOptions } from '../site/call.ts'
import { Credential } from '../site/credential.ts'
import { demandJudged } from '../site/evidence-text.ts'
import type { FreshCredentials } from '../site/fresh-credentials.ts'
import { NotOurs } from '../site/insider.ts'
import { type Judged, judgedAsDiffering, type KnownDifference } from '../site/known-differences.ts'
import type { ScenarioSite } from '../site/scenario-site.ts'
import { NotInPlan } from '../site/site-files.ts'
import { type Target, targetOf } from '../site/targets.ts'
import type { Verdict } from '../site/verdict.ts'
import { TokenNotReadable } from '../tokens/forge.ts'
import { judgeOutcome, type Outcome } from './outcome.ts'
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
  /** As what the target is known to come out otherwise. */
  readonly known?: KnownDifference
}

type Place = Pick<AttackTarget, 'from' | 'node' | 'action'>

/** Where one attack is tried: a launched site, one target in it, and everything that an insider could lay hands on. */
export class Lab {
  readonly site: ScenarioSite
  readonly target: AttackTarget
  /** How many demands were made so far: steps without a verdict must make one. */
  demands = 0
  /** Whether some call came out as the target is known to differ. */
  differed = false
  readonly #parts: LabParts
  readonly #presented = new Set<string>()
  readonly #nothing = new Credential('nothing', async () => ({}))

  constructor(site: ScenarioSite, target: AttackTarget, parts: LabParts) {
    this.site = site
    this.target = target
    this.#parts = parts
  }

  /** All that is tried at the target, this attack included. */
  get scopes(): readonly Scope[] {
    return this.#parts.scopes()
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
    return this.#parts.credentials.named(this.target.credential)
  }

  /** One more of its kind, for an attack that spoils it. */
  anew(name: string = this.target.credential): Credential {
    return this.#parts.credentials.anew(name)
  }

  /** Any credential of the plan, shared likewise. */
  credential(name: string): Credential {
    return this.#parts.credentials.named(name)
  }

  /**
   * The target's action with a credential (the good one, unless another is given). One that was derived brings its positive
   * control with it.
   */
  call(credential: Credential = this.good(), options: CallOptions = {}): Promise<Verdict> {
    return this.callAt({}, credential, options)
  }

  /** Another action, at another node, or from another one. */
  async callAt(at: Partial<Place>, credential: Credential, options: CallOptions = {}): Promise<Verdict> {
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
    this.site.site.secrets.add(guessedBy(token))
  }

  /** Every token that this attack showed so far. */
  get presented(): readonly string[] {
    return [...this.#presented]
  }

  /** A token for another certificate of a holder, who proves it first. */
  async mint(identity: Identity): Promise<string> {
    return (await this.#parts.credentials.beside(this.target.credential, { certificate: identity })).token!
  }

  /** The private key of the auth server whose tokens the target believes: what an insider would sign with. */
  signingKey(): Promise<JWK> {
    return this.site.signingKey(this.issuer)
  }

  /** Which tokens the target believes, as the plan says. @throws NotInPlan */
  get trust(): TokenTrust {
    const { verification } = this.planned
    if (verification === undefined)
      throw new NotInPlan(this.site.site, `${this.target.name} does not say how it judges`, [])
    return trustIn(verification)
  }

  /** The attacked action: its unit, its listener, how its decisions are seen. @throws NotInPlan */
  get planned(): Target {
    return targetOf(this.site.site, this.target.node, this.target.action)
  }

  /** The first token of the plan that fits; `otherwise` says what there is not. @throws AttackWorks */
  tokenWhere(fits: (token: PlanBoundToken) => boolean, otherwise: string): PlanBoundToken {
    const found = credentialsOf(this.plan, 'bound-token').find(fits)
    if (found === undefined) throw new AttackWorks(otherwise)
    return found
  }

  /** The certificate with which the target serves. @throws AttackWorks */
  get ownCertificate(): PlanCertificate {
    const { node, host } = this.target
    const held = credentialsOf(this.plan, 'certificate').filter(({ holders }) => holders.includes(node))
    const found = held.find(({ sans }) => sans.includes(host))
    if (found === undefined) throw new AttackWorks(`${node} holds no certificate of its own in the plan`)
    return found
  }

  /** Why an attack came to no end: what it would have changed may be the issuer's alone. */
  explained(failure: unknown): unknown {
    const { opaque, boundTo } = this.#goodToken ?? {}
    if (opaque && failure instanceof TokenNotReadable) return new NotOurs(`what stands in the tokens of ${this.issuer}`)
    const isKept = credentialsOf(this.plan, 'certificate').some(({ name, kept }) => kept && name === boundTo)
    return isKept && failure instanceof NotIssued ? new NotOurs(`what ${this.issuer} knows its clients by`) : failure
  }

  get #goodToken(): PlanBoundToken | undefined {
    return credentialsOf(this.plan, 'bound-token').find(({ name }) => name === this.target.credential)
  }

  /** The node of the auth server whose tokens the target believes. */
  get issuer(): string {
    const { issuer: url } = this.trust
    const domain = Object.values(this.plan.trustDomains).find(({ issuerUrl }) => issuerUrl === url)
    if (domain?.issuer === undefined) throw new NotInPlan(this.site.site, `nobody issues tokens of ${url}`, [])
    return domain.issuer
  }

  /** The CA key that signs for a trust domain, that of the caller or of the target; or the root key behind it. */
  authority(whose: 'caller' | 'target' = 'caller', which?: 'root'): Promise<SigningAuthority> {
    const domain = whose === 'target' ? this.target.domain : this.plan.nodes[this.target.from]!.domain
    return this.site.authority(this.plan.trustDomains[domain]!.ca, which)
  }

  /** Something that must hold beside the verdict; `otherwise` says what the attacker gained. */
  demand(holds: boolean, otherwise: string): void {
    this.demands += 1
    if (!holds) throw new AttackWorks(`${this.target.name}: ${otherwise}\nagain     ${this.site.test.again}`)
  }

  /** Judges a call on the way to the attack, with all that is asserted of a refusal. */
  judge(verdict: Verdict, outcome: Outcome): void {
    this.demands += 1
    // What must be accepted on the way is a control, and none of what the target is known for.
    const isControl = outcome.every(({ is }) => is === 'accepted')
    const judged = isControl ? judgeOutcome(outcome, verdict) : this.judged(verdict, outcome)
    demandJudged(verdict, judged, (text) => new AttackWorks(text))
  }

  /** What was expected, and what speaks against it: as the target is known to differ, where it is. */
  judged(verdict: Verdict, outcome: Outcome): Judged {
    const standard = judgeOutcome(outcome, verdict)
    const { known } = this.#parts
    if (known === undefined) return standard
    this.differed = true
    return judgedAsDiffering(verdict, standard, known)
  }
}
