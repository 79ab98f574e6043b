import { renewAtCa, signAtCa } from '../agent/enrol.ts'
import type { Site } from '../backends/backend.ts'
import type { PlanBoundToken } from '../credentials/bound-token/planned.ts'
import type { PlanCertificate } from '../credentials/certificate/planned.ts'
import { credentialOf } from '../credentials/of-kind.ts'
import { guessedBy } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'
import { type Identity, thumbprintS256 } from '../pki/certificate.ts'
import { newRequest } from '../pki/request.ts'
import { exchange } from '../protocols/http/exchange.ts'
import { holderOf } from '../topology/holders.ts'
import type { HttpCall, PlanCredential } from '../topology/plan.ts'
import { Credential } from './credential.ts'
import { anchorOf, endpointOf, NotInPlan, readRendered } from './site-files.ts'

/** The issuer would not make the credential that a test needs. Code `HOLDFAST_NOT_ISSUED`. */
export class NotIssued extends HoldfastError {
  constructor(credential: string, step: string, status: number | null, body: string) {
    super(
      'HOLDFAST_NOT_ISSUED',
      `credential ${credential}: to ${step} was answered with ${status}: ${body.slice(0, 300)}`,
    )
  }
}

/**
 * Credentials of one test: like those of the plan, but made anew, so that no test depends on what another one did to them.
 * Certificates come from the real CA, tokens from the real auth server, by the same hand-overs that the nodes use.
 */
export class FreshCredentials {
  readonly #site: Site
  readonly #made = new Map<string, Credential>()

  constructor(site: Site) {
    this.#site = site
  }

  /** The credential of that name, the same for the whole test. @throws NotInPlan */
  named(name: string): Credential {
    const known = this.#made.get(name)
    if (known) return known
    const fresh = this.anew(name)
    this.#made.set(name, fresh)
    return fresh
  }

  /** One more credential like it: another certificate, or another token over the same certificate. @throws NotInPlan */
  anew(name: string): Credential {
    const declared = this.#declared(name)
    if (declared.kind === 'certificate') {
      return new Credential(name, async () => ({ certificate: await this.#enrol(declared) }))
    }
    const holder = this.named(declared.boundTo)
    return new Credential(name, async () => {
      const certificate = await holder.identity()
      return { certificate, token: await this.mint(name, certificate) }
    })
  }

  /** A certificate of that name renewed by its CA: the same key, another thumbprint. @throws NotInPlan */
  async renew(name: string, identity: Identity): Promise<Identity> {
    const declared = credentialOf(this.#site.plan, 'certificate', name)
    const { enrol } = declared
    const anchorPem = await readRendered(this.#site, holderOf(declared), enrol.anchor)
    const resolveTo = this.#site.resolve(new URL(enrol.url).hostname)
    const { certPem } = await renewAtCa({ url: enrol.url, resolveTo, anchorPem, identity })
    return { certPem, keyPem: identity.keyPem }
  }

  /** Others that share the certificates made so far, and none of the tokens. */
  withCertificates(): FreshCredentials {
    const others = new FreshCredentials(this.#site)
    for (const [name, made] of this.#made) {
      if (this.#declared(name).kind === 'certificate') others.#made.set(name, made)
    }
    return others
  }

  /** The token of that name, minted for a certificate that is proven to the issuer first. */
  async mint(name: string, identity: Identity): Promise<string> {
    const declared = credentialOf(this.#site.plan, 'bound-token', name)
    const { mint } = declared
    await this.#prove(declared, mint.prove, identity)
    const json = { ...(mint.mint.json as Record<string, unknown>), 'x5t#S256': thumbprintS256(identity.certPem) }
    const answer = await this.#site.callFrom(declared.issuer, { ...mint.mint, json })
    const token = (answer.json as Record<string, unknown> | undefined)?.[mint.member]
    if (typeof token !== 'string') throw new NotIssued(name, 'mint it', answer.status, JSON.stringify(answer.json))
    this.#site.secrets.add(guessedBy(token))
    return token
  }

  async #prove(declared: PlanBoundToken, prove: HttpCall, identity: Identity): Promise<void> {
    const anchorPem = await anchorOf(this.#site, this.#site.plan.nodes[declared.issuer]?.domain ?? '')
    const endpoint = endpointOf(this.#site, prove.url, { from: holderOf(declared), anchorPem })
    const { pathname, search } = new URL(prove.url)
    const headers = [['Content-Type', 'application/json']] as const
    const body = prove.json === undefined ? undefined : JSON.stringify(prove.json)
    const request = { method: prove.method, path: pathname + search, headers, body }
    const answer = await exchange({ ...endpoint, identity }, request)
    if (answer.status === null || !prove.expect.includes(answer.status)) {
      const said = answer.failure ? `${answer.failure.code} ${answer.failure.message}` : answer.body
      throw new NotIssued(declared.name, 'prove its holder', answer.status, said)
    }
  }

  async #enrol(declared: PlanCertificate): Promise<Identity> {
    const { enrol } = declared
    const { keyPem, csrPem, x5rt } = await newRequest(enrol)
    this.#site.secrets.add(guessedBy(keyPem))
    const ott = await this.#site.oneTimeToken(enrol.ca, {
      url: enrol.url,
      provisioner: enrol.provisioner,
      subject: enrol.subject,
      sans: enrol.sans,
      x5rt,
    })
    const { url, lifetimeSeconds } = enrol
    const anchorPem = await readRendered(this.#site, holderOf(declared), enrol.anchor)
    const resolveTo = this.#site.resolve(new URL(url).hostname)
    const { certPem } = await signAtCa({ url, resolveTo, anchorPem, csrPem, ott, lifetimeSeconds })
    return { certPem, keyPem }
  }

  #declared(name: string): PlanCredential {
    const declared = this.#site.plan.credentials[name]
    const known = Object.keys(this.#site.plan.credentials)
    if (!declared) throw new NotInPlan(this.#site, `there is no credential ${name}`, known)
    return declared
  }
}
