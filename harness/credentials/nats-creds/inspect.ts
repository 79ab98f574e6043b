import { decode, fromSeed } from '@nats-io/jwt'
import { readCreds } from './user-creds.ts'
import './ed25519.ts'

/** What a NATS JWT says, whose signature is that of the issuer that it names. */
export interface InspectedJwt {
  readonly type: 'operator' | 'account' | 'user'
  readonly name: string
  readonly subject: string
  readonly issuer: string
  /** Seconds since 1970. */
  readonly issued: number
  /** Seconds since 1970; absent where it does not end. */
  readonly expires?: number | undefined
  /** The account of a user that was signed by one of its signing keys. */
  readonly account?: string
  /** Public keys that sign for it, beside its own. */
  readonly signingKeys: readonly string[]
  /** Of a user: whether it says nothing of its own about what it may, so that all of it stands with the role. */
  readonly isScoped: boolean
}

interface Claims {
  readonly type: InspectedJwt['type']
  readonly issuer_account?: string
  readonly signing_keys?: readonly (string | { readonly key: string })[]
  readonly pub?: object
  readonly sub?: object
}

/** Reads a NATS JWT by its library. Rejects where its signature is not that of its issuer. */
export function inspectJwt(text: string): InspectedJwt {
  const { name, sub, iss, iat, exp, nats } = decode<Claims>(text.trim())
  const isEmpty = (permissions: object | undefined) => Object.keys(permissions ?? {}).length === 0
  return {
    ...{
      type: nats.type as InspectedJwt['type'],
      name,
      subject: sub,
      issuer: iss,
      issued: iat,
      account: nats.issuer_account,
    },
    ...(exp !== undefined && { expires: exp }),
    signingKeys: (nats.signing_keys ?? []).map((key) => (typeof key === 'string' ? key : key.key)),
    isScoped: isEmpty(nats.pub) && isEmpty(nats.sub),
  }
}

/** The same of the user in a creds file, whose seed must be that of the user's key. */
export async function inspectCreds(text: string): Promise<InspectedJwt> {
  const { jwt, seed } = await readCreds(text)
  const inspected = inspectJwt(jwt)
  const key = fromSeed(Buffer.from(seed)).getPublicKey()
  if (key !== inspected.subject) throw new Error(`its seed is that of ${key}, and its user is ${inspected.subject}`)
  return inspected
}
