import type { Part, PartName, Presented } from '../credentials/parts.ts'
import { HoldfastError } from '../errors.ts'
import { type Identity, thumbprintS256 } from '../pki/certificate.ts'
import { once } from './once.ts'

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
  readonly base: Credential | undefined
  /** All its parts, made on first use. */
  readonly presented: () => Promise<Presented>

  constructor(label: string, make: () => Promise<Presented>, base?: Credential) {
    this.label = label
    this.presented = once(make)
    this.base = base
  }

  /** One of its parts. @throws CredentialLacks */
  async part<Name extends PartName>(name: Name): Promise<Part<Name>> {
    const value: Presented[Name] = (await this.presented())[name]
    if (value === undefined) throw new CredentialLacks(this.label, name)
    return value as Part<Name>
  }

  /** The same with another value of one part: a value, or what is made from the own one. */
  with<Name extends PartName>(name: Name, value: Derived<Part<Name>>, label = `with another ${name}`): Credential {
    return this.#derive(label, async (own) => {
      const made = typeof value === 'function' ? await value(await this.part(name)) : value
      return { ...own, [name]: made }
    })
  }

  /** The same without one part. */
  without(name: PartName): Credential {
    return this.#derive(`without ${name}`, async ({ [name]: _, ...others }) => others)
  }

  /** The same over the certificate of another credential. */
  over(other: Credential): Credential {
    return this.#derive(`over ${other.label}`, async (own) => ({ ...own, certificate: await other.identity() }))
  }

  /** The certificate with its key. @throws CredentialLacks */
  readonly identity = (): Promise<Identity> => this.part('certificate')

  /** The token's text. @throws CredentialLacks */
  readonly token = (): Promise<string> => this.part('token')

  /** `x5t#S256` of the certificate. */
  async thumbprint(): Promise<string> {
    return thumbprintS256((await this.identity()).certPem)
  }

  /** The same token over a certificate that the test made, from its own one if need be. */
  readonly withCertificate = (certificate: Derived<Identity>, label = 'over another certificate'): Credential =>
    this.with('certificate', certificate, label)

  /** The same token over a connection without client certificate. */
  readonly withoutCertificate = (): Credential => this.without('certificate')

  /** The same certificate with another token: a text, or what is made from the own one. */
  readonly withToken = (token: Derived<string>, label?: string): Credential => this.with('token', token, label)

  /** The same certificate with the token of another credential. */
  withTokenOf(other: Credential): Credential {
    return this.#derive(`with the token of ${other.label}`, async (own) => ({ ...own, token: await other.token() }))
  }

  /** The same certificate and no token. */
  readonly withoutToken = (): Credential => this.without('token')

  #derive(mutation: string, change: (own: Presented) => Promise<Presented>): Credential {
    const make = async () => change(await this.presented())
    return new Credential(`${this.label} ${mutation}`, make, this)
  }
}
