import { randomBytes } from 'node:crypto'
import type { Site } from '../backends/backend.ts'
import { type Identity, thumbprintS256 } from '../pki/certificate.ts'
import { type Spoiling, spoiled } from '../pki/spoiled.ts'
import { type ClaimsMutation, mutateClaims, tamperSignature } from '../tokens/forge.ts'
import { inspectToken } from '../tokens/inspect.ts'
import type { Cell, PresentedCertificate, TokenState } from '../trust/cell.ts'
import { presentedText } from '../trust/cell.ts'
import { Credential } from './credential.ts'
import { FreshCredentials, NotIssued } from './fresh-credentials.ts'
import type { ScenarioSite } from './scenario-site.ts'

const hour = 3_600

/**
 * The credentials of a matrix, made real: what the issuers make comes from them, the rest is spoiled with their own keys. They are kept
 * for all tests of a site, since nothing but a rotation ends them; tokens to be revoked are minted for that.
 */
export class CellCredentials {
  readonly #site: Site
  #fresh: FreshCredentials
  readonly #made = new Map<string, Promise<unknown>>()
  #retired: Promise<void> | undefined

  constructor(site: Site) {
    this.#site = site
    this.#fresh = new FreshCredentials(site)
  }

  /** The node from whose address a cell is called: the holder of the token, else of the certificate. */
  callerOf({ token, certificate, target }: Cell): string {
    const name = token?.credential ?? (certificate.is === 'none' ? undefined : certificate.credential)
    return name === undefined ? target : this.#declared(name).holder
  }

  async of(site: ScenarioSite, cell: Cell): Promise<Credential> {
    const identity = await this.#identity(site, cell.certificate)
    const token = await this.#token(site, cell, identity)
    return new Credential(presentedText(cell), async () => ({ identity, token }))
  }

  /** Retires the keys of all issuers, once; tokens for the given cells are minted before that. */
  retireKeys(cells: readonly Cell[]): Promise<void> {
    this.#retired ??= this.#retire(cells)
    return this.#retired
  }

  async #retire(cells: readonly Cell[]): Promise<void> {
    const names = new Set(cells.flatMap(({ token }) => token?.credential ?? []))
    for (const name of names) this.#made.set(retiredKey(name), Promise.resolve(await this.#fresh.named(name).token()))
    const issuers = Object.values(this.#site.plan.trustDomains).flatMap(({ issuer }) => issuer ?? [])
    const { operatorClient } = await import('./operator-client.ts')
    for (const issuer of issuers) {
      const { status, body } = await operatorClient(this.#site, issuer).post('/operator/v1/keys/rotate', {
        mode: 'immediate',
      })
      if (status !== 200) throw new NotIssued(`of ${issuer}`, 'rotate its key', status, body)
    }
    this.#fresh = this.#fresh.withCertificates()
  }

  async #identity(site: ScenarioSite, certificate: PresentedCertificate): Promise<Identity | undefined> {
    switch (certificate.is) {
      case 'none':
        return undefined
      case 'own':
      case 'of another':
        return this.#fresh.named(certificate.credential).identity()
      default:
        return this.#spoiled(site, certificate.credential, certificate.is === 'expired' ? 'expired' : 'otherCa')
    }
  }

  #spoiled(site: ScenarioSite, name: string, spoiling: Spoiling): Promise<Identity> {
    return this.#once(`${spoiling} ${name}`, async () => {
      const { issuer, subject, sans = [subject] } = this.#declared(name)
      return spoiled[spoiling]({ authority: await site.authority(issuer), subject, sans })
    })
  }

  async #token(site: ScenarioSite, { token }: Cell, identity: Identity | undefined): Promise<string | undefined> {
    if (token === undefined) return undefined
    const { credential, state } = token
    const own = () => this.#fresh.named(credential).token()
    switch (state) {
      case 'fresh':
        return own()
      case 'key retired':
        return this.#once(retiredKey(credential), own)
      case 'tampered':
        return tamperSignature(await own())
      case 'revoked':
        return this.#once(`revoked ${credential}`, () => this.#revoked(site, credential))
      default:
        return this.#forged(site, credential, state, identity)
    }
  }

  async #revoked(site: ScenarioSite, name: string): Promise<string> {
    const token = await this.#fresh.anew(name).token()
    const { issuer } = this.#declared(name)
    const answer = await site.operator(issuer).post('/operator/v1/tokens/revoke', { jti: inspectToken(token)?.jti })
    if (answer.status !== 200) throw new NotIssued(name, 'revoke it', answer.status, answer.body)
    return token
  }

  /** The issuer never mints such tokens, so they are signed with its key. */
  async #forged(
    site: ScenarioSite,
    name: string,
    state: Exclude<TokenState, 'fresh' | 'key retired' | 'tampered' | 'revoked'>,
    identity: Identity | undefined,
  ): Promise<string> {
    const key = await this.#once(`key ${name}`, () => site.signingKey(this.#declared(name).issuer))
    return mutateClaims(await this.#fresh.named(name).token(), key, forgeries[state](identity))
  }

  #once<T>(name: string, make: () => Promise<T>): Promise<T> {
    const made = (this.#made.get(name) as Promise<T> | undefined) ?? make()
    this.#made.set(name, made)
    return made
  }

  #declared(name: string) {
    return this.#site.plan.credentials[name]!
  }
}

const bound = (thumbprint: string): ClaimsMutation => {
  return (claims) => ({ ...claims, cnf: { 'x5t#S256': thumbprint } })
}
const now = () => Math.floor(Date.now() / 1000)

const forgeries = {
  expired: () => (claims) => ({ ...claims, iat: now() - 2 * hour, exp: now() - hour }),
  'not yet valid': () => (claims) => ({ ...claims, nbf: now() + hour, exp: now() + 2 * hour }),
  unbound:
    () =>
    ({ cnf: _, ...claims }) =>
      claims,
  'without scope': () => (claims) => ({ ...claims, scope: '' }),
  'for another node': () => (claims) => ({ ...claims, trusted_nodes: ['nobody'] }),
  'bound elsewhere': () => bound(randomBytes(32).toString('base64url')),
  'bound to the presenter': (identity) => (identity ? bound(thumbprintS256(identity.certPem)) : (claims) => claims),
} satisfies Record<string, (identity: Identity | undefined) => ClaimsMutation>

function retiredKey(name: string): string {
  return `key retired ${name}`
}
