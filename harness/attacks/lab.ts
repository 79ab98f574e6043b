import type { JWK } from 'jose'
import { HoldfastError } from '../errors.ts'
import type { SigningAuthority } from '../pki/authority.ts'
import type { CallOptions } from '../vitest/call.ts'
import type { Credential } from '../vitest/credential.ts'
import type { FreshCredentials } from '../vitest/fresh-credentials.ts'
import { failureText } from '../vitest/matchers.ts'
import type { ScenarioSite } from '../vitest/scenario-site.ts'
import type { Verdict } from '../vitest/verdict.ts'
import { judge, type Outcome } from './outcome.ts'
import type { AttackTarget } from './surfaces.ts'

/** What a step of an attack demanded does not hold: the attack works, or something got in its way. Code `HOLDFAST_ATTACK_WORKS`. */
export class AttackWorks extends HoldfastError {
  constructor(what: string) {
    super('HOLDFAST_ATTACK_WORKS', what)
  }
}

/** Where one attack is tried: a launched site, one target in it, and everything that an insider could lay hands on. */
export class Lab {
  readonly site: ScenarioSite
  readonly target: AttackTarget
  /** How many demands were made so far: steps without a verdict must make one. */
  demands = 0
  readonly #credentials: FreshCredentials

  constructor(site: ScenarioSite, target: AttackTarget, credentials: FreshCredentials) {
    this.site = site
    this.target = target
    this.#credentials = credentials
  }

  get plan() {
    return this.site.plan
  }

  /** The credential that is accepted at the target. Shared by all attacks of a site: derive from it, do not revoke it. */
  good(): Credential {
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
  callAt(
    at: { from?: string; node?: string; action?: string },
    credential: Credential,
    options: CallOptions = {},
  ): Promise<Verdict> {
    const { from, node, action } = { ...this.target, ...at }
    return this.site.call(from, node, action, credential, options)
  }

  /** The private key of the auth server whose tokens the target believes: what an insider would sign with. */
  signingKey(): Promise<JWK> {
    return this.site.signingKey(this.issuer)
  }

  /** The node of the auth server whose tokens the target believes. */
  get issuer(): string {
    const believed = this.plan.nodes[this.target.node]?.units.find(({ name }) => name === this.target.unit)
    const url = believed?.verification?.[this.target.action]?.issuer
    const domain = Object.values(this.plan.trustDomains).find(({ issuerUrl }) => issuerUrl === url)
    if (domain?.issuer === undefined) throw new AttackWorks(`nobody in the plan issues tokens of ${url}`)
    return domain.issuer
  }

  /** The CA key that signs for a trust domain. Default: that of the caller; `target`: that of the target. */
  authority(whose: 'caller' | 'target' = 'caller'): Promise<SigningAuthority> {
    const domain = whose === 'target' ? this.target.domain : this.plan.nodes[this.target.from]!.domain
    return this.site.authority(this.plan.trustDomains[domain]!.ca)
  }

  /** Something that must hold beside the verdict; `otherwise` says what the attacker gained. */
  demand(holds: boolean, otherwise: string): void {
    this.demands += 1
    if (!holds) throw new AttackWorks(`${this.target.name}: ${otherwise}`)
  }

  /** Judges a call on the way to the attack, with all that is asserted of a refusal. */
  judge(verdict: Verdict, outcome: Outcome): void {
    this.demands += 1
    const { expected, problems } = judge(outcome, verdict)
    if (problems.length > 0) throw new AttackWorks(failureText(expected, verdict, problems))
  }
}
