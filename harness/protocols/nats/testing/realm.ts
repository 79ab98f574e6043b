import {
  type Account,
  createAccount,
  createOperator,
  createUser,
  encodeAccount,
  encodeOperator,
  encodeUser,
  type KeyPair,
  newScopedSigner,
  type Permissions,
  type User,
  type UserEncodingOptions,
} from '@nats-io/jwt'
import type { UserCreds } from '../../../credentials/nats-creds/user-creds.ts'
import '../../../credentials/nats-creds/ed25519.ts'

// An operator with its accounts and users, made by the NATS JWT library: what a broker of operator mode believes, in tests that start
// one of their own. Sites have theirs from nsc.

/** Whatever is left out is nought in such a JWT, and nought is a limit. */
const unlimited = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
const userLimits = { subs: -1, data: -1, payload: -1 }
const text = new TextDecoder()

export class Realm {
  readonly name: string
  readonly key = createOperator()
  /** Signs accounts: a broker that is strict takes none that the operator signed itself. */
  readonly signer = createOperator()

  constructor(name = 'HOLO') {
    this.name = name
  }

  account(name: string, roles: Readonly<Record<string, Permissions>> = {}): RealmAccount {
    return new RealmAccount(this, name, roles)
  }

  /** `system`: its system account. Strict: users are signed by keys of roles alone. */
  jwt(system: RealmAccount, { isStrict = false } = {}): Promise<string> {
    const strict = { strict_signing_key_usage: isStrict, signing_keys: [this.signer.getPublicKey()] }
    return encodeOperator(this.name, this.key, { system_account: system.id, ...strict })
  }
}

export class RealmAccount {
  readonly realm: Realm
  readonly name: string
  readonly key = createAccount()
  /** Signing key that stands for no role. */
  readonly signer = createAccount()
  /** Signing keys by the name of their role. */
  readonly signers: ReadonlyMap<string, KeyPair>
  readonly #roles: Readonly<Record<string, Permissions>>

  constructor(realm: Realm, name: string, roles: Readonly<Record<string, Permissions>>) {
    this.realm = realm
    this.name = name
    this.#roles = roles
    this.signers = new Map(Object.keys(roles).map((role) => [role, createAccount()]))
  }

  get id(): string {
    return this.key.getPublicKey()
  }

  jwt(more: Partial<Account> = {}, options: { exp?: number; signer?: KeyPair } = {}): Promise<string> {
    const scoped = [...this.signers].map(([role, signer]) => {
      return newScopedSigner(signer, role, { ...userLimits, ...this.#roles[role] })
    })
    const signing_keys = [this.signer.getPublicKey(), ...scoped]
    const limits = { ...unlimited, ...more.limits }
    const { signer = this.realm.signer, ...times } = options
    return encodeAccount(this.name, this.key, { signing_keys, ...more, limits }, { signer, ...times })
  }

  /** A user of one of its roles; without one, signed by the account itself. */
  async user(
    name: string,
    role?: string,
    more: Partial<User> = {},
    options: Partial<UserEncodingOptions> = {},
  ): Promise<UserCreds & { readonly id: string }> {
    const key = createUser()
    const scoped = role === undefined ? {} : { signer: this.signers.get(role)!, scopedUser: true }
    const claims = role === undefined ? { ...userLimits, ...more } : more
    const jwt = await encodeUser(name, key, this.key, claims, { ...scoped, ...options })
    return { jwt, seed: text.decode(key.getSeed()), id: key.getPublicKey() }
  }
}
