/** What a creds file holds: a user's JWT, and the seed of the key that it names. */
export interface UserCreds {
  readonly jwt: string
  /** `SU…`; empty: whoever presents the JWT has no key to it, and signs nothing. */
  readonly seed: string
}
