import { HoldfastError } from '../errors.ts'
import { type Identity, thumbprintS256 } from '../pki/certificate.ts'

/** What a call presents. */
export interface Presented {
  readonly identity?: Identity
  readonly token?: string
}

/** A credential was asked for something that it is not made of. Code `HOLDFAST_CREDENTIAL_LACKS`. */
export class CredentialLacks extends HoldfastError {
  constructor(label: string, what: string) {
    super('HOLDFAST_CREDENTIAL_LACKS', `credential "${label}" has no ${what}; begin with one that has`)
  }
}

type Derived<T> = T | ((own: T) => T | Promise<T>)

/**
 * A credential of one test. It is made real when it is first used, once. Each method answers another credential that differs in
 * one element only; a call with that one runs this one first, as its positive control.
 */
export class Credential {
  /** For people: `peer-b-to-a over cert-node-a`. */
  readonly label: string
  /** What this one was derived from. */
  readonly base: Credential | undefined
  readonly #make: () => Promise<Presented>
  #made: Promise<Presented> | undefined

  constructor(label: string, make: () => Promise<Presented>, base?: Credential) {
    this.label = label
    this.#make = make
    this.base = base
  }

  /** The certificate with its key and the token, made on first use. */
  presented(): Promise<Presented> {
    this.#made ??= this.#make()
    return this.#made
  }

  /** The certificate with its key. @throws CredentialLacks */
  async identity(): Promise<Identity> {
    const { identity } = await this.presented()
    if (identity === undefined) throw new CredentialLacks(this.label, 'certificate')
    return identity
  }

  /** The token's text. @throws CredentialLacks */
  async token(): Promise<string> {
    const { token } = await this.presented()
    if (token === undefined) throw new CredentialLacks(this.label, 'token')
    return token
  }

  /** `x5t#S256` of the certificate. */
  async thumbprint(): Promise<string> {
    return thumbprintS256((await this.identity()).certPem)
  }

  /** The same token over the certificate of another credential. */
  over(other: Credential): Credential {
    return this.#derive(`over ${other.label}`, async (own) => ({ ...own, identity: await other.identity() }))
  }

  /** The same token over a certificate that the test made, from its own one if need be. */
  withCertificate(certificate: Derived<Identity>, label = 'over another certificate'): Credential {
    return this.#derive(label, async (own) => {
      const identity = typeof certificate === 'function' ? await certificate(await this.identity()) : certificate
      return { ...own, identity }
    })
  }

  /** The same token over a connection without client certificate. */
  withoutCertificate(): Credential {
    return this.#derive('without certificate', async ({ token }) => ({ token }))
  }

  /** The same certificate with another token: a text, or what is made from the own one. */
  withToken(token: Derived<string>, label = 'with another token'): Credential {
    return this.#derive(label, async (own) => {
      const text = typeof token === 'function' ? await token(await this.token()) : token
      return { ...own, token: text }
    })
  }

  /** The same certificate with the token of another credential. */
  withTokenOf(other: Credential): Credential {
    return this.#derive(`with the token of ${other.label}`, async (own) => ({ ...own, token: await other.token() }))
  }

  /** The same certificate and no token. */
  withoutToken(): Credential {
    return this.#derive('without token', async ({ identity }) => ({ identity }))
  }

  #derive(mutation: string, change: (own: Presented) => Promise<Presented>): Credential {
    const make = async () => change(await this.presented())
    return new Credential(`${this.label} ${mutation}`, make, this)
  }
}
