import { randomBytes } from 'node:crypto'
import type { Site } from '../backends/backend.ts'
import type { SpoiledToken } from '../credentials/bound-token/checks.ts'
import type { SpoiledCertificate } from '../credentials/certificate/checks.ts'
import { credentialOf } from '../credentials/of-kind.ts'
import { type Identity, thumbprintS256 } from '../pki/certificate.ts'
import { type Spoiling, spoiled } from '../pki/spoiled.ts'
import { type ClaimsMutation, mutateClaims, tamperSignature } from '../tokens/forge.ts'
import { inspectToken } from '../tokens/inspect.ts'
import { holderOf } from '../topology/holders.ts'
import type { Cell } from '../trust/cell.ts'
import { Credential } from './credential.ts'
import { FreshCredentials } from './fresh-credentials.ts'
import { endTokens } from './insider.ts'
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

  /** The node from whose address a cell is called: the holder of what is presented, the first where that is put together. */
  callerOf({ presents, target }: Cell): string {
    const [first] = Object.values(presents)
    return first === undefined ? target : holderOf(this.#site.plan.credentials[first.credential]!)
  }

  async of(site: ScenarioSite, cell: Cell): Promise<Credential> {
    const { certificate, token: shown } = cell.presents
    const identity = certificate && (await this.#identity(site, certificate))
    const token = shown && (await this.#token(site, shown, identity))
    return new Credential(cell.name, async () => ({ certificate: identity, token }))
  }

  /** Retires the keys of all issuers, once; tokens for the given cells are minted before that. */
  retireKeys(cells: readonly Cell[]): Promise<void> {
    this.#retired ??= this.#retire(cells)
    return this.#retired
  }

  async #retire(cells: readonly Cell[]): Promise<void> {
    const names = new Set(cells.flatMap(({ presents }) => presents.token?.credential ?? []))
    for (const name of names) this.#made.set(retiredKey(name), Promise.resolve(await this.#fresh.named(name).token()))
    const issuers = new Set([...names].map((name) => this.#declared(name).issuer))
    for (const issuer of issuers) await endTokens(this.#site, issuer, 'rotate')
    this.#fresh = this.#fresh.withCertificates()
  }

  async #identity(site: ScenarioSite, { credential, state }: Shown): Promise<Identity> {
    if (state === 'fresh') return this.#fresh.named(credential).identity()
    return this.#once(`${state} ${credential}`, async () => {
      const { issuer, subject, sans } = credentialOf(this.#site.plan, 'certificate', credential)
      return spoiled[spoilings[state as SpoiledCertificate]]({ authority: await site.authority(issuer), subject, sans })
    })
  }

  async #token(site: ScenarioSite, { credential, state }: Shown, identity: Identity | undefined): Promise<string> {
    const own = () => this.#fresh.named(credential).token()
    switch (state as SpoiledToken | 'fresh') {
      case 'fresh':
        return own()
      case 'key retired':
        return this.#once(retiredKey(credential), own)
      case 'tampered':
        return tamperSignature(await own())
      case 'revoked':
        return this.#once(`revoked ${credential}`, () => this.#revoked(credential))
      default:
        return this.#forged(site, credential, state as Forged, identity)
    }
  }

  async #revoked(name: string): Promise<string> {
    const token = await this.#fresh.anew(name).token()
    const { issuer } = this.#declared(name)
    await endTokens(this.#site, issuer, 'revoke', { jti: inspectToken(token)?.jti })
    return token
  }

  /** The issuer never mints such tokens, so they are signed with its key. */
  async #forged(site: ScenarioSite, name: string, state: Forged, identity: Identity | undefined): Promise<string> {
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

type Shown = NonNullable<Cell['presents']['token']>
type Forged = Exclude<SpoiledToken, 'key retired' | 'tampered' | 'revoked'>

const spoilings: Readonly<Record<SpoiledCertificate, Spoiling>> = { 'of an unknown CA': 'otherCa', expired: 'expired' }

const bound = (thumbprint: string): ClaimsMutation => {
  return (claims) => ({ ...claims, cnf: { 'x5t#S256': thumbprint } })
}
const now = () => Math.floor(Date.now() / 1000)

const forgeries: Readonly<Record<Forged, (identity: Identity | undefined) => ClaimsMutation>> = {
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
}

function retiredKey(name: string): string {
  return `key retired ${name}`
}
