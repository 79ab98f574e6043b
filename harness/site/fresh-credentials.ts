import type { Site } from '../backends/backend.ts'
import type { LiveKind, LiveKinds } from '../credentials/live-kind.ts'
import type { LiveSite } from '../credentials/live-site.ts'
import type { Presented } from '../credentials/parts.ts'
import { secretsOf } from '../credentials/secrets.ts'
import { holderOf } from '../topology/holders.ts'
import type { PlanCredential } from '../topology/plan.ts'
import { Credential } from './credential.ts'
import { hasKeyBeside } from './insider.ts'
import { liveSite } from './live-site.ts'
import { plannedCredential } from './site-files.ts'

/**
 * Credentials of one test: like those of the plan, but made anew, so that no test depends on what another one did to them. They come
 * from their real issuers, by the same hand-overs that the nodes use.
 */
export class FreshCredentials {
  /** The site as their kinds see it. */
  readonly at: LiveSite
  readonly #site: Site
  readonly #live: LiveKinds
  readonly #made = new Map<string, Credential>()

  readonly #by: 'issuer' | 'insider'

  /** `by`: who made them. An insider makes them anew where he has a key that the issuer does not publish. */
  constructor(site: Site, live: LiveKinds, { by = 'issuer' as 'issuer' | 'insider' } = {}) {
    this.#site = site
    this.#live = live
    this.#by = by
    const fresh = (name: string) => this.named(name).presented()
    this.at = liveSite(site, { fresh, held: (name) => this.held(name) })
  }

  /** The credential of that name, the same for the whole test. @throws NotInPlan */
  named(name: string): Credential {
    const { planned } = this.of(name)
    const made = () => (planned.kept ? new Credential(name, () => this.held(name)) : this.anew(name))
    const fresh = this.#made.get(name) ?? made()
    this.#made.set(name, fresh)
    return fresh
  }

  /** One more credential like it: another certificate, or another token over the same certificate. @throws NotInPlan */
  anew(name: string): Credential {
    this.of(name)
    return new Credential(name, () => this.beside(name))
  }

  /** One more that fits what is presented beside it, whatever the plan says of its companions. @throws NotInPlan */
  async beside(name: string, beside?: Presented): Promise<Presented> {
    const { planned, kind, holder } = this.of(name)
    const issued = await kind.fresh(planned, this.at, holder, beside)
    const isBeside = this.#by === 'insider' && hasKeyBeside(this.#site, planned.issuer)
    const made = isBeside ? { ...issued, ...(await kind.signedByInsider?.(issued, planned, this.at)) } : issued
    // What a test made itself and presents beside it may hold more than texts.
    const members = Object.values(made).flatMap((part): unknown[] =>
      typeof part === 'string' ? [part] : Object.values(part),
    )
    for (const text of members) if (typeof text === 'string') this.#site.secrets.add(secretsOf(text))
    return made
  }

  /** What lies at its holder: that which the node itself uses. @throws NotInPlan */
  async held(name: string): Promise<Presented> {
    const { planned, kind, holder } = this.of(name)
    return kind.held(planned, this.at, holder)
  }

  /** Others that share all that was made so far but what is presented as this part. */
  without(kind: LiveKind): FreshCredentials {
    const others = new FreshCredentials(this.#site, this.#live, { by: this.#by })
    for (const [name, made] of this.#made) if (this.of(name).kind !== kind) others.#made.set(name, made)
    return others
  }

  /** What is planned of a name, and its kind. @throws NotInPlan */
  of(name: string): { planned: PlanCredential; kind: LiveKind; holder: string } {
    const planned = plannedCredential(this.#site, name)
    return { planned, kind: this.#live.get(planned.kind)!, holder: holderOf(planned) }
  }
}
