/** What a creds file holds: a user's JWT, and the seed of the key that it names. */
export interface UserCreds {
  readonly jwt: string
  /** `SU…`; empty: whoever presents the JWT has no key to it, and signs nothing. */
  readonly seed: string
}

/** Reads a creds file by the NATS library. Rejects where it is none. */
export async function readCreds(text: string): Promise<UserCreds> {
  const { parseCreds } = await import('@nats-io/jwt')
  const { jwt, key } = await parseCreds(Buffer.from(text))
  return { jwt, seed: key }
}
